"""Random forests as arrays that are mapped into memory: packed once from joblib files, applied without scikit-learn.

A packed file lies beside its joblib file. It holds one header in JSON and, for each telescope, the nodes of all trees
and the values of all leaves. Nodes of a tree are in preorder: the left child of a node is the next one.
Predictions equal those of scikit-learn with ``n_jobs=1`` bit by bit: scikit-learn compares features as float32 with
thresholds as float64, so that a threshold may be rounded down to float32; and the trees are summed in their order.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from stereo_tasks.kernels.compile import jit
from stereo_tasks.kernels.errors import NotCovered

if TYPE_CHECKING:
    from sklearn.ensemble import BaseEnsemble
    from sklearn.tree._tree import Tree

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

VERSION = 1
"""Raised when packed files have another format: older ones are then refused, and packed anew."""

SUFFIX = ".packed"

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

_MAGIC = b"stereo forests\n"
_ALIGNMENT = 64
_CLASSES = {"RandomForestRegressor": "regressor", "RandomForestClassifier": "classifier"}


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


def packed_path(path: Path) -> Path:
    """Return where the packed forests of a joblib file lie: beside the file itself, if `path` is a link to it."""
    return path.resolve().with_suffix(SUFFIX)


def pack(path: Path, target: Path | None = None) -> Path:
    """Pack the forests of a joblib file.

    Parameters
    ----------
    path : pathlib.Path
        File that ``lst1_magic_train_rfs`` wrote. It is unpickled: only for files from where forests come from.
    target : pathlib.Path, optional
        The packed file; beside the file itself if not given.

    Returns
    -------
    pathlib.Path
        The packed file. It is written under another name and renamed when it is complete; for the same joblib file it
        is always the same.

    Raises
    ------
    NotCovered
        If the file holds something else than random forests with one output.
    """
    import joblib

    source = path.resolve()
    # Before it is read: if it changes meanwhile, the packed file is refused.
    status = source.stat()
    content = joblib.load(source)
    features = [str(name) for name in content["features"]]
    forests = {int(tel_id): _packed_forest(model, len(features)) for tel_id, model in content["telescope_rfs"].items()}
    header = {
        "version": VERSION,
        "source": {"bytes": status.st_size, "modified_ns": status.st_mtime_ns, "sha256": _sha256(source)},
        "features": features,
        "unsigned": bool(content["use_unsigned_features"]),
        "kinds": {tel_id: forest.kind for tel_id, forest in forests.items()},
    }
    target = target or packed_path(path)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".tmp-{target.name}-", delete=False) as file:
        try:
            _write(file, header, list(forests.values()))
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).chmod(source.stat().st_mode & 0o666)
            Path(file.name).replace(target)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    return target


def load(path: Path) -> Forests:
    """Map the packed forests of a joblib file into memory.

    Parameters
    ----------
    path : pathlib.Path
        The joblib file.

    Raises
    ------
    NotCovered
        If it is not packed, or has changed since.
    """
    source, packed = path.resolve(), packed_path(path)
    try:
        header = _read_header(packed)
    except FileNotFoundError:
        raise NotCovered(f"no packed forests beside {source}: run 'stereo prepare-mc'") from None
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise NotCovered(f"{packed} holds no packed forests ({error}): run 'stereo prepare-mc'") from None
    _check_source(header["source"], source)
    # The order of the telescopes matters, and JSON keeps it.
    kinds = {int(tel_id): kind for tel_id, kind in header["kinds"].items()}
    places = dict(zip(kinds, header["places"], strict=True))
    return Forests(packed, tuple(header["features"]), header["unsigned"], kinds, places)


def compile_all() -> None:
    """Compile every function of this module."""
    arrays = np.zeros(1, NODE), np.zeros(1), np.array([0, 1]), np.array([0, 1])
    for array in arrays:
        array.flags.writeable = False  # as those that are mapped
    for n_events in (1, 2):
        Forest("regressor", *arrays).predict(np.zeros((n_events, 1), np.float32))


def _packed_forest(model: BaseEnsemble, n_features: int) -> Forest:
    kind = _CLASSES.get(type(model).__name__)
    if kind is None:
        raise NotCovered(f"a {type(model).__name__} is no random forest of scikit-learn")
    if model.n_outputs_ != 1 or model.n_features_in_ != n_features:
        raise NotCovered(f"forests of {model.n_outputs_} outputs and {model.n_features_in_} of {n_features} features")
    most = max(estimator.tree_.node_count for estimator in model.estimators_)
    if n_features > FEATURES_AT_MOST or most > NODES_AT_MOST:
        raise NotCovered(f"forests of {n_features} features and trees of up to {most} nodes")
    trees = [_packed_tree(estimator.tree_) for estimator in model.estimators_]
    nodes, values = (np.concatenate(arrays) for arrays in zip(*trees, strict=True))
    first_node, first_leaf = (
        np.concatenate([[0], np.cumsum([len(array) for array in arrays])]).astype(np.int64)
        for arrays in zip(*trees, strict=True)
    )
    return Forest(kind, nodes, values, first_node, first_leaf)


def _packed_tree(tree: Tree) -> tuple[npt.NDArray[np.void], Floats]:
    left, right = tree.children_left, tree.children_right
    order = _preorder(left, right)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    leaf = (left < 0)[order]
    feature = np.where(leaf, 0, tree.feature[order] + 1)
    link = np.where(leaf, np.cumsum(leaf) - 1, place[right[order]])
    nodes = np.empty(len(order), NODE)
    nodes["threshold"] = np.where(leaf, np.float32(0), _rounded_down(tree.threshold[order]))
    nodes["word"] = (link << FEATURE_BITS) | feature
    return nodes, np.ascontiguousarray(tree.value[order[leaf], 0, 0])


@jit
def _preorder(left: Integers, right: Integers) -> Integers:
    """Return the nodes of a tree in preorder. Trees that grew by their best leaves, or were pruned, are not."""
    order = np.empty(len(left), np.int64)
    waiting = np.empty(len(left), np.int64)
    waiting[0], n_waiting, n_ordered = 0, 1, 0
    while n_waiting > 0:
        n_waiting -= 1
        node = waiting[n_waiting]
        order[n_ordered] = node
        n_ordered += 1
        if left[node] >= 0:
            waiting[n_waiting], waiting[n_waiting + 1] = right[node], left[node]
            n_waiting += 2
    return order


def _rounded_down(thresholds: Floats) -> npt.NDArray[np.float32]:
    """Return the largest float32 that is not above each threshold: no float32 lies between them."""
    rounded = thresholds.astype(np.float32)
    return np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def _write(file: IO[bytes], header: dict[str, Any], forests: list[Forest]) -> None:
    """Write magic text, length of the header (8 bytes), header, and arrays at multiples of 64 bytes after it."""
    arrays = [[forest.nodes, forest.values, forest.first_node, forest.first_leaf] for forest in forests]
    places: list[list[tuple[int, int, Any]]] = []
    end = 0
    for of_telescope in arrays:
        places.append([])
        for array in of_telescope:
            places[-1].append((end, array.nbytes, array.dtype.descr if array.dtype.names else array.dtype.str))
            end = _aligned(end + array.nbytes)
    text = json.dumps({**header, "places": places}).encode()
    file.write(_MAGIC + len(text).to_bytes(8, "little") + text)
    for array in (array for of_telescope in arrays for array in of_telescope):
        file.write(b"\0" * (_aligned(file.tell()) - file.tell()))
        file.write(array.tobytes())


def _read_header(packed: Path) -> dict[str, Any]:
    """Return the header, with places counted from the beginning of the file.

    Raises
    ------
    ValueError, KeyError
        If it is not one.
    """
    with packed.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise ValueError("it begins otherwise")
        size = int.from_bytes(file.read(8), "little")
        header: dict[str, Any] = json.loads(file.read(size))
        begin, end = _aligned(file.tell()), file.seek(0, os.SEEK_END)
    if header["version"] != VERSION:
        raise ValueError(f"version {header['version']}, not {VERSION}")
    header["places"] = [[(begin + place, size, kind) for place, size, kind in forest] for forest in header["places"]]
    if sum(header["places"][-1][-1][:2]) != end:
        raise ValueError("it is cut off")
    return header


def _dtype(kind: Any) -> np.dtype[Any]:
    return np.dtype([(name, base) for name, base in kind] if isinstance(kind, list) else kind)


def _aligned(place: int) -> int:
    return -(-place // _ALIGNMENT) * _ALIGNMENT


def _check_source(expected: dict[str, Any], source: Path) -> None:
    """Refuse forests of another joblib file; one that was only copied has another time and the same checksum."""
    status = source.stat()
    if (status.st_size, status.st_mtime_ns) == (expected["bytes"], expected["modified_ns"]):
        return
    if status.st_size != expected["bytes"] or _sha256(source) != expected["sha256"]:
        raise NotCovered(f"{source} has changed since its forests were packed: run 'stereo prepare-mc'")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
