"""Means over the images of events, as pandas' groupby computes them: compensated sums, without what is no number."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stereo_tasks.kernels.compile import jit
from stereo_tasks.kernels.images import Floats


@jit
def sums(values: Floats, event: npt.NDArray[np.int64], n_events: int) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return the Kahan sum of each event's values and the number of those that are numbers.

    Parameters
    ----------
    values : array of float64, shape (n_images,)
        What is summed.
    event : array of int64, shape (n_images,)
        Number of the event of each image.
    n_events : int
        Number of events.

    Returns
    -------
    sums : array of float64, shape (n_events,)
        0 where there are none.
    counts : array of int64, shape (n_events,)
        How many values were summed.
    """
    total = np.zeros(n_events)
    lost = np.zeros(n_events)
    count = np.zeros(n_events, np.int64)
    for i in range(len(values)):
        value = values[i]
        if value != value:
            continue
        e = event[i]
        count[e] += 1
        rest = value - lost[e]
        longer = total[e] + rest
        lost[e] = longer - total[e] - rest
        if lost[e] != lost[e]:
            lost[e] = 0.0  # after an infinite value
        total[e] = longer
    return total, count


def means(values: Floats, event: npt.NDArray[np.int64], n_events: int) -> Floats:
    """Return the mean of each event's values; not a number where there are none."""
    total, count = sums(values, event, n_events)
    with np.errstate(invalid="ignore"):
        mean: Floats = total / count
    return mean
