"""Stereo parameters -> DL2 with packed forests, as ``lst1_magic_dl1_stereo_to_dl2`` of magic-cta-pipe 0.6.2."""

from __future__ import annotations

import glob
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tables

from stereo_tasks.kernels import forest_files, forests
from stereo_tasks.kernels.disp import candidates, closest
from stereo_tasks.kernels.errors import NotCovered
from stereo_tasks.kernels.images import COMBINATIONS, INDEX, Floats, Images, Rows, first_images, stereo_events

log = logging.getLogger(__name__)

EVENTS = "/events/parameters"
SIMULATION = "/simulation/config"
LAYOUT = "/configuration/instrument/subarray/layout"
OPTICS = "/configuration/instrument/telescope/optics"
CAMERAS = "/configuration/instrument/telescope/camera"

CTAPIPE = "0.25.1"
"""The version that wrote the telescopes' descriptions: only then are they copied as they are."""

ROWS_A_BLOCK = 65_536

_MADE = (
    "reco_energy", "reco_energy_var", "reco_disp", "reco_disp_var", "reco_alt", "reco_az", "disp_diff_sum",
    "disp_diff_mean", "gammaness", "gammaness_var",
)  # fmt: skip


_IN_CAMERA = ("x", "y", "psi", "reco_disp", "pointing_alt", "pointing_az")
"""What the candidates for the direction are made of."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the three kinds of forests."""

    name: str
    model: str
    column: str
    files: str
    variable: str
    """What the tool calls it: its name is in the error that it ends with if there is none."""


KINDS = (
    Kind("energy", "regressor", "reco_energy", "energy_regressors", "energy_regressor"),
    Kind("disp", "regressor", "reco_disp", "disp_regressors", "disp_regressor"),
    Kind("classifier", "classifier", "gammaness", "event_classifiers", "event_classifier"),
)


def dl1_stereo_to_dl2(input_file_dl1: str, input_dir_rfs: str, output_dir: str) -> None:
    """Apply packed forests to the images of stereo events.

    Parameters
    ----------
    input_file_dl1 : str
        File of stereo parameters.
    input_dir_rfs : str
        Folder of the joblib files of the forests, or of links to them; the packed ones lie beside the files.
    output_dir : str
        Folder for the DL2 file.

    Raises
    ------
    NotCovered
        Before anything is written: if magic-cta-pipe's own tool must do it.
    UnboundLocalError
        If a kind of forest is missing.
    """
    source = Path(input_file_dl1)
    target = Path(output_dir) / source.name.replace("dl1_stereo", "dl2")
    with tables.open_file(str(source)) as file:
        if target.exists() and target.samefile(source):
            raise NotCovered(f"{target} would take the place of its input")
        _check_telescopes(file)
        focal_lengths_m = _focal_lengths_m(file)
        images = stereo_events(_read(file))
        reconstruct(images, _read_forests(input_dir_rfs), focal_lengths_m)
        _add_timestamp(images)
        simulation = _read_simulation(file) if "true_energy" in images.names else None
        Path(output_dir).mkdir(exist_ok=True, parents=True)
        _write(target, images, file, simulation)
    log.info("%s: %d images", target, len(images))


def reconstruct(images: Images, models: dict[str, list[forests.Forests]], focal_lengths_m: dict[int, float]) -> None:
    """Add energies, directions and gammaness."""
    for kind in KINDS:
        if not models[kind.name]:
            raise UnboundLocalError(
                f"cannot access local variable '{kind.variable}' where it is not associated with a value"
            )
        for model in models[kind.name]:
            _apply(images, kind, model)
        if kind.name == "disp":
            _add_directions(images, focal_lengths_m)


# --- reading ---------------------------------------------------------------------------------------------------------


def _read(file: tables.File) -> npt.NDArray[np.void]:
    if EVENTS not in file:
        raise NotCovered(f"{file.filename} has no {EVENTS}")
    table = file.get_node(EVENTS)
    if unknown := [name for name in table.colnames if table.dtype[name].kind not in "biuf" or table.dtype[name].shape]:
        raise NotCovered(f"columns that are no numbers: {', '.join(unknown)}")
    if wrong := [name for name in INDEX if table.dtype.fields.get(name, (None,))[0] != np.int64]:
        raise NotCovered(f"columns that are not there as int64: {', '.join(wrong)}")
    if there := [name for name in _MADE if name in table.colnames]:
        raise NotCovered(f"columns that DL2 adds are there already: {', '.join(there)}")
    rows: npt.NDArray[np.void] = table.read()
    return rows


