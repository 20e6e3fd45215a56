"""The runs of a production with their verdicts: which observations are good."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.models import Overrule, Publication, WithdrawalRow
from stereo_tasks.catalog.overrules import open_overrules
from stereo_tasks.catalog.run_verdicts import current_verdicts
from stereo_tasks.gadf.format import QUALITY, UNKNOWN_QUALITY
from stereo_tasks.nights import Night
from stereo_tasks.products.withdrawn import WHOLE_NIGHT

GOOD = next(iter(QUALITY))


@dataclass(frozen=True, slots=True)
class Overruled:
    """What a person says of a run instead."""

    level: str
    by: str
    at_utc: dt.datetime
    reason: str


@dataclass(frozen=True, slots=True)
class RunRow:
    """An LST-1 run of a source, as it was judged."""

    production: str
    night: Night
    source: str
    run: int
    """Of LST-1; the observation id of its DL3."""
    zenith_deg: float | None
    live_time_s: float | None
    level: str
    """As QA said: ``good``, ``warning`` or ``bad``."""
    reasons: tuple[str, ...]
    """Why it is not good, one line each."""
    judged_utc: dt.datetime
    overruled: Overruled | None
    published: bool
    """Whether its DL3 is among what users read."""
    withdrawn: bool
    """Whether a person has said that it is not to be used."""

    @property
    def effective(self) -> str:
        """The level that counts, and stands in the published index: a person's, else that of QA."""
        return self.overruled.level if self.overruled else self.level

    @property
    def quality(self) -> int:
        """``QUALITY`` of the observation index, as `stereo_tasks.gadf.format.QUALITY`."""
        return QUALITY.get(self.effective, UNKNOWN_QUALITY)

    @property
    def why(self) -> str:
        """Why the level is what it is, in one line; empty for a run that is simply good."""
        said = "; ".join(self.reasons)
        if self.overruled is None:
            return said
        one = self.overruled
        qa = f"QA says {self.level}" + (f": {said}" if said else "")
        return f"by {one.by}, {one.at_utc.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC: {one.reason} ({qa})"


def list_runs(
    catalog: Catalog,
    production: str,
    *,
    source: str | None = None,
    first: Night | None = None,
    last: Night | None = None,
    good: bool = False,
) -> list[RunRow]:
    """Return the runs that QA has judged, by night, source and run.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    production : str
        Name of the production.
    source : str, optional
        Only this one.
    first, last : Night, optional
        Only nights from the first to the last, both included.
    good : bool, optional
        Only those whose level that counts is ``good``, and that are not withdrawn.
    """
    with catalog.transaction(snapshot=True) as session:
        found = current_verdicts(session, production, source=source, first=first, last=last)
        said = {
            (row.night, row.source, row.run): _overruled(row)
            for row in open_overrules(session, production, source=source, first=first, last=last)
        }
        published = _keys(session, Publication, (Publication.production == production,), first, last)
        is_open = (WithdrawalRow.production == production, WithdrawalRow.lifted_utc.is_(None))
        withdrawn = _keys(session, WithdrawalRow, is_open, first, last, WithdrawalRow.run)
    nights = {row.night: Night(row.night) for row in found}
    unusable = {(row.night, row.source, row.run) for row in found if {
        (row.night, row.source, row.run), (row.night, row.source, WHOLE_NIGHT)
    } & withdrawn}  # fmt: skip
    rows = [
        RunRow(
            production, nights[row.night], row.source, row.run, row.zenith_deg, row.live_time_s, row.level,
            tuple(row.reasons), row.judged_utc, said.get((row.night, row.source, row.run)),
            row.live_time_s is not None and (row.night, row.source) in published and key not in unusable,
            key in unusable,
        )
        for row in found
        for key in [(row.night, row.source, row.run)]
    ]  # fmt: skip
    return [row for row in rows if row.effective == GOOD and not row.withdrawn] if good else rows


def _overruled(row: Overrule | Any) -> Overruled:
    return Overruled(row.level, row.decided_by, row.decided_utc, row.reason)


def _keys(
    session: Session, table: Any, wanted: Iterable[Any], first: Night | None, last: Night | None, *more: Any
) -> set[tuple[Any, ...]]:
    """Return night, source and more of the rows of a range."""
    statement = select(table.night, table.source, *more).where(*wanted).distinct()
    if first is not None:
        statement = statement.where(table.night >= first.evening)
    if last is not None:
        statement = statement.where(table.night <= last.evening)
    return {tuple(row) for row in session.execute(statement)}
