"""Times of runs and nights."""

from __future__ import annotations

from collections.abc import Sequence

from astropy import units as u
from astropy.time import Time
from gammapy.datasets import SpectrumDatasetOnOff


def start_of(dataset: SpectrumDatasetOnOff) -> Time:
    """Return when a run, or the first one of several, started, in UTC."""
    return in_utc(dataset.gti.time_start.min(), dataset.gti.time_ref)


def stop_of(dataset: SpectrumDatasetOnOff) -> Time:
    """Return when a run, or the last one of several, ended, in UTC."""
    return in_utc(dataset.gti.time_stop.max(), dataset.gti.time_ref)


def in_utc(time: Time, reference: Time) -> Time:
    """Return a time of a file in UTC.

    Files in UTC whose reference lies before the last leap second count days of 86400 s, as unix time does: those of
    magic-cta-pipe, with 1970 as their reference, before they were amended (docs/upstream.md), and MARS's, with 2003.
    gammapy counts leap seconds, and is early by them. Where none lies in between, there is nothing to correct.
    """
    if reference.scale != "utc":
        return time.utc
    return Time(reference.mjd, (time - reference).to_value("s") / 86400, format="mjd", scale="utc")


def night_of(time: Time) -> str:
    """Return the date of the evening of the night that a time belongs to; a night goes from noon to noon, UTC."""
    return str((time.utc - 12 * u.h).strftime("%Y-%m-%d"))


def by_night(datasets: Sequence[SpectrumDatasetOnOff]) -> dict[str, list[SpectrumDatasetOnOff]]:
    """Group runs by their nights."""
    nights: dict[str, list[SpectrumDatasetOnOff]] = {}
    for dataset in datasets:
        nights.setdefault(night_of(start_of(dataset)), []).append(dataset)
    return nights
