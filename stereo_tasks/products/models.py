"""Random forests and IRFs as they lie on the file system."""

from __future__ import annotations

import math
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from stereo_tasks.products.record import RECORD_SUFFIX
from stereo_tasks.products.tree import MonteCarloTree

Key = TypeVar("Key")
_POINTING = re.compile(r"zd_(?P<zd>[0-9.]+)deg_az_(?P<az>[0-9.]+)deg")
FOREST_KINDS = ("energy_regressors", "disp_regressors", "event_classifiers")
PACKED_SUFFIX = ".packed"
"""Of the packed forests beside a joblib file; see `stereo_tasks.kernels.forest_files`."""
TEST_SAMPLES = ("GammaTest",)
SAMPLES = ("GammaTrain", "ProtonTrain", *TEST_SAMPLES)
"""Folders of the Monte Carlo's DL1; of the test sample, IRFs are made with forests that are there."""
COMBINATIONS = ("LST1_M1", "LST1_M1_M2", "LST1_M2", "M1_M2")


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A forest or IRF file as it was found."""

    path: Path
    size_bytes: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class IrfNode:
    """The IRF file of one pointing of the Monte Carlo."""

    file: ModelFile
    zenith_deg: float
    azimuth_deg: float


@dataclass(frozen=True, slots=True)
class Models:
    """What a night needs of the Monte Carlo, as far as it is there."""

    forests_folder: Path
    irf_folder: Path
    forests: tuple[ModelFile, ...]
    irfs: tuple[IrfNode, ...]
    can_be_made: bool = False
    """Whether the Monte Carlo DL1 is there of which to make what lacks."""
    unfinished: tuple[str, ...] = ()
    """Forests and IRFs of ours that are still to come: others of the same set are there."""

    @property
    def missing_forests(self) -> tuple[str, ...]:
        """Kinds of forests of which there is no file."""
        return tuple(kind for kind in FOREST_KINDS if not any(file.path.name.startswith(kind) for file in self.forests))

    @property
    def complete(self) -> bool:
        """Whether nothing lacks."""
        return bool(self.irfs) and not self.missing_forests and not self.unfinished

    @property
    def unpacked(self) -> tuple[Path, ...]:
        """Forests that are not packed."""
        return tuple(file.path for file in self.forests if not file.path.resolve().with_suffix(PACKED_SUFFIX).exists())

    @property
    def open_to_all(self) -> tuple[Path, ...]:
        """Forests, and folders above them, that every user may write: reading a forest runs code that is in it."""
        files = {file.path.resolve() for file in self.forests}
        places = files.union(*(path.parents for path in files))
        return tuple(sorted(path for path in places if _is_open(path.stat().st_mode)))

    @property
    def zenith_range_deg(self) -> tuple[float, float]:
        """Smallest and largest zenith of the IRF nodes."""
        zeniths = [node.zenith_deg for node in self.irfs]
        return min(zeniths, default=math.nan), max(zeniths, default=math.nan)


def pointing_of(name: str) -> tuple[str, float, float] | None:
    """Read the node out of a Monte Carlo file's name.

    Returns
    -------
    tuple of (str, float, float) or None
        The node's text (``zd_24.0deg_az_100.0deg``), its zenith and azimuth in deg.
    """
    match = _POINTING.search(name)
    return (match[0], float(match["zd"]), float(match["az"])) if match else None


def find_models(forests_folder: Path, irf_folder: Path) -> Models:
    """List the forests and IRFs of two folders; a missing folder is an empty one."""
    irfs = []
    for file in _files(irf_folder, "irf_*.fits.gz"):
        if node := pointing_of(file.path.name):
            irfs.append(IrfNode(file, node[1], node[2]))
    return Models(forests_folder, irf_folder, _files(forests_folder, "*.joblib"), tuple(irfs))


def given_forests(tree: MonteCarloTree) -> tuple[ModelFile, ...]:
    """Return the forests of a place that are no products of ours, if they are complete; they are taken as they are."""
    found = find_models(tree.forests_folder, tree.irf_folder)
    return () if found.missing_forests or _are_ours(found.forests) else found.forests


def find_all(trees: Mapping[Key, MonteCarloTree], *, high_density: bool = False) -> dict[Key, Models]:
    """List the forests and IRFs of several places of Monte Carlo.

    Parameters
    ----------
    trees : mapping of any to MonteCarloTree
        Such as those of a night by their NSB level.
    high_density : bool, optional
        Take the high-density variant of the declination line where it is, see `variant`.
    """
    return {key: _found(variant(tree, high_density=high_density)) for key, tree in trees.items()}


def variant(tree: MonteCarloTree, *, high_density: bool) -> MonteCarloTree:
    """Return the high-density variant of a place, if it is asked for and has forests, or what to make them of."""
    dense = tree.high_density
    there = high_density and (any(dense.forests_folder.glob("*.joblib")) or _has_samples(dense, SAMPLES))
    return dense if there else tree


def _found(tree: MonteCarloTree) -> Models:
    found = find_models(tree.forests_folder, tree.irf_folder)
    found = replace(found, unfinished=(*_unfinished_forests(found), *_unfinished_irfs(found, tree)))
    if found.complete:
        return found
    needed = TEST_SAMPLES if given_forests(tree) else SAMPLES
    return replace(found, can_be_made=_has_samples(tree, needed))


def _unfinished_forests(found: Models) -> list[str]:
    """Name the forests that are still to come; we make those of all combinations of telescopes."""
    names = {file.path.name for file in found.forests}
    expected = [f"{kind}_{combination}.joblib" for kind in FOREST_KINDS for combination in COMBINATIONS]
    return [name for name in expected if name not in names] if _are_ours(found.forests) else []


def _unfinished_irfs(found: Models, tree: MonteCarloTree) -> list[str]:
    """Name the nodes whose IRFs are still to come; we make those of all nodes of the test gammas."""
    if not _are_ours([node.file for node in found.irfs]):
        return []
    nodes = {pointing_of(path.name) for path in tree.dl1_folder("GammaTest").glob("dl1_*.h5")}
    there = {(node.zenith_deg, node.azimuth_deg) for node in found.irfs}
    return sorted(f"irf_{node[0]}" for node in nodes if node and node[1:] not in there)


def _are_ours(files: Iterable[ModelFile]) -> bool:
    return any(Path(f"{file.path}{RECORD_SUFFIX}").exists() for file in files)


def _has_samples(tree: MonteCarloTree, samples: Sequence[str]) -> bool:
    return all(any(tree.dl1_folder(sample).glob("dl1_*.h5")) for sample in samples)


def _files(folder: Path, pattern: str) -> tuple[ModelFile, ...]:
    found = []
    for path in sorted(folder.glob(pattern)):
        status = path.stat()
        found.append(ModelFile(path, status.st_size, status.st_mtime_ns))
    return tuple(found)


def _is_open(mode: int) -> bool:
    # In a sticky folder, as /tmp, nobody can replace what another one owns.
    return bool(mode & stat.S_IWOTH) and not (stat.S_ISDIR(mode) and mode & stat.S_ISVTX)
