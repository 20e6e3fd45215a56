"""Random forests as arrays that are mapped into memory, applied without scikit-learn; `forest_files` packs them.

Nodes of a tree are in preorder: the left child of a node is the next one.
Predictions equal those of scikit-learn with ``n_jobs=1`` bit by bit: scikit-learn compares features as float32 with
thresholds as float64, so that a threshold may be rounded down to float32; and the trees are summed in their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stereo_tasks.kernels.compile import jit

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

NODE = np.dtype([("threshold", "<f4"), ("word", "<u4")])
"""A node of a tree, in 8 bytes: forests do not fit into the processor's caches, and each byte counts.

The low bits of the word are the number of the feature plus 1; the others are the right child, counted from the first
node of the tree. In a leaf the feature is 0, and the others are the number of its value, counted from its first leaf.
"""

FEATURE_BITS = 6
FEATURES_AT_MOST = 2**FEATURE_BITS - 1
NODES_AT_MOST = 2 ** (32 - FEATURE_BITS)

EVENTS_A_BLOCK = 32_768
"""Events whose leaf values are held at once: 150 trees of them take 39 MB. With 8192, it takes 1.6 times as long, since
each tree is read from memory more often (tried)."""

AT_ONCE = 16
"""Events that descend a tree at once: 8 and 32 take as long, a single one half as long again (tried)."""


@dataclass(frozen=True, eq=False, slots=True)
class Forest:
    """The forest of one telescope.

    Parameters
    ----------
    kind : str
        ``regressor`` or ``classifier``.
    nodes : array of `NODE`, shape (n_nodes,)
        The nodes of all trees.
    values : array of float64, shape (n_leaves,)
        Mean target, or the fraction of the first class, in the leaves of all trees.
    first_node, first_leaf : array of int64, shape (n_trees + 1,)
        Where each tree begins; last, where the last one ends.
    """

    kind: str
    nodes: npt.NDArray[np.void]
    values: Floats
    first_node: Integers
    first_leaf: Integers

    def predict(self, features: npt.NDArray[np.float32]) -> tuple[Floats, Floats]:
        """Return the mean and the variance over the trees.

        Parameters
        ----------
        features : array of float32, shape (n_events, n_features)
            Features of each event.

        Returns
        -------
        mean, variance : array of float64, shape (n_events,)
            As ``predict`` (or the first column of ``predict_proba``) and ``numpy.var`` over the trees give them.
        """
        features = np.ascontiguousarray(features)
        n_events, n_trees = len(features), len(self.first_node) - 1
        mean, variance = np.empty(n_events), np.empty(n_events)
        room = np.empty(n_trees * min(n_events, EVENTS_A_BLOCK))
        for begin in range(0, n_events, EVENTS_A_BLOCK):
            block = slice(begin, min(begin + EVENTS_A_BLOCK, n_events))
            # Contiguous in the last block, too: for another layout numba would compile another version.
            found = room[: n_trees * (block.stop - begin)].reshape(n_trees, -1)
            _find_leaves(features[block], self.nodes, self.values, self.first_node, self.first_leaf, found)
            _moments(found, mean[block], variance[block])
        if n_events == 1:
            # numpy sums a single column in pairs, and several of them row by row.
            variance[:] = np.var(room[:, np.newaxis], axis=0)
        return mean, variance


@dataclass(frozen=True, slots=True)
class Forests:
    """What a joblib file of magic-cta-pipe holds: the forests of one combination of telescopes."""

    path: Path
    """The packed file."""
    features: tuple[str, ...]
    unsigned: bool
    """Whether the forests were trained with the features without their signs."""
    kinds: dict[int, str]
    """Telescope -> ``regressor`` or ``classifier``."""
    places: dict[int, list[tuple[int, int, Any]]]
    """Telescope -> where each of its arrays begins in the file, its length (both in bytes) and its type."""

    def forest(self, tel_id: int) -> Forest:
        """Map the forest of a telescope into memory, until nothing refers to it: all of them are more than fits."""
        places = self.places[tel_id]
        begin, end = places[0][0], sum(places[-1][:2])
        content = np.memmap(self.path, np.uint8, mode="r", offset=begin, shape=(end - begin,))
        arrays = (content[place - begin : place - begin + size].view(_dtype(kind)) for place, size, kind in places)
        return Forest(self.kinds[tel_id], *arrays)


@jit
def _find_leaves(
    features: npt.NDArray[np.float32],
    nodes: npt.NDArray[np.void],
    values: Floats,
    first_node: Integers,
    first_leaf: Integers,
    found: Floats,
) -> None:
    """Put the value of the leaf that each event ends in into `found`, of shape (n_trees, n_events).

    Some events descend a tree at once, one step of each in turn: the next node is mostly not in the cache, and the
    processor waits for several of them together.
    """
    # Only unsigned numbers, with which numba need not ask whether an index counts from the end.
    one, feature_bits, feature_mask = np.uint64(1), np.uint64(FEATURE_BITS), np.uint64(FEATURES_AT_MOST)
    n_events, at_once = np.uint64(len(features)), np.uint64(AT_ONCE)
    events, places = np.empty(AT_ONCE, np.uint64), np.empty(AT_ONCE, np.uint64)
    for tree in range(len(first_node) - 1):
        begin, leaf = np.uint64(first_node[tree]), np.uint64(first_leaf[tree])
        n_descending = min(at_once, n_events)
        for j in range(n_descending):
            events[j], places[j] = j, begin
        next_event = n_descending
        while n_descending > np.uint64(0):
            i = np.uint64(0)
            while i < n_descending:
                place = places[i]
                node = nodes[place]
                word = np.uint64(node.word)
                feature, link = word & feature_mask, word >> feature_bits
                if feature > np.uint64(0):
                    is_right = features[events[i], feature - one] > node.threshold
                    places[i] = begin + link if is_right else place + one
                    i += one
                    continue
                found[tree, events[i]] = values[leaf + link]
                if next_event < n_events:
                    events[i], places[i] = next_event, begin
                    next_event += one
                else:
                    n_descending -= one
                    events[i], places[i] = events[n_descending], places[n_descending]


@jit
def _moments(found: Floats, mean: Floats, variance: Floats) -> None:
    """Put mean and variance over the trees into the last two arrays, summing the trees in their order."""
    n_trees, n_events = found.shape
    mean[:] = 0.0
    variance[:] = 0.0
    for tree in range(n_trees):
        for event in range(n_events):
            mean[event] += found[tree, event]
    for event in range(n_events):
        mean[event] /= n_trees
    for tree in range(n_trees):
        for event in range(n_events):
            difference = found[tree, event] - mean[event]
            variance[event] += difference * difference
    for event in range(n_events):
        variance[event] /= n_trees


def compile_all() -> None:
    """Compile every function of this module."""
    arrays = np.zeros(1, NODE), np.zeros(1), np.array([0, 1]), np.array([0, 1])
    for array in arrays:
        array.flags.writeable = False  # as those that are mapped
    for n_events in (1, 2):
        Forest("regressor", *arrays).predict(np.zeros((n_events, 1), np.float32))


def _dtype(kind: Any) -> np.dtype[Any]:
    return np.dtype([(name, base) for name, base in kind] if isinstance(kind, list) else kind)
