"""Which observations were handed on for processing, with which content, and which of it a run has planned.

A night is handed on as a whole; remembered is the content of each of its observations that went, so that a source that
was held back, or came late, is told from those that went before. Only what a run has planned is done with: a run can
die before, or find another one at work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import func, or_, select, union
from sqlalchemy.dialects.postgresql import insert

from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.models import Dispatch, ObservationRow, ReadinessRow
from stereo_tasks.catalog.values import plain
from stereo_tasks.nights import Night


def dispatches(catalog: Catalog, nights: Iterable[Night], production: str) -> dict[tuple[Night, str], Dispatch]:
    """Return what was handed on of these nights, by night and content."""
    evenings = [night.evening for night in nights]
    statement = select(Dispatch).where(Dispatch.production == production, Dispatch.night.in_(evenings))
    with catalog.transaction() as session:
        return {(Night(row.night), row.content): row for row in session.scalars(statement)}


def note_dispatch(
    catalog: Catalog,
    night: Night,
    production: str,
    content: str,
    reason: str = "",
) -> bool:
    """Remember that a night was handed on; return whether no run has planned it yet."""
    return bool(note_dispatches(catalog, {(night, content): reason}, production))


def note_dispatches(
    catalog: Catalog,
    reasons: Mapping[tuple[Night, str], str],
    production: str,
) -> set[tuple[Night, str]]:
    """Remember (night, content) that were handed on, each with its reason; return those that no run has planned yet."""
    rows = [
        {"night": night.evening, "production": production, "content": content, "reason": plain(reason)}
        for (night, content), reason in sorted(reasons.items())
    ]
    if not rows:
        return set()
    with catalog.transaction(writes=True) as session:
        now = session.execute(select(func.clock_timestamp())).scalar_one()
        insertion = insert(Dispatch)
        again = {"dispatched_utc": insertion.excluded.dispatched_utc, "reason": insertion.excluded.reason}
        statement = insertion.on_conflict_do_update(
            index_elements=["night", "production", "content"], set_=again, where=Dispatch.taken_utc.is_(None)
        ).returning(Dispatch.night, Dispatch.content)
        found = session.execute(statement, [{**row, "dispatched_utc": now} for row in rows])
        new = {(row.night, row.content) for row in found}
    return {(Night(evening), content) for evening, content in new}


def note_taken(catalog: Catalog, night: Night, production: str, contents: Iterable[str], run_id: str) -> None:
    """Note that a run has planned observations with these contents, whether they were handed on to it or not."""
    with catalog.transaction(writes=True) as session:
        now = session.execute(select(func.clock_timestamp())).scalar_one()
        for content in sorted(set(contents)):
            statement = insert(Dispatch).values(
                night=night.evening, production=production, content=content, reason="", dispatched_utc=now,
                taken_utc=now, taken_by=run_id,
            )  # fmt: skip
            session.execute(
                statement.on_conflict_do_update(
                    index_elements=["night", "production", "content"], set_={"taken_utc": now, "taken_by": run_id}
                )
            )


def unsettled_nights(catalog: Catalog, production: str) -> set[Night]:
    """Return the nights that were looked at and are not settled.

    Something of them waits, went out in part, or was never planned; or the log has another row for them since.
    """
    went = select(Dispatch.night).where(
        Dispatch.night == ReadinessRow.night,
        Dispatch.production == ReadinessRow.production,
        Dispatch.content == ReadinessRow.content,
        Dispatch.taken_utc.is_not(None),
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
    with catalog.transaction() as session:
        return {Night(evening) for evening in session.scalars(union(unsettled, other_row))}
