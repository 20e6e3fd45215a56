"""Is a product whole? It opens, has its tables or HDUs and rows, and its values are finite."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stereo_tasks.stages import Stage, resolve
from stereo_tasks.steps.outcomes import failed

_DL3_HDUS = ("EVENTS", "GTI", "POINTING", "EFFECTIVE AREA", "ENERGY DISPERSION")
_IRF_HDUS = ("EFFECTIVE AREA", "ENERGY DISPERSION")
_MIN_FOREST_BYTES = 1000


def validate(stage: Stage, files: Sequence[Path]) -> None:
    """Check the products of a stage.

    Raises
    ------
    NoProductError
        If one is not whole; it must not get its final name.
    """
    check = resolve(stage.check)
    for path in files:
        try:
            problem = check(stage, path)
        except Exception as error:  # noqa: BLE001 - whatever stops the reading, the product is not whole
            problem = f"cannot be read back ({type(error).__name__}: {error})"
        if problem:
            raise failed(f"product {path.name} {problem}")


def event_table(stage: Stage, path: Path) -> str:
    """Check a table of images: rows, finite columns, the telescopes."""
    import tables  # not there in the analysis environment

    from stereo_tasks.steps import hdf

    with tables.open_file(str(path)) as file:
        if hdf.EVENTS not in file or not file.get_node(hdf.EVENTS).nrows:
            return f"has no rows in {hdf.EVENTS}"
        for name, values in hdf.columns_of(file.get_node(hdf.EVENTS), stage.finite_columns).items():
            if not np.isfinite(values).all():
                return f"has values that are not finite in {name}"
        if "/configuration/instrument/subarray/layout" not in file:
            return "has no subarray"
    return ""


def packed_forests(stage: Stage, path: Path) -> str:
    """Check packed forests: how large the file is."""
    size = path.stat().st_size
    return "" if size > _MIN_FOREST_BYTES else f"has only {size} bytes"


def irf(stage: Stage, path: Path) -> str:
    """Check an IRF: its HDUs."""
    return _hdus(path, _IRF_HDUS)


def _hdus(path: Path, wanted: Sequence[str]) -> str:
    from astropy.io import fits  # not for those who check tables only: it takes longer than that

    with fits.open(path) as hdus:
        hdus.verify("exception")
        if missing := [name for name in wanted if name not in hdus]:
            return f"lacks {', '.join(missing)}"
        area = hdus["EFFECTIVE AREA"].data["EFFAREA"]
        # Not a number where the Monte Carlo has no showers: outside of the simulated energies.
        if not (np.nan_to_num(area) > 0).any():
            return "has no positive effective area"
    return ""


def dl3(stage: Stage, path: Path) -> str:
    """Check DL3: its HDUs, events, good time intervals, finite values, and the rest of its format."""
    from astropy.io import fits

    from stereo_tasks.gadf.check import check_file

    if problem := _hdus(path, _DL3_HDUS):
        return problem
    with fits.open(path) as hdus:
        events, gti = hdus["EVENTS"].data, hdus["GTI"].data
        if not len(events) or not len(gti):
            return "has no events or no good time interval"
        for name in ("ENERGY", "RA", "DEC", "TIME"):
            if not np.isfinite(events[name]).all():
                return f"has values that are not finite in {name}"
        if not (gti["STOP"] > gti["START"]).all():
            return "has a good time interval that ends before it starts"
    problems = check_file(path)
    return "; ".join(f"[{problem.hdu}] {problem.card} {problem.text}" for problem in problems[:3])


def index(stage: Stage, path: Path) -> str:
    """Check an index: rows."""
    from astropy.table import Table

    return "" if len(Table.read(path)) else "has no rows"


def forest(stage: Stage, path: Path) -> str:
    """Check a random forest, as far as its size tells."""
    return "" if path.stat().st_size > _MIN_FOREST_BYTES else "is too small for a forest"


def page(stage: Stage, path: Path) -> str:
    """Check a page, or the numbers behind it: it is whole."""
    text = path.read_text()
    if path.suffix == ".json":
        json.loads(text)
        return ""
    return "" if text.rstrip().endswith("</html>") else "does not end as a page"
