"""Plots as parts of an HTML page that loads nothing."""

from __future__ import annotations

import json
import re
from functools import cache

from bokeh.document import Document
from bokeh.resources import Resources
from matplotlib.figure import Figure

from stereo_tasks.zoom.plot import plot_of
from stereo_tasks.zoom.policy import LOADER

_MODEL_ID = re.compile(r'"p(\d+)"')


def plot_data(figure: Figure) -> str:
    """Return what the loader makes a plot of: a ``<script>`` that holds data, and runs nothing.

    Parameters
    ----------
    figure : matplotlib.figure.Figure

    Raises
    ------
    TypeError
        If something is drawn that no plot is known of.
    """
    plot, document = plot_of(figure), Document()
    document.add_root(plot)
    item = json.dumps({"root_id": plot.id, "doc": document.to_json(deferred=False)}, allow_nan=False)
    return f'<script type="application/json">{_unmarked(_numbered(item))}</script>'


@cache
def scripts() -> str:
    """Return BokehJS and the loader, for the end of a page with plots: 1.3 MB."""
    (bokeh,) = (text for text in Resources(mode="inline", components=["bokeh"]).js_raw if len(text) > 1000)
    return f"<script>{bokeh}</script>\n<script>{LOADER.read_text()}</script>"


def _numbered(item: str) -> str:
    """Count the models anew: equal figures give equal texts, whatever was drawn before."""
    numbers: dict[str, str] = {}
    return _MODEL_ID.sub(lambda found: f'"p{numbers.setdefault(found[1], str(len(numbers)))}"', item)


def _unmarked(item: str) -> str:
    """Escape what would end the script; in JSON these stand in texts only."""
    return item.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
