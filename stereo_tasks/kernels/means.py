"""Means over the images of events, as pandas' groupby computes them: compensated sums, without what is no number."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stereo_tasks.kernels.images import Floats

Flags = npt.NDArray[np.bool_]


def sums(values: Floats, first: Flags) -> tuple[Floats, Floats]:
    """Return the Kahan sum of each event's values and the number of those that are numbers.

    Parameters
    ----------
    values : array of float64, shape (n_images,)
        What is summed.
    first : array of bool, shape (n_images,)
        Which images are the first of an event.

    Returns
    -------
    sums, counts : array of float64, shape (n_events,)
        0 where there are none.
    """
    begin = np.flatnonzero(first)
    n_images = np.diff(np.append(begin, len(values)))
    total, lost, count = np.zeros(len(begin)), np.zeros(len(begin)), np.zeros(len(begin))
    for i in range(int(n_images.max(initial=0))):
        events = np.flatnonzero(n_images > i)
        value = values[begin[events] + i]
        events, value = events[~np.isnan(value)], value[~np.isnan(value)]
        with np.errstate(invalid="ignore"):
            rest = value - lost[events]
            longer = total[events] + rest
            missing = longer - total[events] - rest
        lost[events] = np.where(np.isnan(missing), 0.0, missing)  # infinite values leave nothing to be made good
        total[events] = longer
        count[events] += 1
    return total, count


def means(values: Floats, first: Flags) -> Floats:
    """Return the mean of each event's values; not a number where there are none."""
    total, count = sums(values, first)
    with np.errstate(invalid="ignore"):
        mean: Floats = total / count
    return mean
