"""Plots that zoom: a picture of matplotlib once more for BokehJS, inlined into a page. Knows figures only, no nights."""
