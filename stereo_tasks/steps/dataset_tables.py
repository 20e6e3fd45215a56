"""What the steps of data sets share: reading tables of products, and checking what was made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import tables

from stereo_tasks.datasets import files
from stereo_tasks.datasets.directions import SourceRegions
from stereo_tasks.datasets.errors import DatasetError
from stereo_tasks.planning.plan import Input
from stereo_tasks.products.record import NO_INPUT, Record
from stereo_tasks.stages import Stage
from stereo_tasks.steps.context import StepContext
from stereo_tasks.steps.outcomes import failed, quarantined, skipped


def check(stage: Stage, path: Path) -> str:
    """Check a file of tables: what its columns mean, and that its rows are those of its parts."""
    return files.wrong_with(path)


def read(path: Path, key: str) -> pd.DataFrame:
    """Read a table of an input.

    Raises
    ------
    NoProductError
        If the file is damaged or has no such table.
    """
    try:
        return pd.read_hdf(path, key)
    except (OSError, KeyError, ValueError, tables.HDF5ExtError) as error:
        text = " ".join(str(error).split())[:150]
        raise quarantined(path.name, f"{key} cannot be read ({type(error).__name__}: {text})") from error


@contextmanager
def named(subject: str) -> Iterator[None]:
    """Say which input a table of another kind is from."""
    try:
        yield
    except DatasetError as error:
        raise failed(f"{subject}: {error}") from error


def made(context: StepContext, role: str = "") -> tuple[list[tuple[Input, Record]], list[str]]:
    """Return the parts among the inputs that were made, and the others with their reasons.

    Raises
    ------
    NoProductError
        If there is none.
    """
    available, lost = context.upstream(role)
    if not available:
        raise skipped(f"{NO_INPUT}: {'; '.join(lost[:5])}")
    return available, lost


def regions(context: StepContext) -> SourceRegions:
    """Return the regions that the plan chose."""
    given = context.element.parameters
    return SourceRegions(
        given["source_ra_deg"], given["source_dec_deg"], given["region_radius_deg"], int(given["off_regions"])
    )
