"""Times of runs and nights."""

from __future__ import annotations

from collections.abc import Sequence

from astropy import units as u
from astropy.time import Time
from gammapy.datasets import SpectrumDatasetOnOff


def start_of(dataset: SpectrumDatasetOnOff) -> Time:
    """Return when a run, or the first one of several, started, in UTC."""
    return dataset.gti.time_start.min().utc


def stop_of(dataset: SpectrumDatasetOnOff) -> Time:
    """Return when a run, or the last one of several, ended, in UTC."""
    return dataset.gti.time_stop.max().utc


def night_of(time: Time) -> str:
    """Return the date of the evening of the night that a time belongs to; a night goes from noon to noon, UTC."""
    return str((time.utc - 12 * u.h).strftime("%Y-%m-%d"))


def by_night(datasets: Sequence[SpectrumDatasetOnOff]) -> dict[str, list[SpectrumDatasetOnOff]]:
    """Group runs by their nights."""
    nights: dict[str, list[SpectrumDatasetOnOff]] = {}
    for dataset in datasets:
        nights.setdefault(night_of(start_of(dataset)), []).append(dataset)
    return nights
