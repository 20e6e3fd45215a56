"""Verdicts: a metric held against its limit gives good, warning or bad, with the reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from stereo_tasks.qa.metrics import RunMetrics
from stereo_tasks.settings.qa import Interval, Limit, QaSettings
from stereo_tasks.stages import State


class Level(StrEnum):
    """How good something is; the order of the members is from good to bad."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement on one metric, or on a whole run or night (then `metric` says which)."""

    metric: str
    level: Level
    reason: str
    """One line for a person; empty when good."""
    value: float | None = None


_TEXTS = {
    "zenith_deg": ("zenith", "deg", ".1f"),
    "time_offset_jump_us": ("time offset away from the known value by", "us", ".2f"),
    "pointing_separation_arcmin": ("pointing separation LST-1 to MAGIC", "arcmin", ".2f"),
    "wobble_offset_deg": ("wobble offset", "deg", ".3f"),
    "dead_time_factor": ("dead-time factor", "", ".3f"),
    "completeness": ("completeness", "", ".2f"),
}


_BROKEN_CLOCK_US = 1000.0
"""Known jumps within a hardware state are 0.3 us. A clock that is farther off drifts, and most showers are missed."""


def worst(levels: Iterable[Level]) -> Level:
    """Return the worst of some levels; good if there are none."""
    order = list(Level)
    return max(levels, key=order.index, default=Level.GOOD)


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run with its verdicts."""

    metrics: RunMetrics
    verdicts: tuple[Verdict, ...]

    @property
    def level(self) -> Level:
        """The worst of the verdicts."""
        return worst(verdict.level for verdict in self.verdicts)

    def marks(self, metric: str) -> str:
        """Return the classes that mark a metric in the table: nothing if it is good."""
        level = worst(verdict.level for verdict in self.verdicts if verdict.metric == metric)
        return "" if level == Level.GOOD else f"off {level.value}"

    @property
    def reasons(self) -> tuple[str, ...]:
        """What is not good about the run."""
        return tuple(verdict.reason for verdict in self.verdicts if verdict.level != Level.GOOD)


def judge(metric: str, value: float | None, limit: Limit) -> Verdict:
    """Hold one value against its limit. An unknown value is a warning: it should be known."""
    label, unit, form = _TEXTS.get(metric, (metric, "", "g"))
    if value is None:
        return Verdict(metric, Level.WARNING, f"{label}: not known")
    if limit.is_good(value):
        return Verdict(metric, Level.GOOD, "", value)
    usable = limit.is_usable(value)
    text = f"{label} {value:{form}} {unit}".rstrip()
    return Verdict(metric, Level.WARNING if usable else Level.BAD, f"{text}, good is {_range(limit.good)}", value)


def judge_run(metrics: RunMetrics, settings: QaSettings, completeness_min: float) -> tuple[Verdict, ...]:
    """Judge a run by all limits.

    Parameters
    ----------
    metrics : RunMetrics
    settings : QaSettings
    completeness_min : float
        Fraction of the subruns below which a run is bad.
    """
    if metrics.state != State.DONE:
        return (Verdict("dl3", Level.BAD, f"{metrics.state}: {metrics.reason}"),)
    values = metrics.values()
    limits: dict[str, Limit] = dict(settings.limits)
    verdicts = [judge(name, values[name], limit) for name, limit in limits.items()]
    verdicts = [_with_hint(verdict) for verdict in verdicts]
    verdicts += _judge_completeness(metrics, completeness_min)
    return tuple(verdicts)


def _with_hint(verdict: Verdict) -> Verdict:
    """Call a run bad whose time offset no hardware explains, and say what it may mean."""
    if verdict.metric != "time_offset_jump_us" or not (verdict.value or 0.0) > _BROKEN_CLOCK_US:
        return verdict
    hint = "if MAGIC's GPS was broken, give the night a 'search' in config/time_offsets.yaml"
    return replace(verdict, level=Level.BAD, reason=f"{verdict.reason}: {hint}")


def _judge_completeness(metrics: RunMetrics, completeness_min: float) -> list[Verdict]:
    limit = Limit(good=(1, None), usable=(completeness_min, None))
    verdicts = []
    for part in metrics.completeness:
        level = judge("completeness", part.completeness, limit).level
        missing = part.expected - part.used
        reason = "" if level == Level.GOOD else f"{part.instrument}: {missing} of {part.expected} subruns missing"
        verdicts.append(Verdict(f"completeness {part.instrument}", level, reason, part.completeness))
    return verdicts


def judge_night(runs: Iterable[Level], *, holds: int, problems: int, no_sky: str) -> Verdict:
    """Judge a night by its runs.

    Parameters
    ----------
    runs : iterable of Level
        The worst level of each run.
    holds : int
        Number of holds of the plan.
    problems : int
        Number of elements that failed, are held or left no record.
    no_sky : str
        Why there is no DL3 to look at; empty when there is.
    """
    levels = list(runs)
    good, usable = levels.count(Level.GOOD), sum(level != Level.BAD for level in levels)
    trouble = []
    if holds:
        trouble.append(f"the plan has {holds} hold{'s' * (holds > 1)}")
    if problems:
        trouble.append(f"{problems} element{'s' * (problems > 1)} failed, held or without a record")
    if no_sky:
        trouble.append(no_sky)
    runs_text = f"{good} of {len(levels)} run{'s' * (len(levels) != 1)} good"
    if usable > good:
        runs_text += f", {usable - good} with warnings"
    if usable < len(levels):
        runs_text += f", {len(levels) - usable} bad"
    if usable == 0 or no_sky:
        level, word = Level.BAD, "Not usable"
    elif good == len(levels) and not trouble:
        level, word = Level.GOOD, "Good"
    else:
        level, word = Level.WARNING, "Usable, look at the warnings" if usable == len(levels) else "Usable in part"
    return Verdict("night", level, f"{word}: {'; '.join([runs_text, *trouble])}.")


def _range(interval: Interval) -> str:
    low, high = interval
    if low is None or high is None:
        return f"up to {high:g}" if high is not None else f"at least {low:g}" if low is not None else "anything"
    return f"{low:g} to {high:g}"
