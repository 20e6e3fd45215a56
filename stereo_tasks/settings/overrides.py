"""Rules by which a production differs for some sources and nights."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from stereo_tasks.nights import Night
from stereo_tasks.settings.layers import leaves
from stereo_tasks.settings.mcp import SECTIONS
from stereo_tasks.settings.model import Model

_FIXED = {
    "name": "is the name of the production",
    "mcp_version": "is of the science environment, which is one for all nights: make a production of its own",
    "overrides": "cannot stand in a rule",
    "origins": "is filled in when the configuration is loaded",
}
"""Keys of a production that no rule can set, and why."""
_FILLED_IN = ("source_name", "source_ra", "source_dec")
_DAY = dt.timedelta(days=1)


class Rule(Model):
    """Values for some sources and nights. What a rule does not name is as in the production; later rules win."""

    source: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Names as in the stereo log; None is all."""
    first: dt.date | None = None
    """Evening date of the first night; None is any."""
    last: dt.date | None = None
    """Evening date of the last night; None is any."""
    set: dict[str, Any] = Field(min_length=1)
    """Keys of a production with their values; `mcp` is laid over the production's key by key."""

    @field_validator("source", mode="before")
    @classmethod
    def _one_or_several(cls, source: Any) -> Any:
        return [source] if isinstance(source, str) else source

    @field_validator("set")
    @classmethod
    def _can_be_set(cls, values: dict[str, Any]) -> dict[str, Any]:
        for key in values:
            if key in _FIXED:
                raise ValueError(f"{key} {_FIXED[key]}")
        mcp = values.get("mcp", {})
        if not isinstance(mcp, dict):
            raise ValueError("mcp holds keys of magic-cta-pipe's configuration, not the name of a file")
        if unknown := sorted(mcp.keys() - set(SECTIONS)):
            raise ValueError(f"no stage reads mcp.{unknown[0]}; what they read is {', '.join(SECTIONS)}")
        if filled_in := [key for key in _FILLED_IN if key in (mcp.get("dl2_to_dl3") or {})]:
            raise ValueError(f"mcp.dl2_to_dl3.{filled_in[0]} is filled in by the plan: set position instead")
        return values

    @model_validator(mode="after")
    def _can_match(self) -> Self:
        if self.first is not None and self.last is not None and self.first > self.last:
            raise ValueError(f"first ({self.first}) is after last ({self.last}): no night matches")
        if "position" in self.set and self.source is None:
            raise ValueError("position needs a source: without one, all sources would lie there")
        return self

    def matches(self, night: Night, source: str) -> bool:
        """Return whether the rule holds for a night and source."""
        return self._holds(night.evening, source)

    def without(self, key: str) -> Self:
        """Return the rule without one of the keys that it sets."""
        return self.model_copy(update={"set": {name: value for name, value in self.set.items() if name != key}})

    def _holds(self, evening: dt.date, source: str | None) -> bool:
        return (
            (self.source is None or source in self.source)
            and (self.first is None or self.first <= evening)
            and (self.last is None or evening <= self.last)
        )


@dataclass(frozen=True, slots=True)
class Span:
    """Sources and nights for which the same rules hold."""

    source: str | None
    """None stands for every source that no rule names."""
    first: dt.date
    last: dt.date
    rules: tuple[int, ...]
    """Indices of the rules."""


def spans(rules: Sequence[Rule]) -> Iterator[Span]:
    """Yield all spans that rules make; together they are all sources and nights."""
    begins = {dt.date.min, *(rule.first for rule in rules if rule.first)}
    begins |= {rule.last + _DAY for rule in rules if rule.last and rule.last < dt.date.max}
    dates = sorted(begins)
    ends = [*(date - _DAY for date in dates[1:]), dt.date.max]
    names = dict.fromkeys(name for rule in rules for name in rule.source or ())
    for source in (None, *names):
        for first, last in zip(dates, ends, strict=True):
            yield Span(source, first, last, tuple(i for i, rule in enumerate(rules) if rule._holds(first, source)))


def keys_set(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the dotted keys that a rule sets: those of `mcp` one by one, others as a whole."""
    for key, value in values.items():
        if key == "mcp":
            yield from (name for name, _ in leaves(value, "mcp."))
        else:
            yield key
