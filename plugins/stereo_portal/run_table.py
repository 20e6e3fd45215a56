"""Runs as a table for other programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stereo_tasks.settings import Settings
    from stereo_tasks.status.run_page import RunFilter

COLUMNS = (
    "production", "night", "source", "run", "zenith_deg", "live_time_s", "qa", "counts", "overruled_by", "why",
    "published",
)  # fmt: skip


def csv_parts(settings: Settings, production: str, wanted: RunFilter) -> Iterator[str]:
    """Yield a table of all runs that fit as CSV, part by part: years of them need not be in memory at once.

    Parameters
    ----------
    settings : Settings
        Configuration of the site.
    production : str
        Name of the production.
    wanted : RunFilter
        Which runs.

    Raises
    ------
    CatalogError
        If the catalog cannot be used.
    """
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.status.run_page import run_parts

    head = io.StringIO()
    csv.writer(head).writerow(COLUMNS)
    with Catalog.kept(settings) as catalog:
        begin = head.getvalue()
        for runs in run_parts(catalog, production, wanted):
            text = io.StringIO()
            csv.writer(text).writerows(
                [_plain(cell) for cell in (
                    production, run.night, run.source, run.run, run.zenith_deg, run.live_time_s, run.level,
                    run.effective, run.overruled.by if run.overruled else "", run.why, run.published,
                )] for run in runs
            )  # fmt: skip
            yield begin + text.getvalue()
            begin = ""
    yield begin


def _plain(cell: Any) -> Any:
    """Keep a text from being a formula where a spreadsheet opens the file."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
