"""What people decide and lift again (overrules, sign-offs): between its table and the files of decisions.

The tables have the columns ``decided_by``, ``decided_utc``, ``lifted_by``, ``lifted_utc`` and ``lift_reason``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from stereo_tasks.catalog import decisions
from stereo_tasks.catalog.decisions import Decision
from stereo_tasks.catalog.models import Overrule, SignOffRow

_LIFT = ("lifted_by", "lift_reason")


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
    """

    table: Any
    kind: decisions.Kind
    lift: decisions.Kind
    key: tuple[str, ...]
    rest: tuple[str, ...]

    def rows(self, found: Iterable[Decision]) -> list[dict[str, Any]]:
        """Return decisions, given the oldest first, as rows with their ends; the newest first."""
        rows: list[dict[str, Any]] = []
        open_: dict[tuple[Any, ...], dict[str, Any]] = {}
        for one in found:
            if one["kind"] not in (self.kind, self.lift):
                continue
            key = tuple(one[name] for name in self.key)
            if one["kind"] == self.kind:
                open_[key] = {name: one[name] for name in (*self.key, *self.rest, "decided_by")} | {
                    "decided_utc": one["at"], "lifted_utc": None, **dict.fromkeys(_LIFT)
                }  # fmt: skip
                rows.append(open_[key])
            elif (row := open_.pop(key, None)) is not None:
                row |= {"lifted_utc": one["at"], **{name: one[name] for name in _LIFT}}
        return rows[::-1]

    def take_over(self, session: Session, found: Iterable[Decision]) -> int:
        """Write what the table lacks of the decisions, given the oldest first; return how many it lacked."""
        known = {self._identity(row): row for row in session.scalars(select(self.table))}
        number = 0
        for row in self.rows(found):
            old = known.get((*(row[name] for name in self.key), row["decided_utc"]))
            if old is None:
                # Another one is open only if nobody knows of the end of this one: the newer counts.
                statement = insert(self.table).values(**row).on_conflict_do_nothing().returning(self.table.id)
                number += session.scalar(statement) is not None
            elif old.lifted_utc is None and row["lifted_utc"] is not None:
                for name in ("lifted_utc", *_LIFT):
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
            key = {name: getattr(row, name) for name in self.key}
            given = {name: getattr(row, name) for name in (*self.rest, "decided_by")}
            if (self.kind, *key.values(), row.decided_utc) not in known:
                yield row.decided_utc, self.kind, key | given
            if row.lifted_utc and (self.lift, *key.values(), row.lifted_utc) not in known:
                yield row.lifted_utc, self.lift, key | {name: getattr(row, name) for name in _LIFT}

    def end(self, session: Session, id_: int, by: str, reason: str) -> Any:
        """Lift a row; return it as it is then."""
        moment = {"lifted_utc": func.clock_timestamp(), "lifted_by": by, "lift_reason": reason}
        return session.scalar(update(self.table).where(self.table.id == id_).values(**moment).returning(self.table))

    def _identity(self, row: Any) -> tuple[Any, ...]:
        return (*(getattr(row, name) for name in self.key), row.decided_utc)


OVERRULE = Liftable(
    Overrule, "overrule", "lift overrule", ("production", "night", "source", "run"), ("level", "verdict", "reason")
)
SIGN_OFF = Liftable(SignOffRow, "sign-off", "lift sign-off", ("production", "night"), ("remark", "signed"))
KINDS = (OVERRULE, SIGN_OFF)
