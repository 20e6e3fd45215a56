"""The instrument of a DL1 file, ``/configuration/instrument``: ctapipe's ``SubarrayDescription`` as plain tables."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tables
from numpy.typing import NDArray

from stereo_tasks.kernels.errors import NotCovered

CTAPIPE_VERSION = "0.25.1"
LAYOUT = "/configuration/instrument/subarray/layout"
OPTICS = "/configuration/instrument/telescope/optics"
CAMERA = "/configuration/instrument/telescope/camera"

_LAYOUT_COLUMNS = ("tel_id", "name", "type", "pos_x", "pos_y", "pos_z", "camera_name", "optics_name", "camera_index",
                   "optics_index", "tel_description")  # fmt: skip
_OPTICS_COLUMNS = ("optics_name", "size_type", "reflector_shape", "mirror_area", "n_mirrors", "n_mirror_tiles",
                   "equivalent_focal_length", "effective_focal_length")  # fmt: skip
_GEOMETRY_COLUMNS = ("pix_id", "pix_x", "pix_y", "pix_area")
_GEOMETRY_META = ("PIX_TYPE", "TAB_TYPE", "TAB_VER", "CAM_ID", "PIX_ROT", "CAM_ROT")
_READOUT_META = ("TAB_TYPE", "TAB_VER", "CAM_ID", "NCHAN", "NPIXELS", "NSAMPLES", "SAMPFREQ", "REFWIDTH", "NSAMPLNG")
_VERSIONS = {LAYOUT: "2.0", OPTICS: "4.0", "geometry": "2.0", "readout": "3.0"}
_TEXTS = ("name", "type", "camera_name", "optics_name", "tel_description", "size_type", "reflector_shape")
_REFERENCE = ("reference_itrs_x", "reference_itrs_y", "reference_itrs_z")

_POSITIONS_M = {
    "LST-1": (-70.930, -52.070, 43.00),
    "MAGIC-I": (-23.540, -191.750, 41.25),
    "MAGIC-II": (-94.05, -143.770, 42.42),
}
"""North, west, up in m: ``telescope_positions`` of magic-cta-pipe, before the barycentre is subtracted."""

REFERENCE_ITRS_M = (5326851.018149303, -1719589.592870251, 3051820.7780909366)
"""``REFERENCE_LOCATION`` of ctapipe_io_magic, geocentric, in m."""


@dataclass(frozen=True)
class Node:
    """A table with the attributes that ctapipe gave it."""

    rows: NDArray[Any]
    attributes: dict[str, Any]

    def same(self, other: Node) -> bool:
        """Return whether both hold the same."""
        return (
            self.rows.dtype == other.rows.dtype
            and self.rows.tobytes() == other.rows.tobytes()
            and self.attributes == other.attributes
        )


@dataclass(frozen=True)
class Telescope:
    """One telescope: its row of the layout, its row of the optics, its camera."""

    layout: NDArray[Any]
    optics: NDArray[Any]
    geometry: Node
    readout: Node

    @property
    def camera_name(self) -> bytes:
        """Return the name of the camera."""
        return bytes(self.layout["camera_name"])

    @property
    def optics_name(self) -> bytes:
        """Return the name of the mirror."""
        return bytes(self.optics["optics_name"])

    @property
    def focal_length_m(self) -> float:
        """Return the effective focal length in m."""
        return float(self.optics["effective_focal_length"])

    @property
    def position_m(self) -> NDArray[np.float64]:
        """Return where the telescope stands; shape (3,): north, west, up in m."""
        return np.array([self.layout[f"pos_{axis}"] for axis in "xyz"], dtype=np.float64)


@dataclass(frozen=True)
class Instrument:
    """Telescopes by number, in their order in the file, and the place that their positions refer to."""

    name: str
    telescopes: dict[int, Telescope]
    reference_itrs_m: tuple[float, float, float]

    def same(self, other: Instrument) -> bool:
        """Return whether both describe the same to the last bit."""
        if (self.name, self.reference_itrs_m) != (other.name, other.reference_itrs_m):
            return False
        return list(self.telescopes) == list(other.telescopes) and all(
            mine.layout.tobytes() == its.layout.tobytes()
            and mine.optics.tobytes() == its.optics.tobytes()
            and mine.geometry.same(its.geometry)
            and mine.readout.same(its.readout)
            for mine, its in zip(self.telescopes.values(), other.telescopes.values(), strict=True)
        )


def read_instrument(file: tables.File) -> Instrument:
    """Return the instrument of a file.

    Raises
    ------
    NotCovered
        If ctapipe would read other values than the tables hold, or none.
    """
    where = Path(file.filename).name
    layout = _node(file, LAYOUT, _LAYOUT_COLUMNS, where)
    optics = _node(file, OPTICS, _OPTICS_COLUMNS, where)
    if missing := [key for key in _REFERENCE if key not in layout.attributes]:
        raise NotCovered(f"the instrument of {where} lacks {', '.join(missing)}")
    telescopes = {}
    for row in layout.rows:
        index = int(row["camera_index"])
        geometry, readout = _camera(file, index, where)
        telescope = Telescope(row, optics.rows[int(row["optics_index"])], geometry, readout)
        if not np.isfinite(telescope.focal_length_m):
            raise NotCovered(f"{where} has no effective focal length")
        telescopes[int(row["tel_id"])] = telescope
    if len(telescopes) != len(layout.rows):
        raise NotCovered(f"two telescopes of {where} have one number")
    x, y, z = (float(layout.attributes[key]) for key in _REFERENCE)
    return Instrument(str(layout.attributes.get("SUBARRAY", "Unknown")), telescopes, (x, y, z))


def _node(file: tables.File, path: str, columns: tuple[str, ...] | None, where: str) -> Node:
    if path not in file:
        raise NotCovered(f"{where} has no {path}")
    table = file.get_node(path)
    if columns is not None and table.dtype.names != columns:
        raise NotCovered(f"{path} of {where} has other columns than ctapipe {CTAPIPE_VERSION} writes")
    attributes = {key: table.attrs[key] for key in table.attrs._f_list("user")}
    key = path if path in _VERSIONS else path.rsplit("/", 1)[1].split("_")[0]
    if attributes.get("TAB_VER") != _VERSIONS[key]:
        raise NotCovered(f"{path} of {where} has version {attributes.get('TAB_VER')}")
    return Node(table.read(), attributes)


def _camera(file: tables.File, index: int, where: str) -> tuple[Node, Node]:
    geometry = _node(file, f"{CAMERA}/geometry_{index}", _GEOMETRY_COLUMNS, where)
    readout = _node(file, f"{CAMERA}/readout_{index}", None, where)
    if geometry.attributes.get("CAM_ROT") != 0:
        raise NotCovered(f"camera {index} of {where} is rotated")
    names = readout.rows.dtype.names or ()
    channels = tuple(f"reference_pulse_shape_channel{i}" for i in range(int(readout.attributes["NCHAN"])))
    if names != (*channels, "reference_pulse_sample_time"):
        raise NotCovered(f"the readout of camera {index} of {where} has other columns than its channels")
    # ctapipe computes the times of the reference pulse anew whenever it reads them.
    width_ns, time_ns = readout.attributes["REFWIDTH"], readout.rows["reference_pulse_sample_time"]
    if not np.array_equal(np.arange(0, len(time_ns) * width_ns, width_ns), time_ns):
        raise NotCovered(f"the reference pulse of camera {index} of {where} has other times than its width says")
    units = {"pix_x": "m", "pix_y": "m", "pix_area": "m**2"}
    return (
        _known(geometry, _GEOMETRY_META, units, f"camera {index} of {where}"),
        _known(readout, _READOUT_META, {"reference_pulse_sample_time": "ns"}, f"camera {index} of {where}"),
    )


def _known(node: Node, keys: tuple[str, ...], units: dict[str, str], where: str) -> Node:
    """Return a table with those attributes only that ctapipe reads and writes again."""
    attributes = {key: node.attributes[key] for key in keys if key in node.attributes}
    for position, column in enumerate(node.rows.dtype.names or ()):
        if column in units:
            attributes[f"CTAFIELD_{position}_TRANSFORM"] = "quantity"
            attributes[f"CTAFIELD_{position}_UNIT"] = units[column]
    if any(node.attributes.get(key) != value for key, value in attributes.items()):
        raise NotCovered(f"{where} is not in {', '.join(sorted(set(units.values())))}")
    return Node(node.rows, attributes)


def joint_instrument(lst: Instrument, magic: Instrument) -> Instrument:
    """Return the instrument that the coincidence tool writes: LST-1 of one file, MAGIC of the other.

    Raises
    ------
    NotCovered
        If a telescope is missing.
    """
    if 1 not in lst.telescopes or not {2, 3} <= set(magic.telescopes):
        raise NotCovered("the instruments of the inputs lack LST-1 (1), MAGIC-I (2) or MAGIC-II (3)")
    centre_m = np.array(list(_POSITIONS_M.values())).mean(axis=0)
    sources = {1: lst.telescopes[1], 2: magic.telescopes[2], 3: magic.telescopes[3]}
    telescopes = {}
    for (number, telescope), place in zip(sources.items(), _POSITIONS_M.values(), strict=True):
        row = telescope.layout.copy()
        row["tel_id"] = number
        row["pos_x"], row["pos_y"], row["pos_z"] = np.round(np.asarray(place) - centre_m, 2)
        telescopes[number] = Telescope(row, telescope.optics, telescope.geometry, telescope.readout)
    return Instrument("LST-MAGIC-Array", telescopes, REFERENCE_ITRS_M)


def prepared(instrument: Instrument) -> bytes:
    """Return an HDF5 file that holds an instrument only, as ``SubarrayDescription.to_hdf`` writes it.

    Raises
    ------
    NotCovered
        If two different cameras or mirrors have one name: their order in ctapipe is that of their hashes.
    """
    for known, image in _prepared:
        if known.same(instrument):
            return image
    with tables.open_file("instrument", "w", driver="H5FD_CORE", driver_core_backing_store=0) as file:
        for path, node in _nodes(instrument).items():
            _write(file, path, node)
        file.flush()
        image = bytes(file.get_file_image())
    _prepared.appendleft((instrument, image))
    return image


_prepared: deque[tuple[Instrument, bytes]] = deque(maxlen=4)
"""All subruns of a night have the same instrument, whose many small tables are written once a process."""


def create_file(path: Path, image: bytes) -> tables.File:
    """Return a new file with an instrument in it, open for more."""
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(image)
    return tables.open_file(str(path), mode="a")


def _nodes(instrument: Instrument) -> dict[str, Node]:
    """Return the tables of an instrument by their paths."""
    telescopes = list(instrument.telescopes.values())
    cameras: dict[bytes, Telescope] = {}
    optics: dict[bytes, Telescope] = {}
    for telescope in telescopes:
        twin = cameras.setdefault(telescope.camera_name, telescope)
        if not (twin.geometry.same(telescope.geometry) and twin.readout.same(telescope.readout)):
            raise NotCovered(f"two cameras are called {telescope.camera_name.decode()}")
        twin = optics.setdefault(telescope.optics_name, telescope)
        if twin.optics.tolist() != telescope.optics.tolist():
            raise NotCovered(f"two mirrors are called {telescope.optics_name.decode()}")
    camera_names, optics_names = sorted(cameras), sorted(optics)
    layout: dict[str, list[Any]] = {key: [row.layout[key] for row in telescopes] for key in _LAYOUT_COLUMNS}
    layout["camera_index"] = [camera_names.index(row.camera_name) for row in telescopes]
    layout["optics_index"] = [optics_names.index(row.optics_name) for row in telescopes]
    rows = [optics[name].optics for name in optics_names]
    common = {"ORIGIN": "ctapipe.instrument.SubarrayDescription", "SUBARRAY": instrument.name,
              "SOFT_VER": CTAPIPE_VERSION}  # fmt: skip
    place = dict(zip(_REFERENCE, instrument.reference_itrs_m, strict=True))
    nodes = {
        LAYOUT: _written(
            layout,
            {**common, "TAB_TYPE": "subarray", **place, "TAB_VER": "2.0", "name": instrument.name},
            {"pos_x": "m", "pos_y": "m", "pos_z": "m"},
        ),
        OPTICS: _written(
            {key: [row[key] for row in rows] for key in _OPTICS_COLUMNS},
            {**common, "TAB_TYPE": "optics", "TAB_VER": "4.0"},
            {"mirror_area": "m**2", "equivalent_focal_length": "m", "effective_focal_length": "m"},
        ),
    }
    for index, name in enumerate(camera_names):
        nodes[f"{CAMERA}/geometry_{index}"] = cameras[name].geometry
        nodes[f"{CAMERA}/readout_{index}"] = cameras[name].readout
    return nodes


def _write(file: tables.File, path: str, node: Node) -> None:
    filters = tables.Filters(complevel=5, complib="blosc:zstd", fletcher32=True)
    parent, name = path.rsplit("/", 1)
    table = file.create_table(
        parent, name, filters=filters, expectedrows=len(node.rows), createparents=True, obj=node.rows
    )
    for key, value in node.attributes.items():
        table.attrs[key] = value


def _written(columns: dict[str, list[Any]], meta: dict[str, Any], units: dict[str, str]) -> Node:
    """Return columns as ctapipe's ``write_table`` writes them: texts as wide as the longest of them."""
    arrays = {key: np.array(values) for key, values in columns.items()}
    attributes: dict[str, Any] = {}
    for position, key in enumerate(columns):
        if key in _TEXTS:
            arrays[key] = np.array([bytes(value) for value in columns[key]])
            attributes[f"CTAFIELD_{position}_TRANSFORM"] = "string"
            attributes[f"CTAFIELD_{position}_MAXLEN"] = arrays[key].dtype.itemsize
        elif key in units:
            attributes[f"CTAFIELD_{position}_TRANSFORM"] = "quantity"
            attributes[f"CTAFIELD_{position}_UNIT"] = units[key]
    if "tel_id" in arrays:
        arrays["tel_id"] = arrays["tel_id"].astype(np.uint16)
    rows = np.empty(len(next(iter(arrays.values()))), dtype=[(key, values.dtype) for key, values in arrays.items()])
    for key, values in arrays.items():
        rows[key] = values
    return Node(rows, meta | attributes)
