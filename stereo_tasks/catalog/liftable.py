"""What people decide and lift again (holds, overrules, sign-offs, withdrawals): in its table and files of decisions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from stereo_tasks.catalog import decisions
from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.decisions import Decision
from stereo_tasks.catalog.models import HoldRow, Overrule, SignOffRow, WithdrawalRow

ENDED = "its end was reached"
"""Who lifted what nobody lifted."""


@dataclass(frozen=True, slots=True)
class Liftable:
    """A kind of decision.

    Parameters
    ----------
    table : type
        Model of its rows.
    kind, lift : str
        What the files of decisions call it, and its end.
    key : tuple of str
        Columns that say what was decided upon.
    rest : tuple of str
        The other columns that a person gave.
    by, at : str, optional
        Columns of who decided it, and when.
    lifted_by, lifted_at, lift_reason : str, optional
        Columns of its end: who, when and why.
    until : str, optional
        Column of the time at which it ends by itself, if it may.
    """

    table: Any
    kind: decisions.Kind
    lift: decisions.Kind
    key: tuple[str, ...]
    rest: tuple[str, ...]
    by: str = "decided_by"
    at: str = "decided_utc"
    lifted_by: str = "lifted_by"
    lifted_at: str = "lifted_utc"
    lift_reason: str = "lift_reason"
    until: str = ""

    def decide(
        self, catalog: Catalog, session: Session, values: dict[str, Any], *, at: dt.datetime | None = None
    ) -> Any:
        """Write a decision to the table and the files; return its row, or None if such a one is open.

        Parameters
        ----------
        catalog : Catalog
            Of the session.
        session : sqlalchemy.orm.Session
            The decision stands when it is committed.
        values : dict
            Of `key`, `rest` and `by`.
        at : datetime.datetime, optional
            When; now by default.

        Raises
        ------
        DecisionError
            If the file cannot be written.
        """
        moment = {self.at: at or func.clock_timestamp()}
        statement = insert(self.table).values(**values, **moment).on_conflict_do_nothing().returning(self.table)
        row = session.scalar(statement)
        if row is not None:
            catalog.note_decision(self.kind, getattr(row, self.at), values)
        return row

    def open(self, session: Session, **key: Any) -> Any:
        """Return the row of a decision that holds now, or None."""
        statement = select(self.table).filter_by(**key).where(self._column(self.lifted_at).is_(None))
        if self.until:
            until = self._column(self.until)
            statement = statement.where(or_(until.is_(None), until > func.clock_timestamp()))
        return session.scalar(statement.order_by(self.table.id.desc()).limit(1))

    def end(self, catalog: Catalog, session: Session, row: Any, *, by: str, reason: str) -> Any:
        """Lift the decision of a row; return the row as it is then. As `decide` otherwise."""
        end = {self.lifted_at: func.clock_timestamp(), self.lifted_by: by, self.lift_reason: reason}
        row = session.scalar(update(self.table).where(self.table.id == row.id).values(**end).returning(self.table))
        catalog.note_decision(self.lift, getattr(row, self.lifted_at), self._given(row, self._lift))
        return row

    def rows(self, found: Iterable[Decision]) -> list[dict[str, Any]]:
        """Return decisions, given the oldest first, as rows with their ends; the newest first."""
        rows: dict[tuple[Any, ...], dict[str, Any]] = {}
        open_: dict[tuple[Any, ...], dict[str, Any]] = {}
        for one in found:
            if one["kind"] not in (self.kind, self.lift):
                continue
            key = tuple(one[name] for name in self.key)
            if one["kind"] == self.kind and (*key, one["at"]) in rows:
                continue  # the journal of version 0.2 has it, too
            old = open_.pop(key, None)
            if one["kind"] == self.kind:
                if old is not None and self.until:  # it could be decided again, so its end was reached
                    old |= {self.lifted_at: old[self.until] or one["at"], self.lifted_by: ENDED}
                open_[key] = {name: one[name] for name in (*self.key, *self.rest, self.by)} | {
                    self.at: one["at"], self.lifted_at: None, **dict.fromkeys(self._lift)
                }  # fmt: skip
                rows[(*key, one["at"])] = open_[key]
            elif old is not None:
                old |= {self.lifted_at: one["at"], **{name: one.get(name) for name in self._lift}}
        return list(reversed(rows.values()))

    def standing(self, found: Iterable[Decision]) -> list[dict[str, Any]]:
        """Return the rows of what is not lifted; a decision that was noted twice, before a crash and after, is one."""
        newest: dict[tuple[Any, ...], dict[str, Any]] = {}
        for row in self.rows(found):
            newest.setdefault(tuple(row[name] for name in self.key), row)
        return [row for row in newest.values() if row[self.lifted_at] is None]

    def take_over(self, session: Session, found: Iterable[Decision]) -> int:
        """Write what the table lacks of the decisions, given the oldest first; return how many it lacked."""
        known = {self._identity(row): row for row in session.scalars(select(self.table))}
        number = 0
        for row in self.rows(found):
            old = known.get((*(row[name] for name in self.key), row[self.at]))
            if old is None:
                # Another one is open only if nobody knows of the end of this one: the newer counts.
                statement = insert(self.table).values(**row).on_conflict_do_nothing().returning(self.table.id)
                number += session.scalar(statement) is not None
            elif getattr(old, self.lifted_at) is None and row[self.lifted_at] is not None:
                for name in (self.lifted_at, *self._lift):
                    setattr(old, name, row[name])
                session.flush()
                number += 1
        return number

    def missing(
        self, session: Session, kept: Iterable[Decision]
    ) -> Iterator[tuple[dt.datetime, decisions.Kind, dict[str, Any]]]:
        """Yield time, kind and values of what the table has, and the files lack."""
        known = {
            (one["kind"], *(one[name] for name in self.key), one["at"])
            for one in kept
            if one["kind"] in (self.kind, self.lift)
        }
        for row in session.scalars(select(self.table)):
            *key, at = self._identity(row)
            end = getattr(row, self.lifted_at)
            if (self.kind, *key, at) not in known:
                yield at, self.kind, self._given(row, (*self.rest, self.by))
            if end and getattr(row, self.lifted_by) != ENDED and (self.lift, *key, end) not in known:
                yield end, self.lift, self._given(row, self._lift)

    @property
    def _lift(self) -> tuple[str, str]:
        return self.lifted_by, self.lift_reason

    def _column(self, name: str) -> Any:
        return getattr(self.table, name)

    def _given(self, row: Any, names: tuple[str, ...]) -> dict[str, Any]:
        return {name: getattr(row, name) for name in (*self.key, *names)}

    def _identity(self, row: Any) -> tuple[Any, ...]:
        return tuple(getattr(row, name) for name in (*self.key, self.at))


HOLD = Liftable(
    HoldRow, "hold", "release", ("production", "night", "source"), ("reason", "until_utc"), by="held_by", at="held_utc",
    lifted_by="released_by", lifted_at="released_utc", lift_reason="release_reason", until="until_utc",
)  # fmt: skip
OVERRULE = Liftable(
    Overrule, "overrule", "lift overrule", ("production", "night", "source", "run"), ("level", "verdict", "reason")
)
SIGN_OFF = Liftable(SignOffRow, "sign-off", "lift sign-off", ("production", "night"), ("remark", "signed"))
WITHDRAWAL = Liftable(
    WithdrawalRow, "withdrawal", "lift withdrawal", ("production", "night", "source", "run"), ("reason",),
    by="withdrawn_by", at="withdrawn_utc", lift_reason="lifted_reason",
)  # fmt: skip
KINDS = (HOLD, OVERRULE, SIGN_OFF, WITHDRAWAL)
