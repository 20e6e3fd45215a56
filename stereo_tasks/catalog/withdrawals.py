"""Withdrawals by people: a published run, or night of a source, is not to be used until somebody lifts that."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from stereo_tasks.catalog import decisions
from stereo_tasks.catalog.database import Catalog, Lock, take
from stereo_tasks.catalog.decisions import Decision
from stereo_tasks.catalog.models import WithdrawalRow
from stereo_tasks.catalog.values import plain
from stereo_tasks.nights import Night
from stereo_tasks.products.withdrawn import WHOLE_NIGHT

_KEY = ("production", "night", "source", "run")
_WITHDRAWN = (*_KEY, "reason", "withdrawn_by")
_LIFTED = (*_KEY, "lifted_reason", "lifted_by")


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
    ValueError
        If there is no reason.
    DecisionError
        If the file of decisions cannot be written; nothing is withdrawn then.
    """
    if not reason.strip():
        raise ValueError("a withdrawal needs a reason: those who used the data will ask for it")
    values = {
        "night": night.evening, "source": source, "production": production, "run": run, "reason": plain(reason),
        "withdrawn_by": plain(by),
    }  # fmt: skip
    with catalog.transaction(writes=True) as session:
        take(session, Lock.HOLDS)  # the times of decisions are in the order in which they were made
        now = session.execute(select(func.clock_timestamp())).scalar_one()
        new = _put(session, {**values, "withdrawn_utc": now})
        if new:
            catalog.note_decision("withdrawal", now, values)
        return new


def lift(
    catalog: Catalog, night: Night, source: str, production: str, reason: str, *, by: str, run: int = WHOLE_NIGHT
) -> bool:
    """Lift a withdrawal; return whether there was one. As `withdraw` otherwise."""
    if not reason.strip():
        raise ValueError("say why it can be used again: those who were told not to will ask")
    values = {
        "night": night.evening, "source": source, "production": production, "run": run,
        "lifted_reason": plain(reason), "lifted_by": plain(by),
    }  # fmt: skip
    with catalog.transaction(writes=True) as session:
        take(session, Lock.HOLDS)
        at = session.scalar(
            update(WithdrawalRow)
            .where(*_same(values), WithdrawalRow.lifted_utc.is_(None))
            .values(lifted_utc=func.clock_timestamp(), lifted_by=plain(by), lifted_reason=plain(reason))
            .returning(WithdrawalRow.lifted_utc)
        )
        if at is not None:
            catalog.note_decision("lift", at, values)
        return at is not None


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
    for one in decisions.read(folder):
        if (one.get("production"), one.get("source")) != (production, source):
            continue
        if one["kind"] == "withdrawal":
            text = f"{one['reason']} ({one['withdrawn_by']}, {one['at']:%Y-%m-%d %H:%M} UTC)"
            found.setdefault(Night(one["night"]), {}).setdefault(one["run"], text)
        elif one["kind"] == "lift":
            found.get(Night(one["night"]), {}).pop(one["run"], None)
    return found


def take_over(session: Session, found: Iterable[Decision]) -> int:
    """Write the withdrawals that the catalog lacks from the decisions, the oldest first; return how many it lacked."""
    number = 0
    for one in found:
        if one["kind"] == "withdrawal":
            known = select(WithdrawalRow.id).where(*_same(one), WithdrawalRow.withdrawn_utc == one["at"])
            if session.scalar(known) is None:
                values = {name: one[name] for name in _WITHDRAWN}
                number += _put(session, {**values, "withdrawn_utc": one["at"]})
        elif one["kind"] == "lift":
            lifted = (
                update(WithdrawalRow)
                .where(*_same(one), WithdrawalRow.lifted_utc.is_(None), WithdrawalRow.withdrawn_utc < one["at"])
                .values(lifted_utc=one["at"], lifted_by=one["lifted_by"], lifted_reason=one["lifted_reason"])
                .returning(WithdrawalRow.id)
            )
            number += session.scalar(lifted) is not None
    return number


def not_in(session: Session, kept: Iterable[Decision]) -> Iterator[tuple[dt.datetime, decisions.Kind, dict[str, Any]]]:
    """Yield the withdrawals, and what was lifted, that are not among decisions."""
    known = {(one["kind"], one["at"], one.get("run")) for one in kept}
    for row in session.scalars(select(WithdrawalRow)):
        if ("withdrawal", row.withdrawn_utc, row.run) not in known:
            yield row.withdrawn_utc, "withdrawal", {name: getattr(row, name) for name in _WITHDRAWN}
        if row.lifted_utc and ("lift", row.lifted_utc, row.run) not in known:
            yield row.lifted_utc, "lift", {name: getattr(row, name) for name in _LIFTED}


def _put(session: Session, values: dict[str, Any]) -> bool:
    statement = insert(WithdrawalRow).values(**values).on_conflict_do_nothing().returning(WithdrawalRow.id)
    return session.scalar(statement) is not None


def _same(values: dict[str, Any]) -> tuple[ColumnElement[bool], ...]:
    return tuple(getattr(WithdrawalRow, name) == values[name] for name in _KEY)
