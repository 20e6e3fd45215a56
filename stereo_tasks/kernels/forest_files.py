"""Forests packed once from joblib files, and mapped into memory.

A packed file lies beside its joblib file. It holds one header in JSON and, for each telescope, the nodes of all trees
and the values of all leaves.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from stereo_tasks.kernels.compile import jit
from stereo_tasks.kernels.errors import NotCovered
from stereo_tasks.kernels.forests import (
    FEATURE_BITS,
    FEATURES_AT_MOST,
    NODE,
    NODES_AT_MOST,
    Floats,
    Forest,
    Forests,
    Integers,
)

if TYPE_CHECKING:
    from sklearn.ensemble import BaseEnsemble
    from sklearn.tree._tree import Tree

VERSION = 1
"""Raised when packed files have another format: older ones are then refused, and packed anew."""

SUFFIX = ".packed"

_MAGIC = b"stereo forests\n"
_ALIGNMENT = 64
_CLASSES = {"RandomForestRegressor": "regressor", "RandomForestClassifier": "classifier"}


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
