"""Which nights were handed on for processing, with which content."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Engine, select
from sqlalchemy.dialects.postgresql import insert

from stereo_tasks.catalog.models import RequestRow
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


def remember(night: Night, production: str, signature: str, reason: str = "", *, engine: Engine | None = None) -> bool:
    """Remember that a night was emitted; return whether that is new."""
    with transaction(engine) as session:
        statement = (
            insert(RequestRow)
            .values(night=night.evening, production=production, signature=signature, reason=plain(reason))
            .on_conflict_do_nothing()
            .returning(RequestRow.signature)
        )
        return session.scalar(statement) is not None
