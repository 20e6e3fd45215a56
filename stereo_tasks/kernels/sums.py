"""numpy's sum, to the last bit.

numpy adds an array in blocks of 128 with eight partial sums each (``pairwise_sum`` in numpy's ``loops_utils.h.src``);
another order of the additions would change the last bits of a float32 charge.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stereo_tasks.kernels.compile import jit

_BLOCK = 128
_LANES = 8
_DEPTH = 48
"""More halvings than any array has."""


@jit
def _block_sum(values: NDArray[Any], start: int, length: int) -> Any:
    """Sum at most 128 values as numpy does."""
    if length < _LANES:
        total = values.dtype.type(0)
        for i in range(length):
            total = total + values[start + i]
        return total
    r0, r1, r2, r3 = values[start], values[start + 1], values[start + 2], values[start + 3]
    r4, r5, r6, r7 = values[start + 4], values[start + 5], values[start + 6], values[start + 7]
    whole = length - length % _LANES
    for i in range(start + _LANES, start + whole, _LANES):
        r0 += values[i]
        r1 += values[i + 1]
        r2 += values[i + 2]
        r3 += values[i + 3]
        r4 += values[i + 4]
        r5 += values[i + 5]
        r6 += values[i + 6]
        r7 += values[i + 7]
    total = ((r0 + r1) + (r2 + r3)) + ((r4 + r5) + (r6 + r7))
    for i in range(start + whole, start + length):
        total += values[i]
    return total


@jit
def pairwise_sum(values: NDArray[Any], start: int, length: int) -> Any:
    """Return the sum of ``values[start:start + length]`` with the bits of ``numpy.sum``.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (n,), float32 or float64, without gaps in memory.
    start, length : int
        The part to add.

    Returns
    -------
    float
        Of the type of the values; 0 for an empty part.
    """
    if length <= _BLOCK:
        return _block_sum(values, start, length)
    # numpy halves recursively; here parts wait on a stack, for numba does not keep recursive functions on disk.
    total = values.dtype.type(0)
    starts = np.empty(_DEPTH, dtype=np.int64)
    lengths = np.empty(_DEPTH, dtype=np.int64)
    first_half = np.empty(_DEPTH, dtype=values.dtype)
    halves_done = np.zeros(_DEPTH, dtype=np.int64)
    starts[0], lengths[0] = start, length
    depth = 0
    while depth >= 0:
        length = lengths[depth]
        half = length // 2
        half -= half % _LANES
        if length <= _BLOCK:
            total = _block_sum(values, starts[depth], length)
            depth -= 1
        elif halves_done[depth] == 0:
            halves_done[depth] = 1
            starts[depth + 1], lengths[depth + 1], halves_done[depth + 1] = starts[depth], half, 0
            depth += 1
        elif halves_done[depth] == 1:
            first_half[depth], halves_done[depth] = total, 2
            starts[depth + 1], lengths[depth + 1], halves_done[depth + 1] = starts[depth] + half, length - half, 0
            depth += 1
        else:
            total = first_half[depth] + total
            depth -= 1
    return total
