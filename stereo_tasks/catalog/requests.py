"""Which observations were handed on for processing, with which content.

A night is handed on as a whole; remembered is the content of each of its observations that went, so that a source that
was held back, or came late, is told from those that went before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from sqlalchemy import Engine, func, or_, select, union
from sqlalchemy.dialects.postgresql import insert

from stereo_tasks.catalog.journaling import Kind, note
from stereo_tasks.catalog.models import ObservationRow, ReadinessRow, RequestRow
from stereo_tasks.catalog.session import transaction
from stereo_tasks.catalog.values import plain
from stereo_tasks.nights import Night


def emitted(nights: Iterable[Night], production: str, *, engine: Engine | None = None) -> set[tuple[Night, str]]:
    """Return (night, signature) of all that was emitted for these nights."""
    evenings = [night.evening for night in nights]
    with transaction(engine) as session:
        found = session.execute(
            select(RequestRow.night, RequestRow.signature).where(
                RequestRow.production == production, RequestRow.night.in_(evenings)
            )
        )
        return {(Night(row.night), row.signature) for row in found}


def remember(
    night: Night,
    production: str,
    signature: str,
    reason: str = "",
    *,
    engine: Engine | None = None,
    journal: Path | None = None,
) -> bool:
    """Remember that a night was emitted; return whether that is new."""
    return bool(remember_all({(night, signature): reason}, production, engine=engine, journal=journal))


def remember_all(
    reasons: Mapping[tuple[Night, str], str],
    production: str,
    *,
    engine: Engine | None = None,
    journal: Path | None = None,
) -> set[tuple[Night, str]]:
    """Remember (night, signature) that were emitted, each with its reason; return those that are new."""
    rows = [
        {"night": night.evening, "production": production, "signature": signature, "reason": plain(reason)}
        for (night, signature), reason in sorted(reasons.items())
    ]
    if not rows:
        return set()
    with transaction(engine, writes=True) as session:
        now = session.execute(select(func.clock_timestamp())).scalar_one()
        statement = insert(RequestRow).on_conflict_do_nothing().returning(RequestRow.night, RequestRow.signature)
        found = session.execute(statement, [{**row, "emitted_utc": now} for row in rows])
        new = {(row.night, row.signature) for row in found}
        note(journal, Kind.REQUEST, now, [row for row in rows if (row["night"], row["signature"]) in new])
    return {(Night(evening), signature) for evening, signature in new}


def owed(production: str, *, engine: Engine | None = None) -> set[Night]:
    """Return the nights of the ledger that are not settled.

    Something of them waits, went out in part, or never went out; or the log has another row for them since.
    """
    went = select(RequestRow.night).where(
        RequestRow.night == ReadinessRow.night,
        RequestRow.production == ReadinessRow.production,
        RequestRow.signature == ReadinessRow.content,
    )
    never_went = (ReadinessRow.content != "") & ~went.exists()
    unsettled = select(ReadinessRow.night).where(
        ReadinessRow.production == production, or_(~ReadinessRow.ready, ReadinessRow.partial, never_went)
    )
    of_night = ReadinessRow.production == production, ReadinessRow.night == ObservationRow.night
    looked_at = (
        ReadinessRow.source == ObservationRow.source,
        ReadinessRow.checked_utc >= ObservationRow.changed_utc,
    )
    other_row = select(ObservationRow.night).where(
        ObservationRow.in_log,
        ObservationRow.accepted,
        select(ReadinessRow.night).where(*of_night).exists(),
        ~select(ReadinessRow.night).where(*of_night, *looked_at).exists(),
    )
    with transaction(engine) as session:
        return {Night(evening) for evening in session.scalars(union(unsettled, other_row))}
