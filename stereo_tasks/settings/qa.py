"""Limits and options of the quality page; the values, with their sources, are in `config/qa.yaml`."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from typing import Annotated, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from stereo_tasks.settings.model import Model
from stereo_tasks.settings.qa_metrics import BY_KEY, BY_NAME, IMAGE_PARAMETERS, TELESCOPES

Interval = tuple[float | None, float | None]
"""Closed range; None is unbounded."""


class Limit(Model):
    """Where a metric is good, and how far beyond that it is still usable."""

    good: Interval
    usable: Interval | None = None
    """Outside of it the run is bad; None: outside of `good` is never worse than a warning."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for low, high in (self.good, self.usable or (None, None)):
            if low is not None and high is not None and low > high:
                raise ValueError(f"the range [{low}, {high}] is empty: write the lower bound first")
        if self.usable is not None and not (
            _at_most(self.usable[0], self.good[0]) and _at_most(self.good[1], self.usable[1], upper=True)
        ):
            raise ValueError(f"the usable range {self.usable} must contain the good range {self.good}")
        return self

    def is_good(self, value: float) -> bool:
        """Return whether a value is good."""
        return _inside(value, self.good)

    def is_usable(self, value: float) -> bool:
        """Return whether a value is at least usable."""
        return self.usable is None or _inside(value, self.usable)


class Expected(Model):
    """What a metric is at a zenith distance: ``constant + scale cos(zenith)^power``, in the unit of the metric."""

    constant: float = 0.0
    scale: float
    power: float = 1.0

    def at(self, zenith_deg: float) -> float:
        """Return what is expected."""
        return float(self.constant + self.scale * math.cos(math.radians(zenith_deg)) ** self.power)


