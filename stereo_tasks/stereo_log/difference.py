"""What became different between two states of the log: rows that are new, changed or gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from stereo_tasks.nights import Night
from stereo_tasks.stereo_log.observation import Observation, StereoLog, shortened

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class RowChange:
    """One row that is different."""

    night: Night
    source: str
    fields: tuple[tuple[str, Any, Any], ...] = ()
    """For a changed row: name of each field, value before, value now."""

    def __str__(self) -> str:
        """Return night, source and what changed."""
        what = "; ".join(f"{name} {_value(before)} -> {_value(after)}" for name, before, after in self.fields)
        return f"{self.night} {self.source}" + (f": {what}" if what else "")


@dataclass(frozen=True, slots=True)
class LogDifference:
    """What is different between two states of the log."""

    added: tuple[RowChange, ...]
    changed: tuple[RowChange, ...]
    removed: tuple[RowChange, ...]
    """Rows that are gone, or that can no longer be understood."""
    rows_before: int
    rows_now: int
    damaged: int = 0
    """Rows of the new state that cannot be understood: some of the removed ones may be among them."""

    @property
    def lost_fraction(self) -> float:
        """Fraction of the old rows that are gone, from 0 to 1."""
        return len(self.removed) / self.rows_before if self.rows_before else 0.0

    @property
    def rewritten_fraction(self) -> float:
        """Fraction of the old rows that are gone or say something else now, from 0 to 1."""
        return (len(self.removed) + len(self.changed)) / self.rows_before if self.rows_before else 0.0

    def __bool__(self) -> bool:
        """Return whether anything is different."""
        return bool(self.added or self.changed or self.removed)

    def __str__(self) -> str:
        """Return the difference in one line."""
        if not self:
            return f"the stereo log is unchanged, {_count(self.rows_now, 'row')}"
        parts = [
            f"{_count(len(changes), 'row')} {word}"
            for word, changes in (("added", self.added), ("changed", self.changed), ("removed", self.removed))
            if changes
        ]
        text = f"stereo log: {', '.join(parts)}; {self.rows_before} rows before, {self.rows_now} now"
        if self.removed:
            text += f" ({self.lost_fraction:.1%} lost)"
        if self.removed and self.damaged:
            text += f"; {_count(self.damaged, 'row')} cannot be understood"
        return text

    def lines(self, at_most: int = _SHOWN) -> tuple[str, ...]:
        """Return the difference for people, the worst first: what is gone, what changed, what is new.

        Parameters
        ----------
        at_most : int
            Rows named of each kind.
        """
        found = [str(self)]
        for word, changes in (("removed", self.removed), ("changed", self.changed), ("added", self.added)):
            found += [f"  {word} {change}" for change in changes[:at_most]]
            if len(changes) > at_most:
                found.append(f"  {word} {len(changes) - at_most} more")
        return tuple(found)


def compare(old: StereoLog | Iterable[Observation], new: StereoLog | Iterable[Observation]) -> LogDifference:
    """Return what is different between two states of the log. The order of the rows does not count.

    Parameters
    ----------
    old, new : StereoLog or iterable of Observation
        The two states.
    """
    damaged = len({one.line for one in new.problems}) if isinstance(new, StereoLog) else 0
    return compare_contents(_contents(old), _contents(new), damaged=damaged)


def compare_contents(
    old: Mapping[tuple[Night, str], Mapping[str, Any]],
    new: Mapping[tuple[Night, str], Mapping[str, Any]],
    *,
    damaged: int = 0,
) -> LogDifference:
    """Return what is different between two states of which only the contents are known, such as the catalog's rows.

    Parameters
    ----------
    old, new : mapping
        `Observation.content` of each row by night and source.
    damaged : int
        Rows of the new state that cannot be understood.
    """
    added = [RowChange(*key) for key in _sorted(new.keys() - old.keys())]
    removed = [RowChange(*key) for key in _sorted(old.keys() - new.keys())]
    changed = []
    for key in _sorted(old.keys() & new.keys()):
        fields = tuple(_changes(old[key], new[key]))
        if fields:
            changed.append(RowChange(*key, fields))
    return LogDifference(tuple(added), tuple(changed), tuple(removed), len(old), len(new), damaged)


def _contents(log: StereoLog | Iterable[Observation]) -> dict[tuple[Night, str], dict[str, Any]]:
    rows = log.observations if isinstance(log, StereoLog) else log
    return {(row.night, row.source): row.content for row in rows}


def _sorted(keys: Iterable[tuple[Night, str]]) -> list[tuple[Night, str]]:
    return sorted(keys, key=lambda key: (key[0].evening, key[1]))


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterable[tuple[str, Any, Any]]:
    for name in dict.fromkeys([*old, *new]):
        before, after = old.get(name), new.get(name)
        if before != after:
            yield name, before, after


def _value(value: Any) -> str:
    if isinstance(value, dict):  # what autoMCP knows of each run
        return "(run by run)"
    text = shortened(str(value))
    return text if len(text) <= 60 else text[:57] + "..."


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")
