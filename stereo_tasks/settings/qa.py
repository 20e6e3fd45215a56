"""Limits and options of the quality page; the values, with their sources, are in `config/qa.yaml`."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from stereo_tasks.settings.model import Model

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


class Limits(Model):
    """One limit a metric of a run; the unit is in the name."""

    zenith_deg: Limit
    time_offset_jump_us: Limit
    """Distance of the time offset found from the one known for the date."""
    pointing_separation_arcmin: Limit
    """Between the pointings of LST-1 and MAGIC, mean of a subrun."""
    wobble_offset_deg: Limit
    dead_time_factor: Limit
    """Live time over ON time, DEADC in the DL3 header."""


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
    limits: Limits
    theta2: Theta2Settings
    spectrum: SpectrumSettings


def _inside(value: float, interval: Interval) -> bool:
    low, high = interval
    return (low is None or value >= low) and (high is None or value <= high)


def _at_most(low: float | None, high: float | None, *, upper: bool = False) -> bool:
    if upper:
        return high is None or (low is not None and low <= high)
    return low is None or (high is not None and low <= high)