def _check_telescopes(file: tables.File) -> None:
    """Refuse descriptions that ctapipe would write in another form than that in which it read them."""
    for path in (LAYOUT, OPTICS):
        if path not in file:
            raise NotCovered(f"{file.filename} has no {path}")
        attributes = file.get_node(path)._v_attrs
        if (version := getattr(attributes, "SOFT_VER", "unknown")) != CTAPIPE:
            raise NotCovered(f"telescopes described by ctapipe {version}, not {CTAPIPE}")
    layout, optics = file.get_node(LAYOUT).read(), file.get_node(OPTICS).read()
    n_cameras = len(np.unique(layout["camera_index"]))
    cameras = {f"{CAMERAS}/{part}_{i}" for part in ("geometry", "readout") for i in range(n_cameras)}
    if {node._v_pathname for node in file.walk_nodes("/configuration", "Leaf")} != {LAYOUT, OPTICS} | cameras:
        raise NotCovered("other nodes in /configuration than the descriptions of telescopes")
    # Each is there once, is used, and stands in the order of the names.
    for index, names in (
        ("camera_index", [file.get_node(f"{CAMERAS}/geometry_{i}")._v_attrs.CAM_ID for i in range(n_cameras)]),
        ("optics_index", optics["optics_name"].tolist()),
    ):
        if names != sorted(set(names)) or set(layout[index].tolist()) != set(range(len(names))):
            raise NotCovered("cameras or optics that are not used, or have the same name")


def _focal_lengths_m(file: tables.File) -> dict[int, float]:
    """Return the effective focal length of each telescope."""
    layout, optics = file.get_node(LAYOUT).read(), file.get_node(OPTICS).read()
    focal = optics["effective_focal_length"][layout["optics_index"]]
    for camera in np.unique(layout["camera_index"]):
        # ctapipe gives telescopes that share a camera the focal length of the last of them.
        if len(np.unique(focal[layout["camera_index"] == camera])) != 1:
            raise NotCovered("telescopes of the same camera with other focal lengths, or without one")
    return dict(zip(layout["tel_id"].tolist(), focal.tolist(), strict=True))


def _read_simulation(file: tables.File) -> npt.NDArray[np.void]:
    if SIMULATION not in file:
        raise NotCovered(f"{file.filename} has no {SIMULATION}")
    rows: npt.NDArray[np.void] = file.get_node(SIMULATION).read()
    if any(rows.dtype[name].kind not in "biuf" or rows.dtype[name].shape for name in rows.dtype.names or ()):
        raise NotCovered(f"columns of {SIMULATION} that are no numbers")
    return rows


def _read_forests(folder: str) -> dict[str, list[forests.Forests]]:
    """Return the forests of each kind, in the order in which they are applied."""
    models: dict[str, list[forests.Forests]] = {}
    for kind in KINDS:
        paths = [Path(name) for name in sorted(glob.glob(f"{folder}/{kind.files}_*.joblib"))]  # noqa: PTH207
        models[kind.name] = [forest_files.load(path) for path in paths]
        if not paths:
            # What comes after it does not matter.
            return models | {later.name: [] for later in KINDS[KINDS.index(kind) :]}
        for model in models[kind.name]:
            if tuple(model.kinds) not in COMBINATIONS:
                raise NotCovered(f"{model.path.name} is for telescopes {', '.join(map(str, model.kinds))}")
            if set(model.kinds.values()) != {kind.model}:
                raise NotCovered(f"{model.path.name} does not hold a {kind.model} for each telescope")
    return models


# --- computing -------------------------------------------------------------------------------------------------------


def _apply(images: Images, kind: Kind, model: forests.Forests) -> None:
    """Apply the forests of one combination of telescopes to its images that have all features."""
    columns = [name for name in images.names if name not in INDEX]
    if missing := [name for name in model.features if name not in columns]:
        raise NotCovered(f"{model.path.name} needs columns that are not there: {', '.join(missing)}")
    combo_type = COMBINATIONS.index(tuple(model.kinds))
    for tel_id in model.kinds:
        rows = np.flatnonzero((images["combo_type"] == combo_type) & (images["tel_id"] == tel_id))
        features, known = _features(images, model, rows)
        if not len(features):
            continue
        if not np.isfinite(features).all():
            raise NotCovered(f"a feature for {model.path.name} is not finite as float32, which scikit-learn refuses")
        estimate, variance = model.forest(tel_id).predict(features)
        if kind.name == "energy":
            estimate = 10**estimate
        elif kind.name == "classifier":
            variance = _binomial_variance(estimate)
        images.put(kind.column, rows[known], estimate)
        images.put(f"{kind.column}_var", rows[known], variance)


def _features(images: Images, model: forests.Forests, rows: Rows) -> tuple[npt.NDArray[np.float32], npt.NDArray[Any]]:
    """Return the features, shape (n_known, n_features), of those rows that have all, and which of the rows do."""
    columns = [images[name] for name in model.features]
    if any(column.dtype.kind not in "iuf" for column in columns):
        raise NotCovered("features that are no numbers")
    common = np.result_type(*columns)
    values = np.stack([column[rows].astype(common) for column in columns], axis=1)
    known = ~np.isnan(values).any(axis=1)
    values = values[known]
    if model.unsigned:
        values = np.abs(values)
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, dtype=np.float32), known


