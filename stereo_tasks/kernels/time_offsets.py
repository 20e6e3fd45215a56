"""The time offset between LST-1 and MAGIC, and the showers that both saw: the search of magic-cta-pipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stereo_tasks.kernels.errors import NotCovered
from stereo_tasks.kernels.quantities import NS_TO_US, US_TO_NS

STEP_NS = 100.0
"""The last digit of the time stamps."""

_PAIRS_MAX = 5_000_000


@dataclass(frozen=True)
class Scan:
    """The numbers of coincidences at each offset, and the offset that they are centred at.

    Parameters
    ----------
    offsets_ns : numpy.ndarray
        Shape (n_offsets,), int64.
    coincidences : numpy.ndarray
        Shape (n_offsets,), int64.
    average_ns : int
        The average offset around the maximum, weighted by coincidences.
    """

    offsets_ns: NDArray[np.int64]
    coincidences: NDArray[np.int64]
    average_ns: int


def brightest(intensity: NDArray[Any], number: int) -> NDArray[np.int64]:
    """Return the brightest events first: ``np.argsort`` of a pandas series, turned round.

    Parameters
    ----------
    intensity : numpy.ndarray
        Shape (n,): p.e. Where it is NaN, pandas puts -1 into the order, which then stands for the last event.
    number : int
        How many to return.

    Returns
    -------
    numpy.ndarray
        Shape (at most number,).
    """
    known = ~np.isnan(intensity)
    order = np.full(len(intensity), -1, dtype=np.intp)
    order[known] = np.argsort(intensity[known])
    return order[::-1][:number]


def probable_offset_us(magic_ns: NDArray[np.int64], lst_ns: NDArray[np.int64], half_width_ns: int) -> float:
    """Return the time difference that most pairs of bright events have in common.

    Parameters
    ----------
    magic_ns, lst_ns : numpy.ndarray
        Shapes (n,) and (m,): times of bright events.
    half_width_ns : int
        Half width of the coincidence window; differences count that are closer than this.

    Returns
    -------
    float
        In us, rounded to 0.1 us.
    """
    offsets_ns = (magic_ns[np.newaxis, :] - lst_ns[:, np.newaxis]).ravel()
    ordered = np.sort(offsets_ns)
    near = np.searchsorted(ordered, ordered + half_width_ns) - np.searchsorted(
        ordered, ordered - half_width_ns, "right"
    )
    best = ordered[near == near.max()]
    # The mean of the differences in their order among the pairs: sums of float64 depend on it.
    return float(np.round(np.mean(offsets_ns[np.isin(offsets_ns, best)]) * NS_TO_US, 1))


def scanned_offsets(offset_us: float, half_width_ns: int) -> NDArray[np.int64]:
    """Return the offsets to be tried, in ns: three half widths to both sides."""
    margin_us = 3 * half_width_ns * NS_TO_US
    start_ns, stop_ns = (round(edge * US_TO_NS) for edge in (offset_us - margin_us, offset_us + margin_us))
    return np.arange(float(start_ns), float(stop_ns), STEP_NS).round().astype(np.int64)


def pairs(
    magic_ns: NDArray[np.int64], lst_ns: NDArray[np.int64], lowest_ns: int, highest_ns: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs whose time difference, MAGIC minus LST-1, lies between two limits, both included.

    Parameters
    ----------
    magic_ns, lst_ns : numpy.ndarray
        Shapes (n,) and (m,), in any order.

    Returns
    -------
    magic, lst : numpy.ndarray
        Shape (n_pairs,): numbers of the events, by LST-1 event and then by MAGIC event.

    Raises
    ------
    NotCovered
        If they are too many to be kept.
    """
    by_time = np.argsort(lst_ns, kind="stable")
    ordered = lst_ns[by_time]
    first = np.searchsorted(ordered, magic_ns - highest_ns, "left")
    last = np.searchsorted(ordered, magic_ns - lowest_ns, "right")
    number = last - first
    if number.sum() > _PAIRS_MAX:
        raise NotCovered("a coincidence window so wide that millions of pairs lie in it")
    magic = np.repeat(np.arange(len(magic_ns)), number)
    begin = np.repeat(first - np.cumsum(number) + number, number)
    lst = by_time[begin + np.arange(len(magic))]
    order = np.lexsort((magic, lst))
    return magic[order], lst[order]


def scan(
    magic_ns: NDArray[np.int64], lst_ns: NDArray[np.int64], offsets_ns: NDArray[np.int64], half_width_ns: int
) -> Scan | None:
    """Return the coincidences at each offset; None if there are none at all.

    Raises
    ------
    ZeroDivisionError
        If several offsets far from each other are the best ones, with nothing in the middle, as in magic-cta-pipe.
    """
    low, high = int(offsets_ns[0]) - half_width_ns, int(offsets_ns[-1]) + half_width_ns
    magic, lst = pairs(magic_ns, lst_ns, low, high)
    differences = np.sort(magic_ns[magic] - lst_ns[lst])
    coincidences = np.searchsorted(differences, offsets_ns + half_width_ns, "right") - np.searchsorted(
        differences, offsets_ns - half_width_ns, "left"
    )
    if not coincidences.any():
        return None
    centre_ns = np.mean(offsets_ns[coincidences == coincidences.max()])
    near = (offsets_ns >= np.round(centre_ns - 2 * half_width_ns)) & (
        offsets_ns <= np.round(centre_ns + 2 * half_width_ns)
    )
    average_ns = np.average(offsets_ns[near], weights=coincidences[near])
    return Scan(offsets_ns, coincidences, int(average_ns.round()))