class Criterion(Model):
    """Where a metric is good, for some nights: a range, or why nobody knows one."""

    first: dt.date | None = None
    """First evening date; None: since ever."""
    last: dt.date | None = None
    """Last evening date; None: for ever."""
    good: Interval | None = None
    usable: Interval | None = None
    expected: Expected | None = None
    """With it, the ranges are fractions of what is expected at the zenith distance of the run."""
    unknown: str = ""
    """Why there is no limit."""
    source: str = ""
    """Who says so."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if (self.good is None) == (not self.unknown):
            raise ValueError("give either 'good', or 'unknown' with the reason why there is no limit")
        if self.good is not None and not self.source:
            raise ValueError("give the 'source' of the limit")
        if self.good is not None:
            Limit(good=self.good, usable=self.usable)
        if self.first and self.last and self.first > self.last:
            raise ValueError(f"it ends on {self.last}, before its first night {self.first}")
        return self

    def limit(self, zenith_deg: float | None) -> Limit | None:
        """Return the limit at a zenith distance, in the unit of the metric; None where there is none."""
        if self.good is None:
            return None
        if self.expected is None:
            return Limit(good=self.good, usable=self.usable)
        if zenith_deg is None:
            return None
        scale = self.expected.at(zenith_deg)
        good, usable = ((None, None) if one is None else _scaled(one, scale) for one in (self.good, self.usable))
        return Limit(good=good, usable=usable if self.usable else None)


def _covering(criteria: tuple[Criterion, ...]) -> tuple[Criterion, ...]:
    """Return criteria in the order of time; every night must have exactly one."""
    ordered = tuple(sorted(criteria, key=lambda one: one.first or dt.date.min))
    if not ordered:
        raise ValueError("there is no criterion: give one, if only 'unknown' with its reason")
    if ordered[0].first is not None:
        raise ValueError(f"nothing is said of the nights before {ordered[0].first}: add a criterion without 'first'")
    for before, after in itertools.pairwise(ordered):
        begin = after.first or dt.date.min
        if before.last is None or before.last >= begin:
            raise ValueError(f"two criteria hold on {begin}: end the earlier one before")
        if before.last + _DAY != begin:
            raise ValueError(
                f"nothing is said of the nights from {before.last + _DAY} to {begin - _DAY}: add a criterion, with "
                "'unknown' and the reason where nobody knows a limit"
            )
    if ordered[-1].last is not None:
        raise ValueError(f"nothing is said of the nights after {ordered[-1].last}: add a criterion without 'last'")
    return ordered


Criteria = Annotated[tuple[Criterion, ...], AfterValidator(_covering)]


class Reference(Model):
    """What the images of some nights look like in order: the deciles of their parameters.

    Of the images of background: events with a mean gammaness below `background_gammaness_max`.
    """

    first: dt.date | None = None
    last: dt.date | None = None
    source: str
    """Which data they are from."""
    zenith_deg: tuple[float, float] = (0.0, 90.0)
    deciles: dict[str, tuple[float, ...]]
    """Nine rising values, from 10 to 90 %, by what they are of: ``lst1_intensity`` (p.e.), ``m1_width`` (m), ..."""

    @field_validator("deciles")
    @classmethod
    def _rise(cls, deciles: dict[str, tuple[float, ...]]) -> dict[str, tuple[float, ...]]:
        known = sorted(_DISTRIBUTIONS)
        for name, values in deciles.items():
            if name not in known:
                raise ValueError(f"there is no distribution {name}; there are {', '.join(known)}")
            if len(values) != DECILES or any(low >= high for low, high in itertools.pairwise(values)):
                raise ValueError(f"{name} must be {DECILES} rising values, the deciles from 10 to 90 %")
        return deciles

    def holds(self, night: dt.date, zenith_deg: float) -> bool:
        """Return whether it is of such nights and zenith distances."""
        in_time = (self.first or dt.date.min) <= night <= (self.last or dt.date.max)
        return in_time and self.zenith_deg[0] <= zenith_deg <= self.zenith_deg[1]


class Theta2Settings(Model):
    """The theta2 distribution."""

    off_regions: int = Field(ge=1, le=7)
    """Wished number of OFF regions; fewer are taken where they would overlap."""
    shown_max_deg2: float = Field(gt=0)
    bin_width_deg2: float = Field(gt=0)


class SpectrumSettings(Model):
    """The power-law fit."""

    energy_min_tev: float = Field(gt=0)
    energy_max_tev: float = Field(gt=0)
    bins_per_decade: int = Field(ge=1)
    aeff_percent_min: float = Field(ge=0, lt=100)
    """Energies with less effective area than this percentage of its maximum are left out."""
    reference_tev: float = Field(gt=0)
    """Energy at which the flux is given."""
    significance_min_sigma: float = Field(ge=0)
    """Below this theta2 significance no spectrum is fitted."""


class QaSettings(Model):
    """What the quality page judges by."""

    detection_sigma: float = Field(gt=0)
    """A significance from here on is marked as a detection."""
    background_gammaness_max: float = Field(gt=0, le=1)
    """Events with a smaller mean gammaness are background, whatever the source."""
    images_min: int = Field(ge=1)
    """Fewer images say nothing of a distribution."""
    limits: dict[str, dict[str, Criteria]]
    """Criteria by metric and descriptor."""
    references: tuple[Reference, ...] = ()
    theta2: Theta2Settings
    spectrum: SpectrumSettings

    @field_validator("limits")
    @classmethod
    def _are_of_metrics(cls, limits: dict[str, dict[str, Criteria]]) -> dict[str, dict[str, Criteria]]:
        given = {f"{metric}.{descriptor}" for metric, descriptors in limits.items() for descriptor in descriptors}
        if unknown := sorted(given - BY_KEY.keys()):
            raise ValueError(f"there is no metric {', '.join(unknown)}; there are {', '.join(sorted(BY_KEY))}")
        if missing := sorted(BY_KEY.keys() - given):
            raise ValueError(f"{', '.join(missing)} have no criterion: give one, if only 'unknown' with its reason")
        return limits

    def criterion(self, name: str, night: dt.date) -> Criterion:
        """Return what holds for a metric, by its name in `qa.json`, on an evening date."""
        metric, _, descriptor = BY_NAME[name].key.partition(".")
        return next(
            one for one in self.limits[metric][descriptor]
            if (one.first or dt.date.min) <= night <= (one.last or dt.date.max)
        )  # fmt: skip

    def reference(self, night: dt.date, zenith_deg: float | None) -> Reference | None:
        """Return the reference of a night and zenith distance; None if there is none."""
        if zenith_deg is None:
            return None
        return next((one for one in self.references if one.holds(night, zenith_deg)), None)


DECILES = 9
_DAY = dt.timedelta(days=1)
_DISTRIBUTIONS = {f"{short}_{name}" for short, _ in TELESCOPES.values() for name in IMAGE_PARAMETERS} | {"gammaness"}


def _scaled(interval: Interval, scale: float) -> Interval:
    low, high = interval
    return (None if low is None else low * scale, None if high is None else high * scale)


def _inside(value: float, interval: Interval) -> bool:
    low, high = interval
    return (low is None or value >= low) and (high is None or value <= high)


def _at_most(low: float | None, high: float | None, *, upper: bool = False) -> bool:
    if upper:
        return high is None or (low is not None and low <= high)
    return low is None or (high is not None and low <= high)
