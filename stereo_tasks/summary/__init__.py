"""Summaries of a set of data: its sample (when, where, at which rates), and the performance of its chains of analysis.

Pure functions on tables; `stereo_tasks.steps.dataset_summaries` reads the files.
"""
