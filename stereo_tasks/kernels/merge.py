"""Files of one kind -> one file: magic-cta-pipe's ``merge_hdf_files``, byte by byte.

Tables are written by the same calls of PyTables. The description of the subarray is copied, where magic-cta-pipe has
ctapipe read and write it.
"""

from __future__ import annotations

import glob
import re
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import tables

from stereo_tasks.kernels.coverage import SHOWN_EQUAL
from stereo_tasks.kernels.errors import NotCovered

EVENTS = "/events/parameters"
_IMAGES = "/events/dl1/image"
_SIMULATION = "/simulation/config"
_LAYOUT = "/configuration/instrument/subarray/layout"
_OPTICS = "/configuration/instrument/telescope/optics"
_CAMERAS = "/configuration/instrument/telescope/camera"

(CTAPIPE_VERSION,) = SHOWN_EQUAL["ctapipe"]
_LAYOUT_VERSION, _OPTICS_VERSION = "2.0", "4.0"
"""What wrote the description of the subarray: another version might write it anew in another way."""

_RUN = re.compile(r"(\S+run)(\d+)\.h5", re.IGNORECASE)
_SUBRUN = re.compile(r"(\S+run)(\d+)\.(\d+)\.h5", re.IGNORECASE)
_RUNS = re.compile(r"(\S+run)(\d+)_to_(\d+)\.h5", re.IGNORECASE)
_BOTH_SUBRUNS = re.compile(r"dl1_MAGIC\.Run(\d+)\.(\d+)_LST-1\.Run(\d+)\.(\d+)\.h5", re.IGNORECASE)


class _Name(NamedTuple):
    """What the name of a file says; runs and subrun as texts, zeros in front included."""

    kind: str
    runs: tuple[str, ...]
    subrun: str | None = None


def merge_hdf_files(
    input_dir: str, output_dir: str | None = None, run_wise: bool = False, subrun_wise: bool = False
) -> None:
    """Merge the HDF5 files of a folder; the arguments are magic-cta-pipe's.

    Parameters
    ----------
    input_dir : str
        Folder of the files, all of one kind, or DL1 files of both MAGIC telescopes.
    output_dir : str, optional
        Folder of the products; by default ``merged`` in the folder of the files.
    run_wise : bool
        One product for each run.
    subrun_wise : bool
        One product for each subrun that several files have; overrules `run_wise`.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    RuntimeError
        If there are several kinds of files.
    NotCovered
        Before anything is written, if a file has no events or an unknown layout.
    """
    paths = _found(f"{input_dir}/*.h5")
    if not paths:
        raise FileNotFoundError("Could not find any HDF files in the input directory.")
    names = [name for path in paths if (name := _parse(Path(path).name))]
    kind = _common_kind(names)
    folder = f"{input_dir}/merged" if output_dir is None else output_dir
    if subrun_wise:
        products = _by_subrun(names)
    elif run_wise:
        products = {run: f"*Run{run}.*h5" for run in _runs(names)}
    else:
        products = {_span(_runs(names)): "*.h5"}
    inputs = {f"{folder}/{kind}{label}.h5": _found(f"{input_dir}/{mask}") for label, mask in products.items()}
    for path in sorted({path for some in inputs.values() for path in some}):
        _check(path)
    if not all(inputs.values()):
        raise NotCovered("the names of the files do not tell their runs")
    Path(folder).mkdir(parents=True, exist_ok=True)
    for product, some in inputs.items():
        _write(product, some)


def _found(mask: str) -> list[str]:
    return sorted(glob.glob(mask))  # noqa: PTH207 - as magic-cta-pipe looks: no hidden files


def _parse(name: str) -> _Name | None:
    """Read a file's name; None if it tells nothing, as magic-cta-pipe passes over it."""
    if found := _RUN.fullmatch(name):
        return _Name(found[1], (found[2],))
    if found := _BOTH_SUBRUNS.fullmatch(name):
        return _Name("dl1_MAGIC_LST-1.Run", (found[1],), found[2])
    if found := _SUBRUN.fullmatch(name):
        return _Name(found[1], (found[2],), found[3])
    if found := _RUNS.fullmatch(name):
        return _Name(found[1], (found[2], found[3]))
    return None


