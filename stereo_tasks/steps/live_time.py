"""When was the array alive? While LST-1, MAGIC-I and MAGIC-II all recorded showers (docs/decisions/live-time.md)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import reduce

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.float64]
"""Unix times in s."""

Intervals = npt.NDArray[np.float64]
"""Shape (n_intervals, 2): start and stop as unix times in s; they rise and do not overlap."""

LST_1, MAGIC_1, MAGIC_2 = 1, 2, 3
"""Telescopes as magic-cta-pipe numbers them."""

COSMIC_EVENT = 32
"""LST-1's event type of showers. Flat-field and pedestal events come by themselves, even if no shower triggers."""

LST_DEAD_TIME_S = 7.6e-6
"""Dead time of LST-1 after each event, as magic-cta-pipe has it."""

FALSE_GAPS = 1e-6
"""Gaps that chance may open in a run while a telescope is alive."""

CLOCK_MARGIN_S = 1e-4
"""Intervals are widened by this: the time of an event is the mean of clocks that differ by some us."""


def live_intervals(showers_s: Mapping[int, Times], lst_subruns_s: Iterable[Times]) -> Intervals:
    """Return the intervals in which all three telescopes recorded showers: the effective area is that of all three.

    Parameters
    ----------
    showers_s : mapping of int to array of shape (n_images,)
        The times of each telescope's images in the DL2 of a run, events of MAGIC alone included.
    lst_subruns_s : iterable of array of shape (n_events,)
        The times of all showers that LST-1 recorded, for each subrun of the run. A subrun of which nothing is in DL2
        was lost on the way, and is no live time.
    """
    used = [times for times in lst_subruns_s if _contains_any(times, showers_s[LST_1])]
    lst = np.concatenate(used) if used else np.zeros(0)
    streams = (lst, showers_s[MAGIC_1], showers_s[MAGIC_2])
    intervals: Intervals = reduce(intersection, (alive_intervals(times) for times in streams))
    return np.add(intervals, (-CLOCK_MARGIN_S, CLOCK_MARGIN_S))


def alive_intervals(times_s: Times) -> Intervals:
    """Return the intervals in which events follow each other without a gap that chance does not explain.

    Waiting times of showers are exponential: of `n` of them, ``n exp(-gap / mean)`` are longer than `gap`. The mean
    comes from the median, which a stall does not change.

    Parameters
    ----------
    times_s : array of shape (n_events,)
        The times of one telescope's events, in any order.
    """
    times = np.unique(times_s)
    if len(times) < 2:
        return np.zeros((0, 2))
    waits = np.diff(times)
    gap_s = np.median(waits) / math.log(2) * math.log(len(waits) / FALSE_GAPS)
    last = np.flatnonzero(waits >= gap_s)
    starts = times[np.concatenate([[0], last + 1])]
    stops = times[np.concatenate([last, [len(times) - 1]])]
    some = stops > starts
    return np.stack([starts[some], stops[some]], axis=1)


def alive_s(times_s: Times) -> float:
    """Return for how long a telescope recorded events, in s, from the times of its events (see `alive_intervals`)."""
    intervals = alive_intervals(times_s)
    return float((intervals[:, 1] - intervals[:, 0]).sum())


def intersection(first: Intervals, second: Intervals) -> Intervals:
    """Return the time that lies in both."""
    starts = np.maximum(first[:, np.newaxis, 0], second[:, 0])
    stops = np.minimum(first[:, np.newaxis, 1], second[:, 1])
    common = stops > starts
    return np.stack([starts[common], stops[common]], axis=1)


def inside(times_s: Times, intervals: Intervals) -> npt.NDArray[np.bool_]:
    """Return which times lie in one of the intervals, their stops excluded."""
    within: npt.NDArray[np.bool_] = np.searchsorted(intervals.ravel(), times_s, side="right") % 2 == 1
    return within


def _contains_any(subrun_s: Times, times_s: Times) -> bool:
    return bool(len(subrun_s) and ((times_s >= subrun_s.min()) & (times_s <= subrun_s.max())).any())
