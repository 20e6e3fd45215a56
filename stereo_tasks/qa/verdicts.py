"""Verdicts: a metric held against its limit gives good, warning, bad or unknown, with the reason."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from stereo_tasks.qa.images import Distance
from stereo_tasks.qa.run import RunMetrics
from stereo_tasks.settings.qa import Criterion, Interval, Limit, QaSettings
from stereo_tasks.settings.qa_metrics import BY_NAME, METRICS, TELESCOPES
from stereo_tasks.stages import State


class Level(StrEnum):
    """How good something is; the order of the members is from good to bad."""

    UNKNOWN = "unknown"
    """Of a metric: nobody knows its value, or a limit for it. It does not count."""
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


RUN_LEVELS = (Level.GOOD, Level.WARNING, Level.BAD)
"""What a run or a night can be."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement on one metric, or on a whole run or night (then `metric` says which)."""

    metric: str
    level: Level
    reason: str
    """One line for a person; empty when good."""
    value: float | None = None
    unit: str = ""
    limit: str = ""
    """Where it is good; empty where nobody knows."""


_BROKEN_CLOCK_US = 1000.0
"""Known jumps within a hardware state are 0.3 us. A clock that is farther off drifts, and most showers are missed."""


def worst(levels: Iterable[Level]) -> Level:
    """Return the worst of some levels; good if there are none that count."""
    order = list(Level)
    return max([Level.GOOD, *levels], key=order.index)


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
        """Return the classes that mark a metric in the table: nothing if it is good, or unknown."""
        level = worst(verdict.level for verdict in self.verdicts if verdict.metric == metric)
        return "" if level == Level.GOOD else f"off {level.value}"

    @property
    def reasons(self) -> tuple[str, ...]:
        """What is not good about the run, the worst first."""
        order = list(Level)
        counted = [verdict for verdict in self.verdicts if verdict.level in (Level.WARNING, Level.BAD)]
        return tuple(one.reason for one in sorted(counted, key=lambda one: order.index(one.level), reverse=True))


def judge(name: str, value: float | None, limit: Limit | None, why_none: str = "") -> Verdict:
    """Hold one value against its limit.

    Parameters
    ----------
    name : str
        Of the metric. One that has to be known is a warning where it is not.
    value : float, optional
        In its unit.
    limit : Limit, optional
        In the same unit.
    why_none : str, optional
        Why there is no limit.
    """
    metric = BY_NAME[name]
    limit_text = "" if limit is None else _range(limit.good)
    if value is None:
        reason = f"{metric.label}: not known" + ("" if metric.required else f" ({metric.unknown})")
        level = Level.WARNING if metric.required else Level.UNKNOWN
        return Verdict(name, level, reason, None, metric.unit, limit_text)
    if limit is None:
        return Verdict(name, Level.UNKNOWN, f"no limit: {why_none}", value, metric.unit)
    if limit.is_good(value):
        return Verdict(name, Level.GOOD, "", value, metric.unit, limit_text)
    level = Level.WARNING if limit.is_usable(value) else Level.BAD
    text = f"{metric.label} {value:{metric.form}} {metric.unit}".rstrip()
    return Verdict(name, level, f"{text}, good is {limit_text}", value, metric.unit, limit_text)


def judge_run(
    metrics: RunMetrics, settings: QaSettings, night: dt.date, completeness_min: float
) -> tuple[Verdict, ...]:
    """Judge a run by all limits.

    Parameters
    ----------
    metrics : RunMetrics
    settings : QaSettings
    night : datetime.date
        Evening date: limits hold for some nights.
    completeness_min : float
        Fraction of the subruns below which a run is bad.
    """
    values = metrics.values()
    criteria = {metric.name: settings.criterion(metric.name, night) for metric in METRICS}
    verdicts = [_judge(name, values.get(name), one, metrics) for name, one in criteria.items()]
    verdicts = [_in_words(verdict, metrics.distances) for verdict in verdicts]
    verdicts += _judge_completeness(metrics, completeness_min)
    if metrics.state == State.DONE:
        return tuple(verdicts)
    # What is not known of a run without DL3 is no news; what is known may tell why there is none.
    known = [replace(one, level=Level.UNKNOWN) if one.value is None else one for one in verdicts]
    return (Verdict("dl3", Level.BAD, f"{metrics.state}: {metrics.reason}"), *known)


def _judge(name: str, value: float | None, criterion: Criterion, metrics: RunMetrics) -> Verdict:
    limit = criterion.limit(metrics.zenith_deg)
    verdict = judge(name, value, limit, criterion.unknown or "the zenith distance is not known")
    if criterion.expected is not None and verdict.level in (Level.WARNING, Level.BAD):
        return replace(verdict, reason=f"{verdict.reason} at this zenith distance")
    return verdict


def _in_words(verdict: Verdict, distances: Mapping[str, Distance]) -> Verdict:
    """Say what a value may mean, where a number alone does not."""
    if verdict.level not in (Level.WARNING, Level.BAD):
        return verdict
    if verdict.metric == "time_offset_jump_us" and (verdict.value or 0.0) > _BROKEN_CLOCK_US:
        hint = "if MAGIC's GPS was broken, give the night a 'search' in config/time_offsets.yaml"
        return replace(verdict, level=Level.BAD, reason=f"{verdict.reason}: {hint}")
    if (distance := distances.get(verdict.metric)) is not None:
        hint = f"its median is {distance.median:.3g}, in the reference {distance.median_expected:.3g}"
        if _less_light(distances):
            hint += "; all telescopes see less light, as through clouds"
        return replace(verdict, reason=f"{verdict.reason}: {hint}")
    if verdict.metric == "source_offset_deg":
        hint = "is the position of the source right, and did the telescopes point to it?"
        return replace(verdict, reason=f"{verdict.reason}: {hint}")
    return verdict


_FAINT = 0.9
"""Medians below this fraction of the reference's are fainter images."""


def _less_light(distances: Mapping[str, Distance]) -> bool:
    found = [distances.get(f"{short}_intensity_distance") for short, _ in TELESCOPES.values()]
    return all(one is not None and one.median < _FAINT * one.median_expected for one in found)


def completeness_metric(instrument: str) -> str:
    """Return the name of the metric of the completeness of an instrument, such as ``completeness_lst1``."""
    return f"completeness_{instrument.lower().replace('-', '')}"


def _judge_completeness(metrics: RunMetrics, completeness_min: float) -> list[Verdict]:
    limit = Limit(good=(1, None), usable=(completeness_min, None))
    verdicts = []
    for part in metrics.completeness:
        level = Level.WARNING if limit.is_usable(part.completeness) else Level.BAD
        if limit.is_good(part.completeness):
            level = Level.GOOD
        missing = part.expected - part.used
        reason = "" if level == Level.GOOD else f"{part.instrument}: {missing} of {part.expected} subruns missing"
        name = completeness_metric(part.instrument)
        verdicts.append(Verdict(name, level, reason, part.completeness, "", _range(limit.good)))
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
        return f"up to {high:.4g}" if high is not None else f"at least {low:.4g}" if low is not None else "anything"
    return f"{low:.4g} to {high:.4g}"
