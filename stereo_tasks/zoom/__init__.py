"""Plots that zoom: figures of matplotlib once more for BokehJS, inlined into a page. Knows no nights."""
