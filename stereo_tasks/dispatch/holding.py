"""Holding a night, or a source of it, and releasing it: the decision, and what it comes to, in words."""

from __future__ import annotations

import datetime as dt

from stereo_tasks.catalog import holds
from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.locks import held_locks
from stereo_tasks.catalog.models import HoldRow
from stereo_tasks.catalog.observations import sources_of
from stereo_tasks.errors import StereoError
from stereo_tasks.nights import Night


class HoldError(StereoError):
    """A night cannot be held or released as asked; the text says why."""


def hold(
    catalog: Catalog, night: Night, production: str, reason: str, *, by: str, source: str = "", until: str = ""
) -> tuple[str, ...]:
    """Hold a night, or a source of it: it is not handed on until it is released.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    night : Night
        The night.
    production : str
        Name of the production.
    reason : str
        Why, for the person who finds it.
    by : str
        Who.
    source : str, optional
        The source; the whole night by default.
    until : str, optional
        It ends by itself then: a date (00:00 UTC), or ``2024-02-01T12:00`` (UTC); a release ends it by default.

    Returns
    -------
    tuple of str
        What was done, and what follows from it.

    Raises
    ------
    HoldError
        If it is held already, the log has no such source, or the end is none. Nothing is held then.
    NoReasonError
        If there is no reason.
    DecisionError
        If the file of decisions cannot be written. Nothing is held then.
    """
    end = _until(until)
    _check_source(catalog, night, source)
    if not holds.hold(catalog, night, production, reason, by=by, source=source, until=end):
        found = [row for row in holds.open_holds(catalog, production, night=night) if row.source == source]
        said = described(found[0]) if found else "somebody was quicker"
        raise HoldError(
            f"{_subject(night, source)} of {production} is held already, {said}. Release it first to change that"
        )
    row = next(row for row in holds.open_holds(catalog, production, night=night) if row.source == source)
    said = f"{_subject(night, source)} of {production} is held, {described(row)}"
    return said, *_what_happens(catalog, night, production, row)


def release(
    catalog: Catalog, night: Night, production: str, reason: str = "", *, by: str, source: str = ""
) -> tuple[str, ...]:
    """Release a night, or a source of it, that a person held.

    Parameters and what is returned are those of `hold`; the reason may be left out.

    Raises
    ------
    HoldError
        If nobody holds it; the text says what is held.
    DecisionError
        If the file of decisions cannot be written. It stays held then.
    """
    found = holds.open_holds(catalog, production, night=night)
    mine = [row for row in found if row.source == source]
    if not mine or not holds.release(catalog, night, production, by=by, source=source, reason=reason):
        raise HoldError(_nothing_to_release(night, source, production, found))
    said = f"{_subject(night, source)} of {production} is released; it was held, {described(mine[0])}"
    if others := [row for row in found if row not in mine]:
        left = (f"{row.source or 'the whole night'}, {described(row)}" for row in others)
        return said, "still held: " + "; ".join(left)
    return said, (
        "detect_nights hands it on within half an hour if it is complete and not processed yet; "
        f"to process it now: stereo backfill {night} {night}"
    )


def described(row: HoldRow) -> str:
    """Say who holds something, since when, until when and why."""
    until = f" until {_time(row.until_utc)}" if row.until_utc else ""
    return f"by {row.held_by} since {_time(row.held_utc)}{until}: {row.reason}"


def _until(text: str) -> dt.datetime | None:
    if not text.strip():
        return None
    try:
        end = dt.datetime.fromisoformat(text)
    except ValueError:
        raise HoldError(f"{text!r} is no date: write 2024-02-01, or 2024-02-01T12:00") from None
    end = end if end.tzinfo else end.replace(tzinfo=dt.UTC)
    if end <= dt.datetime.now(dt.UTC):
        raise HoldError(f"{text} has passed: a hold ends in the future")
    return end


def _check_source(catalog: Catalog, night: Night, source: str) -> None:
    """Refuse a source that the log does not have in this night: a hold on it would hold nothing."""
    known = sources_of(catalog, night)
    if source and known and source not in known:
        raise HoldError(f"the log has no {source} in the night of {night}; it has {', '.join(known)}")


def _what_happens(catalog: Catalog, night: Night, production: str, row: HoldRow) -> tuple[str, ...]:
    at_work = [
        f"{lock.owner} works on the night since {_time(lock.since)} and goes on: stop it in Airflow"
        for lock in held_locks(catalog)
        if (lock.night, lock.production) == (night, production)
    ]
    what = f"{row.source} is left out of the night" if row.source else "the night is not handed on or planned"
    end = f"until {_time(row.until_utc)}" if row.until_utc else "until `stereo release`"
    return *at_work, f"{what} {end}; what is published stays"


def _nothing_to_release(night: Night, source: str, production: str, found: tuple[HoldRow, ...]) -> str:
    text = f"nobody holds {_subject(night, source)} of {production}"
    if not found:
        return text
    options = [f"{f'--source {row.source}' if row.source else 'the whole night'} ({described(row)})" for row in found]
    return f"{text}; held are: {', '.join(options)}"


def _subject(night: Night, source: str) -> str:
    return f"{source} in the night of {night}" if source else f"the night of {night}"


def _time(time: dt.datetime) -> str:
    return f"{time.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
