"""Sign-offs: a person has looked at a night. One holds as long as nothing changes of what was looked at."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from stereo_tasks.catalog.database import Catalog, Lock, take
from stereo_tasks.catalog.liftable import SIGN_OFF
from stereo_tasks.catalog.models import Publication, SignOffRow
from stereo_tasks.catalog.overrules import open_overrules
from stereo_tasks.catalog.run_verdicts import current_verdicts
from stereo_tasks.catalog.values import plain
from stereo_tasks.errors import StereoError
from stereo_tasks.nights import Night

Evidence = dict[str, dict[str, Any]]
"""By source: ``runs`` with level, reasons and overrule of each, and ``published`` with the version of each cuts."""


class SignOffError(StereoError):
    """A night cannot be signed off; the text says why."""


@dataclass(frozen=True, slots=True)
class SignOff:
    """The latest sign-off of a night that nobody has lifted."""

    night: Night
    by: str
    at_utc: dt.datetime
    remark: str
    changes: tuple[str, ...]
    """What changed since; then the night is no longer signed off."""

    @property
    def holds(self) -> bool:
        """Whether the night is signed off."""
        return not self.changes

    def __str__(self) -> str:
        """Say who signed the night off, when, and whether that still holds."""
        remark = f": {self.remark}" if self.remark else ""
        said = f"by {self.by}, {self.at_utc.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC{remark}"
        return said if self.holds else f"no longer, since {'; '.join(self.changes)}; it was {said}"


def sign_off(catalog: Catalog, night: Night, production: str, remark: str = "", *, by: str) -> SignOff:
    """Sign a night off, as it is now.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    night : Night
        The night.
    production : str
        Name of the production.
    remark : str, optional
        For the person who reads it.
    by : str
        Who.

    Raises
    ------
    SignOffError
        If there is nothing to look at, or the night is signed off and nothing changed since.
    DecisionError
        If the file of decisions cannot be written; nothing is signed then.
    """
    with catalog.transaction(writes=True) as session:
        take(session, Lock.JUDGEMENTS)
        signed = _evidence(session, production, night, night).get(night.evening, {})
        if not signed:
            raise SignOffError(
                f"there is nothing to sign off: no verdict and no publication of the night of {night} in {production}"
            )
        old = _sign_offs(session, production, night, night).get(night)
        if old is not None and old.holds:
            raise SignOffError(f"the night of {night} is signed off already, {old}; nothing changed since")
        values = {
            "production": production, "night": night.evening, "remark": plain(remark.strip()),
            "signed": signed, "decided_by": plain(by),
        }  # fmt: skip
        return _as_sign_off(SIGN_OFF.decide(catalog, session, values), signed)


def lift(catalog: Catalog, night: Night, production: str, reason: str = "", *, by: str) -> SignOff:
    """Take the sign-off of a night back, and return it.

    Raises
    ------
    SignOffError
        If nobody has signed it off.
    DecisionError
        If the file of decisions cannot be written; nothing is lifted then.
    """
    with catalog.transaction(writes=True) as session:
        take(session, Lock.JUDGEMENTS)
        found = session.scalar(_latest(production, night, night))
        if found is None or found.lifted_utc is not None:
            raise SignOffError(f"nobody has signed off the night of {night} of {production}")
        row: SignOffRow = SIGN_OFF.end(catalog, session, found, by=plain(by), reason=plain(reason.strip()))
        return _as_sign_off(row, row.signed)


def sign_offs(catalog: Catalog, production: str, first: Night, last: Night) -> dict[Night, SignOff]:
    """Return the latest sign-off of each night of a range, both ends included; nights without one are not there."""
    with catalog.transaction(snapshot=True) as session:
        return _sign_offs(session, production, first, last)


def _sign_offs(session: Session, production: str, first: Night, last: Night) -> dict[Night, SignOff]:
    rows = [row for row in session.scalars(_latest(production, first, last)) if row.lifted_utc is None]
    now = _evidence(session, production, first, last) if rows else {}
    return {Night(row.night): _as_sign_off(row, now.get(row.night, {})) for row in rows}


def _latest(production: str, first: Night, last: Night) -> Any:
    return (
        select(SignOffRow)
        .distinct(SignOffRow.night)
        .where(SignOffRow.production == production, SignOffRow.night.between(first.evening, last.evening))
        .order_by(SignOffRow.night, SignOffRow.decided_utc.desc())
    )


def _as_sign_off(row: SignOffRow, now: Evidence) -> SignOff:
    return SignOff(Night(row.night), row.decided_by, row.decided_utc, row.remark, tuple(_changes(row.signed, now)))


def _evidence(session: Session, production: str, first: Night, last: Night) -> dict[dt.date, Evidence]:
    """Return what there is to look at of each night."""
    found: defaultdict[dt.date, Evidence] = defaultdict(lambda: defaultdict(lambda: {"runs": {}, "published": {}}))
    said = {
        (row.night, row.source, row.run): row.level
        for row in open_overrules(session, production, first=first, last=last)
    }
    for row in current_verdicts(session, production, first=first, last=last):
        overruled = said.get((row.night, row.source, row.run))
        entry = {"level": row.level, "reasons": list(row.reasons), "overruled": overruled}
        found[row.night][row.source]["runs"][str(row.run)] = entry
    published = (
        select(Publication.night, Publication.source, Publication.cuts, Publication.path)
        .distinct(Publication.night, Publication.source, Publication.cuts)
        .where(Publication.production == production, Publication.night.between(first.evening, last.evening))
        .order_by(Publication.night, Publication.source, Publication.cuts, Publication.published_utc.desc())
    )
    for row in session.execute(published):
        found[row.night][row.source]["published"][row.cuts] = PurePath(row.path).name
    return {night: dict(sources) for night, sources in found.items()}


def _changes(then: Evidence, now: Evidence) -> Iterator[str]:
    """Say what became different."""
    for source in sorted({*then, *now}):
        old, new = (one.get(source, {"runs": {}, "published": {}}) for one in (then, now))
        for run in sorted({*old["runs"], *new["runs"]}, key=int):
            before, after = old["runs"].get(run), new["runs"].get(run)
            if before != after:
                yield f"run {run} of {source} was {_said(before)}, is {_said(after)}"
        if old["published"] != new["published"]:
            yield f"{source} was published anew" if new["published"] else f"{source} is published no more"


def _said(run: dict[str, Any] | None) -> str:
    if run is None:
        return "not judged"
    if run["overruled"]:
        return f"{run['overruled']} by overrule"
    return f"{run['level']} ({'; '.join(run['reasons'])})" if run["reasons"] else str(run["level"])
