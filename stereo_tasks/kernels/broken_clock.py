"""How far MAGIC's clock is from LST-1's where its GPS was broken: seconds, and drifting.

What ``coincident_brokenGPS`` of magic-cta-pipe does (issue 231), from coarse to fine: the brightest showers of a slice
of time have one time difference in common, which drifts by little within the slice. The first slice is looked for in
all of the range, its neighbours where it leads to.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

SLICE_S = 10.0
"""Wished length of a slice: a drift within it is a line, and a hundred bright showers are in it."""
DRIFT_MAX = 20e-6
"""Fastest drift, in s/s: a quartz without GPS is off by less than 10 us/s."""
BRIGHT = 500
"""So many of the brightest MAGIC showers of a slice are taken, and LST-1's at the same rate."""
GAP_S = 1.0
"""Without showers for so long LST-1 did not observe."""
WIDTH_NS = 1000.0
"""Width of the line of coincidences: ten times what time stamps scatter by."""

_NS = 1e9
_SIGMA, _PAIRS_MIN = 6.0, 6


@dataclass(frozen=True)
class Showers:
    """Events of one telescope.

    Parameters
    ----------
    time_ns : numpy.ndarray
        Shape (n,), int64: unix times in ns by the telescope's own clock, rising.
    intensity : numpy.ndarray
        Shape (n,): p.e.
    """

    time_ns: NDArray[np.int64]
    intensity: NDArray[np.floating]

    def brightest(self, first_ns: float, last_ns: float, number: int) -> NDArray[np.int64]:
        """Return the times of the brightest events between two times, in their order."""
        begin, end = np.searchsorted(self.time_ns, [first_ns, last_ns])
        times, intensity = self.time_ns[begin:end], self.intensity[begin:end]
        if len(times) > number:
            times = times[np.sort(np.argpartition(intensity, len(times) - number)[-number:])]
        return times


@dataclass(frozen=True)
class ClockSlice:
    """The offset in a slice of time.

    Parameters
    ----------
    time_ns : int
        Middle of the slice, unix time in ns by MAGIC's clock.
    offset_ns : float
        MAGIC's time minus LST-1's in the middle.
    drift : float
        How the offset grows, in s/s (1e-6 is 1 us/s).
    pairs : int
        Showers that agree.
    """

    time_ns: int
    offset_ns: float
    drift: float
    pairs: int

    def at(self, time_ns: float) -> float:
        """Return the offset at another time, in ns."""
        return self.offset_ns + self.drift * (time_ns - self.time_ns)


