"""Random streams named by what they are for, so that adding one part of a night never changes another part."""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, *labels: object) -> np.random.Generator:
    """Return the random generator of one purpose.

    Parameters
    ----------
    seed : int
        The seed number the user gave.
    *labels : object
        What the stream is for; their text is hashed into the seed.

    Returns
    -------
    numpy.random.Generator
        Always the same generator for the same seed and labels, independent of all others.
    """
    digest = hashlib.sha256("/".join(map(str, labels)).encode()).digest()
    return np.random.default_rng([seed, *np.frombuffer(digest, dtype=np.uint32).tolist()])
