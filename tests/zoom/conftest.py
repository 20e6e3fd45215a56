"""Figures of matplotlib as plots; they need bokeh, which the control environment has not got."""

from __future__ import annotations

import importlib.util

collect_ignore_glob = [] if importlib.util.find_spec("bokeh") else ["test_*.py"]