@dataclass(frozen=True)
class Clock:
    """The offset over a run.

    Parameters
    ----------
    slices : tuple of ClockSlice
        In the order of time.
    lost : int
        Slices that LST-1 observed whatever the offset is, and in which none stands out.
    """

    slices: tuple[ClockSlice, ...]
    lost: int

    def offset_ns(self, time_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return MAGIC's time minus LST-1's: lines between the middles of slices, those of the outer ones beyond.

        Parameters
        ----------
        time_ns : numpy.ndarray
            Shape (n,): unix times in ns by MAGIC's clock.

        Returns
        -------
        numpy.ndarray
            Shape (n,).
        """
        first, last = self.slices[0], self.slices[-1]
        # Relative times: a float64 has no nanoseconds of a unix time.
        since = (time_ns - first.time_ns).astype(np.float64)
        knots = np.array([one.time_ns - first.time_ns for one in self.slices], dtype=np.float64)
        offset = np.interp(since, knots, [one.offset_ns for one in self.slices])
        offset += first.drift * np.minimum(since, 0.0)
        offset += last.drift * np.maximum(since - knots[-1], 0.0)
        return np.asarray(offset)


def clock_of(magic: Showers, lst: Showers, search_s: float) -> Clock:
    """Return how far MAGIC's clock is from LST-1's.

    Parameters
    ----------
    magic, lst : Showers
        Events of one MAGIC telescope, and those of LST-1 at the same time and `search_s` around it.
    search_s : float
        Offsets up to this are looked for, in s.

    Returns
    -------
    Clock
        Without slices if no offset stands out in any of them.
    """
    length_s = (magic.time_ns[-1] - magic.time_ns[0]) / _NS
    edges = np.linspace(magic.time_ns[0], magic.time_ns[-1] + 1, max(1, round(length_s / SLICE_S)) + 1).round()
    bounds = [(int(begin), int(end)) for begin, end in pairwise(edges)]
    reach_ns = search_s * _NS
    found: dict[int, ClockSlice] = {}
    for start, bound in enumerate(bounds):
        if known := _slice(magic, lst, bound, 0.0, reach_ns):
            places = (range(start - 1, -1, -1), range(start + 1, len(bounds)))
            found = {start: known} | _followed(magic, lst, bounds, places[0], known)
            found |= _followed(magic, lst, bounds, places[1], known)
            break
    lost = sum(place not in found and _has_both(magic, lst, bound, reach_ns) for place, bound in enumerate(bounds))
    return Clock(tuple(found[place] for place in sorted(found)), lost)


def _followed(
    magic: Showers, lst: Showers, bounds: Sequence[tuple[int, int]], places: Iterable[int], known: ClockSlice
) -> dict[int, ClockSlice]:
    """Return the slices that are where the one before them leads to."""
    found = {}
    for place in places:
        middle = (bounds[place][0] + bounds[place][1]) / 2
        reach_ns = DRIFT_MAX * abs(middle - known.time_ns) + WIDTH_NS
        if here := _slice(magic, lst, bounds[place], known.at(middle), reach_ns):
            found[place] = known = here
    return found


def _has_both(magic: Showers, lst: Showers, bound: tuple[int, int], reach_ns: float) -> bool:
    """Return whether MAGIC has showers in a slice, and LST-1 observed all around it."""
    own = np.searchsorted(magic.time_ns, bound)
    begin, end = bound[0] - round(reach_ns), bound[1] + round(reach_ns)
    around = lst.time_ns[slice(*np.searchsorted(lst.time_ns, [begin, end]))]
    gaps = np.diff(np.concatenate([[begin], around, [end]]))
    return bool(own[1] > own[0] and gaps.max() < GAP_S * _NS)


def _slice(
    magic: Showers, lst: Showers, bound: tuple[int, int], centre_ns: float, reach_ns: float
) -> ClockSlice | None:
    """Return the offset of a slice if one stands out within `reach_ns` of `centre_ns`."""
    length_ns = float(bound[1] - bound[0])
    smear_ns = DRIFT_MAX * length_ns + WIDTH_NS
    low, high = centre_ns - reach_ns - smear_ns, centre_ns + reach_ns + smear_ns
    own = magic.brightest(*bound, BRIGHT)
    others = lst.brightest(bound[0] - high, bound[1] - low, math.ceil(BRIGHT * (1 + (high - low) / length_ns)))
    if not len(own) or not len(others):
        return None
    time, difference = _pairs(own, others, low, high)
    # Coarse: the drift of a slice smears its offset over less than this.
    begin, _ = _densest(difference, smear_ns)
    near = (difference >= begin - WIDTH_NS) & (difference <= begin + smear_ns + WIDTH_NS)
    middle = (bound[0] + bound[1]) // 2
    return _line(middle, (time[near] - middle).astype(np.float64), difference[near].astype(np.float64), length_ns)


def _pairs(
    own: NDArray[np.int64], others: NDArray[np.int64], low: float, high: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return time and time difference of all pairs with a difference between two limits."""
    first, last = np.searchsorted(others, own - round(high)), np.searchsorted(others, own - round(low), "right")
    number = last - first
    time = np.repeat(own, number)
    begin = np.repeat(first - np.cumsum(number) + number, number)
    return time, time - others[begin + np.arange(len(time))]


def _densest(values: NDArray[np.generic], width: float) -> tuple[float, int]:
    """Return where an interval of some width holds most values, and how many."""
    if not len(values):
        return 0.0, 0
    ordered = np.sort(values)
    number = np.searchsorted(ordered, ordered + width, "right") - np.arange(len(ordered))
    best = int(np.argmax(number))
    return float(ordered[best]), int(number[best])


def _line(
    middle: int, since: NDArray[np.float64], difference: NDArray[np.float64], length_ns: float
) -> ClockSlice | None:
    """Return the line of time differences on which most pairs lie, if these are more than chance puts there."""
    step = WIDTH_NS / length_ns
    drifts = np.arange(-DRIFT_MAX, DRIFT_MAX + step, step)
    begins, numbers = zip(*(_densest(difference - drift * since, WIDTH_NS) for drift in drifts), strict=True)
    best = int(np.argmax(numbers))
    drift, offset = float(drifts[best]), float(begins[best]) + WIDTH_NS / 2
    chance = len(since) * WIDTH_NS / (DRIFT_MAX * length_ns)
    if numbers[best] <= chance + _SIGMA * math.sqrt(chance) + _PAIRS_MIN:
        return None
    for width in (2 * WIDTH_NS, WIDTH_NS):
        on = np.abs(difference - offset - drift * since) <= width / 2
        if np.count_nonzero(on) < _PAIRS_MIN or np.ptp(since[on]) < length_ns / 10:
            return None
        drift, offset = (float(value) for value in np.polyfit(since[on], difference[on], 1))
    return ClockSlice(middle, offset, drift, int(np.count_nonzero(on)))


def drift_and_residuals(slices: Sequence[ClockSlice]) -> tuple[float, NDArray[np.float64]]:
    """Return the drift of a whole run in s/s, and how far its slices are from that line, in ns.

    Parameters
    ----------
    slices : sequence of ClockSlice
        At least one.

    Returns
    -------
    drift : float
    residual_ns : numpy.ndarray
        Shape (n_slices,).
    """
    since = np.array([one.time_ns - slices[0].time_ns for one in slices], dtype=np.float64)
    offset = np.array([one.offset_ns for one in slices])
    if len(slices) == 1:
        return slices[0].drift, np.zeros(1)
    drift, start = np.polyfit(since, offset, 1)
    return float(drift), offset - start - drift * since