def _common_kind(names: list[_Name]) -> str:
    kinds = sorted({name.kind for name in names})
    if len(kinds) == 1:
        return kinds[0]
    if kinds == ["dl1_M1.Run", "dl1_M2.Run"]:
        return "dl1_MAGIC.Run"
    raise RuntimeError("Multiple types of files are found in the input directory.")


def _runs(names: list[_Name]) -> list[str]:
    return sorted({run for name in names for run in name.runs})


def _by_subrun(names: list[_Name]) -> dict[str, str]:
    """Return label and mask of the subruns that more than one file has."""
    if any(name.subrun is None or len(name.runs) > 1 for name in names):
        raise NotCovered("subrun_wise, and a file of whole runs")
    times = Counter((name.runs[0], str(name.subrun)) for name in names)
    return {f"{run}.{subrun}": f"*Run{run}.{subrun}.h5" for (run, subrun), n in sorted(times.items()) if n > 1}


def _span(runs: list[str]) -> str:
    if len(runs) == 1:
        return runs[0]
    first, last = str(min(map(int, runs))), str(max(map(int, runs)))
    lengths = {len(run) for run in runs}
    if len(lengths) == 1:
        (length,) = lengths
        first, last = first.zfill(length), last.zfill(length)
    return f"{first}_to_{last}"


def _check(path: str) -> None:
    """Refuse a file that magic-cta-pipe would stop at, or whose description of the subarray might change."""
    name = Path(path).name
    try:
        with tables.open_file(path) as file:
            if EVENTS not in file.root:
                raise NotCovered(f"{name} has no table of events")
            for node, version in ((_LAYOUT, _LAYOUT_VERSION), (_OPTICS, _OPTICS_VERSION)):
                attributes = file.get_node(node).attrs
                if attributes.SOFT_VER != CTAPIPE_VERSION or version != attributes.TAB_VER:
                    raise NotCovered(f"{name}: subarray of another version of ctapipe")
            layout = file.get_node(_LAYOUT).attrs
            if layout["name"] != layout["SUBARRAY"]:
                raise NotCovered(f"{name}: a subarray of two names")
    except (OSError, AttributeError, tables.NoSuchNodeError, tables.HDF5ExtError) as error:
        raise NotCovered(f"{name} cannot be read: {type(error).__name__}") from error


def _write(product: str, paths: list[str]) -> None:
    with tables.open_file(product, "w") as out:
        with tables.open_file(paths[0]) as first:
            _start(out, first, EVENTS)
            if "simulation" in first.root:
                _start(out, first, _SIMULATION)
            if _IMAGES in first.root:
                _start(out, first, _IMAGES)
        for path in paths[1:]:
            with tables.open_file(path) as other:
                _continue(out, other, EVENTS)
                if _IMAGES in other.root:
                    _continue(out, other, _IMAGES)
        with tables.open_file(paths[0]) as first:
            _copy_subarray(out, first)


def _start(out: tables.File, source: tables.File, path: str) -> None:
    """Write a table that others are appended to; without filters and titles, as magic-cta-pipe."""
    parent, name = path.rsplit("/", 1)
    table = source.get_node(path)
    made = out.create_table(parent, name, createparents=True, obj=table.read())
    for attribute in table.attrs._f_list():
        made.attrs[attribute] = table.attrs[attribute]


def _continue(out: tables.File, source: tables.File, path: str) -> None:
    out.get_node(path).append(source.get_node(path).read())


def _copy_subarray(out: tables.File, source: tables.File) -> None:
    """Copy the description of the subarray table by table: groups would bring their filters along."""
    tables_of_cameras = [node._v_pathname for node in source.iter_nodes(_CAMERAS)]
    for path in (_LAYOUT, _OPTICS, *tables_of_cameras):
        parent, name = path.rsplit("/", 1)
        table: Any = source.get_node(path)
        table._f_copy(_group(out, parent), name)


def _group(out: tables.File, path: str) -> Any:
    if path not in out.root:
        parent, name = path.rsplit("/", 1)
        out.create_group(parent or "/", name, createparents=True)
    return out.get_node(path)