def _binomial_variance(gammaness: Floats) -> Floats:
    """Return the variance that magic-cta-pipe gives a gammaness; never 0, as its inverse is a weight."""
    variance = gammaness * (1 - gammaness)
    variance[gammaness == 1] = 0.99 * (1 - 0.99)
    variance[gammaness == 0] = 0.01 * (1 - 0.01)
    return variance


def _add_directions(images: Images, focal_lengths_m: dict[int, float]) -> None:
    if "reco_disp" not in images.names:
        raise NotCovered("no image has all the features that the forests need")
    if other := [name for name in _IN_CAMERA if name not in images.names or images[name].dtype != np.float64]:
        raise NotCovered(f"columns that are not there as float64: {', '.join(other)}")
    if lost := set(np.unique(images["tel_id"]).tolist()) - set(focal_lengths_m):
        raise NotCovered(f"telescopes that are not described: {', '.join(map(str, sorted(lost)))}")
    focal_of_telescope_m = np.array([focal_lengths_m.get(tel_id, np.nan) for tel_id in range(4)])
    for begin, end in _blocks(images):
        block = slice(begin, end)
        combo_type = images["combo_type"][block]
        x_m, y_m, psi, disp, alt_rad, az_rad = (np.ascontiguousarray(images[name][block]) for name in _IN_CAMERA)
        focal_m = focal_of_telescope_m[images["tel_id"][block]]
        alt_deg, az_deg = candidates(x_m, y_m, psi, disp, alt_rad, az_rad, focal_m)
        for number, telescopes in enumerate(COMBINATIONS):
            rows = np.flatnonzero(combo_type == number).reshape(-1, len(telescopes)).T
            flips, distance_deg = closest(alt_deg[:, rows], az_deg[:, rows])
            mean_deg = distance_deg / len(list(_pairs(telescopes)))
            for rows_of_telescope, flip in zip(rows, flips, strict=True):
                there = begin + rows_of_telescope
                images.put("reco_alt", there, alt_deg[flip, rows_of_telescope])
                images.put("reco_az", there, az_deg[flip, rows_of_telescope])
                images.put("disp_diff_sum", there, distance_deg)
                images.put("disp_diff_mean", there, mean_deg)


def _pairs(telescopes: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    return ((one, other) for one in telescopes for other in telescopes if one < other)


def _blocks(images: Images) -> Iterator[tuple[int, int]]:
    """Cut the images into blocks of whole events."""
    firsts = np.flatnonzero(first_images(images.rows))
    begin = 0
    while begin < len(images):
        later = firsts[firsts >= begin + ROWS_A_BLOCK]
        end = int(later[0]) if len(later) else len(images)
        yield begin, end
        begin = end


def _add_timestamp(images: Images) -> None:
    """Replace seconds and nanoseconds, which files of MAGIC alone have, by their sum."""
    if "time_sec" not in images.names:
        return
    if "timestamp" in images.names:
        raise NotCovered("both timestamp and time_sec are there")
    seconds, nanoseconds = (images[name].astype(np.float64) for name in ("time_sec", "time_nanosec"))
    images.made["timestamp"] = seconds + nanoseconds * 1e-09


# --- writing ---------------------------------------------------------------------------------------------------------


def _write(target: Path, images: Images, source: tables.File, simulation: npt.NDArray[np.void] | None) -> None:
    dropped = {"time_sec", "time_nanosec"} if "time_sec" in images.names else set()
    names = [*INDEX, *(name for name in images.names if name not in INDEX and name not in dropped)]
    kind = np.dtype([(name, images[name].dtype) for name in names])
    with tables.open_file(str(target), mode="w") as file:
        table = file.create_table("/events", "parameters", description=kind, createparents=True)
        for begin in range(0, len(images), ROWS_A_BLOCK):
            block = slice(begin, begin + ROWS_A_BLOCK)
            rows = np.empty(len(images.rows[block]), kind)
            for name in names:
                rows[name] = images[name][block]
            table.append(_through_pandas(rows))
        source.copy_node("/configuration", newparent=file.root, recursive=True)
        if simulation is not None:
            file.create_table("/simulation", "config", obj=_through_pandas(simulation), createparents=True)


def _through_pandas(rows: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """Round as magic-cta-pipe does: it takes rows out of one array, whose type is that of all columns together.

    With a column of truth values these are Python's own objects, and nothing is lost.
    """
    kinds = [rows.dtype[name] for name in rows.dtype.names or ()]
    if any(kind.kind == "b" for kind in kinds):
        return rows
    common = np.result_type(*kinds)
    for name in rows.dtype.names or ():
        if rows.dtype[name].kind in "iu":
            rows[name] = rows[name].astype(common)
    return rows
