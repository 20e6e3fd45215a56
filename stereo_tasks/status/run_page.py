"""Runs page by page: what a page costs does not depend on how long the range is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import func, select

from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.models import RunVerdict
from stereo_tasks.nights import Night
from stereo_tasks.status.runs import RunRow, list_runs

RUNS_A_PAGE = 150
_NIGHTS_AT_ONCE = 30
_MOST_NIGHTS = 120
"""Nights among which those that fit are looked for: what has only few of them ends before it is full."""


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs are wanted."""

    source: str | None = None
    first: Night | None = None
    last: Night | None = None
    level: str | None = None
    """The level that counts."""
    zenith_min_deg: float | None = None
    zenith_max_deg: float | None = None

    def fits(self, run: RunRow) -> bool:
        """Return whether a run of the range and source is wanted; one without a zenith distance is in no range."""
        if self.level and run.effective != self.level:
            return False
        if self.zenith_min_deg is None and self.zenith_max_deg is None:
            return True
        low, high = self.zenith_min_deg or 0.0, 180.0 if self.zenith_max_deg is None else self.zenith_max_deg
        return run.zenith_deg is not None and low <= run.zenith_deg <= high


@dataclass(frozen=True, slots=True)
class RunPage:
    """The newest runs that fit."""

    runs: tuple[RunRow, ...]
    """Newest night first."""
    older: Night | None
    """The night with which the next page begins; None: this is the last one."""


def run_page(catalog: Catalog, production: str, wanted: RunFilter) -> RunPage:
    """Return the newest runs that fit; of the next page `wanted.last` is `RunPage.older`."""
    nights = _nights(catalog, production, wanted, at_most=_MOST_NIGHTS + 1)
    found: list[RunRow] = []
    for begin in range(0, min(len(nights), _MOST_NIGHTS), _NIGHTS_AT_ONCE):
        chunk = nights[begin : begin + _NIGHTS_AT_ONCE]
        rows = list_runs(catalog, production, source=wanted.source, first=chunk[-1], last=chunk[0])
        found += sorted(
            filter(wanted.fits, rows), key=lambda run: (-run.night.evening.toordinal(), run.source, run.run)
        )
        if len(found) > RUNS_A_PAGE:
            # Whole nights: the next page begins with the night that does not fit any more.
            last = found[RUNS_A_PAGE].night
            shown = tuple(run for run in found if run.night > last) or tuple(run for run in found if run.night == last)
            rest = last if shown[-1].night > last else next((night for night in nights if night < last), None)
            return RunPage(shown, rest)
    return RunPage(tuple(found), nights[_MOST_NIGHTS] if len(nights) > _MOST_NIGHTS else None)


def run_parts(catalog: Catalog, production: str, wanted: RunFilter) -> Iterator[list[RunRow]]:
    """Yield all runs that fit by night, source and run, those of some nights at a time."""
    nights = _nights(catalog, production, wanted)[::-1]
    for begin in range(0, len(nights), _NIGHTS_AT_ONCE):
        part = nights[begin : begin + _NIGHTS_AT_ONCE]
        rows = list_runs(catalog, production, source=wanted.source, first=part[0], last=part[-1])
        yield [run for run in rows if wanted.fits(run)]


def months_of(catalog: Catalog, production: str) -> dict[str, str]:
    """Return of each source the newest month (``2024-01``) with a verdict of a run."""
    statement = (
        select(RunVerdict.source, func.max(RunVerdict.night))
        .where(RunVerdict.production == production, RunVerdict.superseded_utc.is_(None))
        .group_by(RunVerdict.source)
        .order_by(RunVerdict.source)
    )
    with catalog.transaction() as session:
        return {source: f"{night:%Y-%m}" for source, night in session.execute(statement)}


def _nights(catalog: Catalog, production: str, wanted: RunFilter, at_most: int | None = None) -> list[Night]:
    """Return nights with runs of the range and source, the newest first."""
    statement = select(RunVerdict.night).where(
        RunVerdict.production == production, RunVerdict.superseded_utc.is_(None)
    )  # fmt: skip
    if wanted.source:
        statement = statement.where(RunVerdict.source == wanted.source)
    if wanted.first:
        statement = statement.where(RunVerdict.night >= wanted.first.evening)
    if wanted.last:
        statement = statement.where(RunVerdict.night <= wanted.last.evening)
    statement = statement.distinct().order_by(RunVerdict.night.desc()).limit(at_most)
    with catalog.transaction() as session:
        return [Night(night) for night in session.scalars(statement)]
