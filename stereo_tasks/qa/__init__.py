"""Metrics of a night, verdicts on them, plots and the quality page. Runs in the science environment."""
