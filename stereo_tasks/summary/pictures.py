"""How pictures look: PNG files with axes and units, the same colours for the same chain everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from stereo_tasks.summary.counting import Floats, Histogram
from stereo_tasks.summary.result import Result

STEREO, LST, MAGIC, SIMULATED, FAINT, INK = "navy", "darkviolet", "darkcyan", "tab:orange", "silver", "#241f31"
COLOURS = {"stereo": STEREO, "lst": LST, "melibea": MAGIC, "LST-1": "mediumorchid", "M1": "teal", "M2": "yellowgreen"}
_DPI = 110
_STYLE: dict[str, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 9,
}


def save(path: Path, result: Result) -> None:
    """Draw the picture of a result into a PNG file; a text, if there is nothing to be seen."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7, 4.5), layout="constrained")
        FigureCanvasAgg(figure)
        if result.missing:
            figure.text(0.5, 0.5, f"{result.title}\n{result.missing}", ha="center", va="center", wrap=True)
        else:
            result.draw(figure)
        figure.savefig(path, dpi=_DPI, metadata={"Software": None})


def panels(figure: Figure, number: int, columns: int = 3, height_in: float = 3.4) -> list[Axes]:
    """Return axes beside each other, in as many rows as are needed."""
    columns = min(columns, number)
    rows = -(-number // columns)
    figure.set_size_inches(4.2 * columns if number > 1 else 7, height_in * rows if number > 1 else 4.5)
    axes = np.asarray(figure.subplots(rows, columns)).reshape(-1)
    for unused in axes[number:]:
        unused.remove()
    return list(axes[:number])


def draw_map(axes: Axes, histogram: Histogram, label: str = "events") -> None:
    """Draw a histogram of two dimensions: the first along x, the second along y."""
    figure, counts = axes.figure, np.ma.masked_less_equal(histogram.counts, 0)
    largest = max(float(histogram.counts.max()), 1e-12)
    smallest = float(counts.min()) if counts.count() else largest / 10
    scale = LogNorm(min(smallest, largest / 2), largest)
    mesh = axes.pcolormesh(*histogram.edges, counts.T, norm=scale, cmap="viridis", rasterized=True)
    figure.colorbar(mesh, ax=axes, label=label)


def logarithmic(axes: Axes, *names: str) -> None:
    """Set axes to logarithmic scales with plain numbers; within less than a decade, also between the powers of ten."""
    for name in names:
        getattr(axes, f"set_{name}scale")("log")
        low, high = getattr(axes, f"get_{name}lim")()
        axis = getattr(axes, f"{name}axis")
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("{x:g}" if 0 < high < 10 * low else NullFormatter())


def steps(axes: Axes, edges: Floats, values: Floats, **style: Any) -> None:
    """Draw a histogram of one dimension as a line; nothing, if it has no value."""
    if np.isfinite(values).any() and np.any(values != 0):
        axes.stairs(values, edges, **style)


def legend(axes: Axes, **options: Any) -> None:
    """Add a legend where there is something to name."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(**options)


def bins_table(edges: Floats, unit: str, name: str, **columns: Any) -> Table:
    """Return a table with a row a bin: its edges, and columns."""
    table = Table({f"{name}_min": edges[:-1], f"{name}_max": edges[1:], **columns})
    for edge in ("min", "max"):
        table[f"{name}_{edge}"].unit = unit or None
    return table


def map_table(histogram: Histogram, names: Sequence[str], unit: str, **columns: Floats) -> Table:
    """Return a table with a row a bin of two dimensions that has something: its middle, and columns."""
    x, y = np.meshgrid(histogram.centers(0), histogram.centers(1), indexing="ij")
    some = np.any([values != 0 for values in columns.values()], axis=0)
    table = Table({names[0]: x[some], names[1]: y[some], **{name: values[some] for name, values in columns.items()}})
    for name in names:
        table[name].unit = unit
    return table


def cycled(number: int) -> Iterator[Any]:
    """Yield colours for many lines of one kind, from early to late."""
    yield from mpl.colormaps["viridis"](np.linspace(0, 0.9, max(number, 1)))
