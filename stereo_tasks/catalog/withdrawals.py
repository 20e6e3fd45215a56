"""Withdrawals by people: a published run, or night of a source, is not to be used until somebody lifts that."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from stereo_tasks.catalog import decisions
from stereo_tasks.catalog.database import Catalog, Lock, take
from stereo_tasks.catalog.decisions import given_reason
from stereo_tasks.catalog.liftable import WITHDRAWAL
from stereo_tasks.catalog.models import WithdrawalRow
from stereo_tasks.catalog.values import plain
from stereo_tasks.nights import Night
from stereo_tasks.products.withdrawn import WHOLE_NIGHT


def withdraw(
    catalog: Catalog, night: Night, source: str, production: str, reason: str, *, by: str, run: int = WHOLE_NIGHT
) -> bool:
    """Note that a run or night is withdrawn; return False if it was already (that withdrawal stays).

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    night : Night
        The night.
    source, production : str
        Of what is published.
    reason : str
        Why, for those who used it.
    by : str
        Who.
    run : int, optional
        Of LST-1; the whole night by default.

    Raises
    ------
    NoReasonError
        If there is no reason.
    DecisionError
        If the file of decisions cannot be written; nothing is withdrawn then.
    """
    values = {
        "night": night.evening, "source": source, "production": production, "run": run, "withdrawn_by": plain(by),
        "reason": given_reason(reason, "a withdrawal needs a reason: those who used the data will ask for it"),
    }  # fmt: skip
    with catalog.transaction(writes=True) as session:
        take(session, Lock.HOLDS)  # the times of decisions are in the order in which they were made
        return WITHDRAWAL.decide(catalog, session, values) is not None


def lift(
    catalog: Catalog, night: Night, source: str, production: str, reason: str, *, by: str, run: int = WHOLE_NIGHT
) -> bool:
    """Lift a withdrawal; return whether there was one. As `withdraw` otherwise."""
    reason = given_reason(reason, "say why it can be used again: those who were told not to will ask")
    with catalog.transaction(writes=True) as session:
        take(session, Lock.HOLDS)
        row = WITHDRAWAL.open(session, night=night.evening, source=source, production=production, run=run)
        if row is not None:
            WITHDRAWAL.end(catalog, session, row, by=plain(by), reason=reason)
        return row is not None


def open_withdrawals(
    catalog: Catalog, production: str, *, night: Night | None = None, source: str | None = None
) -> tuple[WithdrawalRow, ...]:
    """Return the withdrawals that nobody has lifted, by night and source."""
    statement = (
        select(WithdrawalRow)
        .where(WithdrawalRow.production == production, WithdrawalRow.lifted_utc.is_(None))
        .order_by(WithdrawalRow.night, WithdrawalRow.source, WithdrawalRow.run)
    )
    if night is not None:
        statement = statement.where(WithdrawalRow.night == night.evening)
    if source is not None:
        statement = statement.where(WithdrawalRow.source == source)
    with catalog.transaction() as session:
        return tuple(session.scalars(statement))


def withdrawn_runs(folder: Path, production: str, source: str) -> dict[Night, dict[int, str]]:
    """Return what is withdrawn of the nights of a source, each run with who withdrew it, when and why.

    Asked of the files of decisions: a publication must know it on machines without a catalog, too.

    Parameters
    ----------
    folder : pathlib.Path
        Of the files of decisions.
    production, source : str
        Of what is published.

    Raises
    ------
    DecisionError
        If a file is there and cannot be read.
    """
    found: dict[Night, dict[int, str]] = {}
    for row in WITHDRAWAL.standing(decisions.read(folder)):
        if (row["production"], row["source"]) == (production, source):
            text = f"{row['reason']} ({row['withdrawn_by']}, {row['withdrawn_utc']:%Y-%m-%d %H:%M} UTC)"
            found.setdefault(Night(row["night"]), {})[row["run"]] = text
    return found
