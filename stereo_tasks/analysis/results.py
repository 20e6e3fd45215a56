"""The files of an analysis: `results.yaml`, tables in ECSV, pictures, and a page with all of it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from astropy.table import QTable
from matplotlib.figure import Figure

from stereo_tasks.analysis.errors import AnalysisError

RESULTS, PAGE = "results.yaml", "season.html"
_PACKAGES = ("stereo-nights", "gammapy", "regions", "astropy", "astropy-iers-data", "numpy", "scipy", "iminuit")


def versions() -> dict[str, str]:
    """Return the versions of what an analysis depends on."""
    return {"python": ".".join(map(str, sys.version_info[:3])), **{name: version(name) for name in _PACKAGES}}


def check_writable(folder: Path) -> None:
    """Say before a long analysis that its results cannot be written.

    Raises
    ------
    AnalysisError
        If the folder, or the first one above it that exists, is no folder that can be written to.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not (there.is_dir() and os.access(there, os.W_OK)):
        raise AnalysisError(f"{there} cannot be written to: give another folder with --out")


def write_results(
    folder: Path,
    results: Mapping[str, Any],
    tables: Mapping[str, QTable],
    pictures: Mapping[str, Callable[[], Figure]],
) -> None:
    """Write everything beside the folder first, and move it there when it is whole; `results.yaml` comes last.

    Parameters
    ----------
    folder : pathlib.Path
        Made if it is not there. Files of the same names are replaced, others stay.
    results : mapping
        What is written to ``results.yaml``.
    tables : mapping of str to astropy.table.QTable
        By name, without ``.ecsv``; the page shows ``lightcurve`` and ``runs``.
    pictures : mapping of str to callable
        Functions that draw, by name, without ``.png``.

    Raises
    ------
    AnalysisError
        If the folder cannot be written to.
    """
    from stereo_tasks.analysis.page import ZOOMING, render
    from stereo_tasks.analysis.pictures import save

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".analysis-", dir=folder) as name:
            work = Path(name)
            for table_name, table in tables.items():
                table.write(work / f"{table_name}.ecsv", format="ascii.ecsv")
            plots = {
                picture_name: save(work / f"{picture_name}.png", draw, zooms=picture_name in ZOOMING)
                for picture_name, draw in pictures.items()
            }
            shown = {name: (work / f"{name}.png").read_bytes() for name in pictures}
            (work / PAGE).write_text(render(results, tables, shown, plots), encoding="utf-8")
            (work / RESULTS).write_text(yaml.safe_dump(dict(results), sort_keys=False, allow_unicode=True))
            (folder / RESULTS).unlink(missing_ok=True)
            for path in sorted(work.iterdir(), key=lambda path: (path.name == RESULTS, path.name)):
                shutil.move(path, folder / path.name)
    except OSError as error:
        raise AnalysisError(f"{folder} cannot be written ({error}): give another folder with --out") from error
