"""What a person selects from the log: each filter takes a row, or says why not."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from stereo_tasks.nights import Night
from stereo_tasks.stereo_log.observation import Observation, StereoLogError
from stereo_tasks.stereo_log.selection import Selection

NAME_LENGTH = 12
"""The log cuts the names of sources after so many characters."""
NO_QA = "none"
"""The QA verdict of what has none."""


@dataclass(frozen=True, slots=True)
class Range:
    """A closed range; None is open."""

    minimum: float | None = None
    maximum: float | None = None

    def misses(self, value: float) -> bool:
        """Return whether a value lies outside."""
        below = self.minimum is not None and value < self.minimum
        return below or (self.maximum is not None and value > self.maximum)

    def __bool__(self) -> bool:
        """Return whether it limits anything."""
        return self.minimum is not None or self.maximum is not None

    def __str__(self) -> str:
        """Return the range for a message."""
        if self.minimum is None:
            return f"at most {self.maximum:g}"
        return f"at least {self.minimum:g}" if self.maximum is None else f"{self.minimum:g} to {self.maximum:g}"


@dataclass(frozen=True, slots=True)
class Filters:
    """What a row must be like. Empty values and open ranges take every row."""

    sources: tuple[str, ...] = ()
    """As the log writes them; see `known_sources`."""
    first: dt.date | None = None
    """Earliest evening."""
    last: dt.date | None = None
    """Latest evening."""
    observation_min: Range = Range()
    """Minutes of common observation."""
    same_wobble_min: Range = Range()
    """Minutes at the same wobble position: the limits belong to it, so a minimum of 0 takes rows with 0."""
    conditions: tuple[str, ...] = ()
    trigger: tuple[str, ...] = ()
    stereo: bool | None = None
    hv: tuple[str, ...] = ()
    mixed: bool = False
    """Whether a row is taken whose conditions, trigger, stereo or HV cell lists wanted and unwanted values together."""
    zenith_deg: Range = Range()
    """All of the row lies within."""
    lst_runs: Range = Range()
    """Number of LST-1 runs."""
    magic_runs: Range = Range()
    """Number of MAGIC runs."""
    qa: tuple[str, ...] = ()
    """Verdicts: ``good``, ``warning``, ``bad``, or ``none`` for what has not been processed."""


Verdicts = Mapping[tuple[Night, str], str]
"""QA verdict by night and source."""


def apply_filters(observations: Iterable[Observation], filters: Filters, verdicts: Verdicts | None = None) -> Selection:
    """Divide observations by what a person wants.

    Parameters
    ----------
    observations : iterable of Observation
        Rows of the stereo log.
    filters : Filters
        What is wanted.
    verdicts : mapping, optional
        QA verdict by night and source; needed where `filters.qa` is not empty.
    """
    accepted: list[Observation] = []
    rejected: list[tuple[Observation, str]] = []
    for row in observations:
        reasons = [reason for rule in _RULES if (reason := rule(row, filters))]
        if reason := _qa(row, filters, verdicts or {}):
            reasons.append(reason)
        if reasons:
            rejected.append((row, "; ".join(reasons)))
        else:
            accepted.append(row)
    return Selection(tuple(accepted), tuple(rejected))


def known_sources(wanted: Iterable[str], known: Collection[str]) -> tuple[str, ...]:
    """Return the names as the log writes them.

    Upper and lower case, spaces, ``-`` and ``_`` do not matter, and a name longer than the log's 12 characters finds
    the cut one.

    Parameters
    ----------
    wanted : iterable of str
        Names as a person writes them.
    known : collection of str
        Names of the log.

    Raises
    ------
    StereoLogError
        If the log has no such name; the text gives the nearest.
    """
    found: dict[str, None] = {}
    for name in wanted:
        matches = [one for one in sorted(known) if _same(name, one)]
        if not matches:
            near = _near(name, known)
            hint = f"near: {', '.join(near)}" if near else f"it has {', '.join(sorted(known)[:15])}, ..."
            raise StereoLogError(
                f"the stereo log has no source {name!r}; {hint} (the log cuts names after {NAME_LENGTH} characters)"
            )
        found.update(dict.fromkeys(matches))
    return tuple(found)


def known_values(what: str, wanted: Iterable[str], known: Collection[str]) -> tuple[str, ...]:
    """Return values of a cell as the log writes them, whatever their case.

    Raises
    ------
    StereoLogError
        If no row of the log has such a value.
    """
    by_case = {one.casefold(): one for one in known}
    found = []
    for value in wanted:
        if value.casefold() not in by_case:
            raise StereoLogError(f"no row of the stereo log has {what} {value!r}; there are {', '.join(sorted(known))}")
        found.append(by_case[value.casefold()])
    return tuple(found)


def _folded(name: str) -> str:
    return "".join(character for character in name.casefold() if character not in " _-")


def _same(wanted: str, known: str) -> bool:
    if _folded(wanted) == _folded(known):
        return True
    # Only a name as long as the limit can be one that was cut. What was cut may have had spaces, which the log has not.
    if len(known) != NAME_LENGTH:
        return False
    packed = wanted.replace(" ", "").casefold()
    return len(packed) > len(known) and packed.startswith(known.casefold())


def _near(name: str, known: Collection[str]) -> list[str]:
    by_folded = {_folded(one): one for one in sorted(known)}
    wanted = _folded(name)
    contained = [one for folded, one in by_folded.items() if len(wanted) > 1 and (wanted in folded or folded in wanted)]
    close = [by_folded[one] for one in difflib.get_close_matches(wanted, by_folded, n=5, cutoff=0.55)]
    return list(dict.fromkeys([*contained, *close]))[:6]


def _source(row: Observation, filters: Filters) -> str:
    return f"source is {row.source}" if filters.sources and row.source not in filters.sources else ""


def _dates(row: Observation, filters: Filters) -> str:
    if filters.first is not None and row.night.evening < filters.first:
        return f"before {filters.first}"
    if filters.last is not None and row.night.evening > filters.last:
        return f"after {filters.last}"
    return ""


def _within(what: str, value: float | None, wanted: Range, unit: str) -> str:
    if not wanted:
        return ""
    if value is None:
        return f"{what} is not known"
    unit = f" {unit}" if unit else ""
    return f"{what} {value:g}{unit}, wanted {wanted}{unit}" if wanted.misses(value) else ""


def _observation_time(row: Observation, filters: Filters) -> str:
    return _within("observation time", row.observation_min, filters.observation_min, "min")


def _same_wobble(row: Observation, filters: Filters) -> str:
    return _within("same-wobble time", row.same_wobble_min, filters.same_wobble_min, "min")


def _zenith(row: Observation, filters: Filters) -> str:
    reasons = [
        _within("lowest zenith", row.zenith_min_deg, filters.zenith_deg, "deg"),
        _within("highest zenith", row.zenith_max_deg, filters.zenith_deg, "deg"),
    ]
    return next((reason for reason in reasons if reason), "")


def _numbers(row: Observation, filters: Filters) -> str:
    reasons = [
        _within("LST-1 runs", len(row.lst_runs), filters.lst_runs, ""),
        _within("MAGIC runs", len(row.magic_runs), filters.magic_runs, ""),
    ]
    return "; ".join(reason for reason in reasons if reason)


def _listed(what: str, values: Collection[object], wanted: Collection[object], filters: Filters) -> str:
    if not wanted:
        return ""
    if not values:
        return f"{what} is not known"
    unwanted = [str(value) for value in values if value not in wanted]
    if not unwanted or (filters.mixed and len(unwanted) < len(values)):
        return ""
    part = "" if len(unwanted) == len(values) else " in a part of the row"
    return f"{what} is {', '.join(unwanted)}{part}"


def _conditions(row: Observation, filters: Filters) -> str:
    return _listed("sky", row.conditions, filters.conditions, filters)


def _trigger(row: Observation, filters: Filters) -> str:
    return _listed("trigger", row.trigger, filters.trigger, filters)


def _stereo(row: Observation, filters: Filters) -> str:
    return _listed("stereo", row.stereo, () if filters.stereo is None else (filters.stereo,), filters)


def _hv(row: Observation, filters: Filters) -> str:
    return _listed("HV", row.hv, filters.hv, filters)


def _qa(row: Observation, filters: Filters, verdicts: Verdicts) -> str:
    verdict = verdicts.get((row.night, row.source), NO_QA)
    if not filters.qa or verdict in filters.qa:
        return ""
    return "no QA yet" if verdict == NO_QA else f"QA says {verdict}"


_RULES: tuple[Callable[[Observation, Filters], str], ...] = (
    _source, _dates, _observation_time, _same_wobble, _conditions, _trigger, _stereo, _hv, _zenith, _numbers,
)  # fmt: skip
