"""Nights as Airflow hands them on: partitions of an asset, and what the run that processes them is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from stereo_tasks.nights import Night
from stereo_tasks.settings import Settings, load_settings
from stereo_tasks.stages import night_stages

_SEPARATOR = "."  # a name of a production may have it, a date has not


@dataclass(frozen=True, slots=True)
class ReadyNight:
    """A night that can be processed, to be handed on."""

    night: Night
    production: str
    sources: tuple[str, ...]
    """What is to be processed; empty: all sources that the policy takes."""
    force: bool
    """Whether somebody asked for it to be computed again."""
    contents: tuple[str, ...]
    """Of each observation that goes out, see `stereo_tasks.inventory.content_of`."""
    answers: bool
    """Whether it answers the request of a person that waited."""
    reason: str
    """What is there, and what is missing if the night is partial."""
    from_stage: str = ""
    """Somebody asked for everything from this stage on to be made again."""

    @property
    def choice(self) -> dict[str, Any]:
        """What the run that processes the night is told."""
        choice = {"production": self.production, "sources": list(self.sources), "force": self.force}
        return choice | ({"from_stage": self.from_stage} if self.from_stage else {})

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for `from_dict`."""
        return {**asdict(self), "night": self.night.lst_date}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ReadyNight:
        """Make it of plain values."""
        night, sources, contents = Night(values["night"]), tuple(values["sources"]), tuple(values["contents"])
        return cls(**{**values, "night": night, "sources": sources, "contents": contents})


def night_key(night: ReadyNight, settings: Settings | None = None) -> str:
    """Return the partition key of a night that is handed on."""
    return partition_key(night.night, night.production, settings)


def partition_key(night: Night, production: str, settings: Settings | None = None) -> str:
    """Return the partition key of a night: its date, with the production's name if it is not the default one.

    Requests that wait for one key become one run, so two productions must not share a key.
    """
    other = production != (settings or load_settings()).productions.default
    return night.partition_key + (_SEPARATOR + production if other else "")


def read_key(key: str) -> tuple[Night, str | None]:
    """Return night and production of a partition key; None stands for the default production.

    Raises
    ------
    BadNightError
        If it does not start with a night.
    """
    date, _, production = key.partition(_SEPARATOR)
    return Night(date), production or None


def combined(choices: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the choice that answers several requests for one night, the oldest first.

    The newest says the production. All sources are processed that any of them asked for, and with force if one of them
    did, or from the earliest stage that is named: nobody's request gets lost in that of somebody else.
    """
    found = [{"production": None, "sources": (), "force": False, **choice} for choice in choices]
    if not found:
        return {"production": None, "sources": [], "force": False}
    wanted = [one["sources"] or () for one in found]
    named = {one.get("from_stage") for one in found}
    earliest = [stage.name for stage in night_stages() if stage.name in named][:1]
    return {
        "production": found[-1]["production"],
        "sources": sorted({source for sources in wanted for source in sources}) if all(wanted) else [],
        "force": any(one["force"] for one in found),
        **({"from_stage": earliest[0]} if earliest else {}),
    }
