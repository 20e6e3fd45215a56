"""Histograms that are filled a block of events at a time, so that a season needs the memory of a night."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Histogram:
    """Counts in any number of dimensions.

    Parameters
    ----------
    *edges : numpy.ndarray
        Shape (n_i + 1,) each, rising. A bin contains its lower edge, the last one of an axis its upper edge, too.

    Attributes
    ----------
    counts, squares : numpy.ndarray
        Shape (n_1, n_2, ...): sums of the weights, and of their squares (the variance of the counts).
    """

    def __init__(self, *edges: Floats) -> None:
        self.edges = edges
        self.shape = tuple(len(one) - 1 for one in edges)
        self.counts: Floats = np.zeros(self.shape)
        self.squares: Floats = np.zeros(self.shape)

    def fill(self, *values: Any, weights: Any = 1.0) -> Self:
        """Add events; those that are outside, or have a value that is not a number, are none.

        Parameters
        ----------
        *values : array-like
            Shape (n,), one for each axis.
        weights : array-like or float, optional
            Shape (n,), or one for all.
        """
        columns = [np.asarray(one, dtype=np.float64) for one in values]
        inside = np.ones(len(columns[0]), dtype=bool)
        bins = []
        for column, edges in zip(columns, self.edges, strict=True):
            inside &= (column >= edges[0]) & (column <= edges[-1])
            bins.append(np.minimum(np.searchsorted(edges, column, side="right") - 1, len(edges) - 2))
        flat = np.ravel_multi_index([one[inside] for one in bins], self.shape)
        weight = np.broadcast_to(np.asarray(weights, dtype=np.float64), inside.shape)[inside]
        size = self.counts.size
        self.counts += np.bincount(flat, weight, size).reshape(self.shape)
        self.squares += np.bincount(flat, weight**2, size).reshape(self.shape)
        return self

    @property
    def error(self) -> Floats:
        """Standard deviations of the counts."""
        return np.asarray(np.sqrt(self.squares))

    def centers(self, axis: int = 0) -> Floats:
        """Return the middles of the bins of an axis."""
        return np.asarray((self.edges[axis][1:] + self.edges[axis][:-1]) / 2)

    def quantile(self, fraction: float) -> float:
        """Return the value below which a fraction of the events of a histogram of one dimension lies; NaN if none."""
        if self.counts.sum() <= 0:
            return float("nan")
        below = np.concatenate([[0.0], np.cumsum(self.counts)]) / self.counts.sum()
        return float(np.interp(fraction, below, self.edges[0]))


def normalised(counts: Floats) -> Floats:
    """Return counts as fractions of their sum; zeros if that is not positive."""
    total = counts.sum()
    return counts / total if total > 0 else np.zeros_like(counts)
