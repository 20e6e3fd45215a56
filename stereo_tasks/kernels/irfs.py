"""Point-like IRFs at a pointing, from those of the nodes of the Monte Carlo, as ``lst1_magic_dl2_to_dl3`` has them."""

from __future__ import annotations

import glob
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from stereo_tasks.kernels.errors import NotCovered

Floats = npt.NDArray[np.float64]

HEADER_KEYS = (
    "TELESCOP", "INSTRUME", "FOVALIGN", "QUAL_CUT", "EVT_TYPE", "DL2_WEIG", "IRF_OBST", "GH_CUT", "GH_EFF", "GH_MIN",
    "GH_MAX", "RAD_MAX", "TH_EFF", "TH_MIN", "TH_MAX",
)  # fmt: skip

PYIRF_HEADER = (
    ("CREATOR", "pyirf v0.12.0"),
    ("HDUDOC", "https://github.com/open-gamma-ray-astro/gamma-astro-data-formats"),
    ("HDUVERS", "0.2"),
    ("HDUCLASS", "GADF"),
)
"""What pyirf begins its headers with."""

COSZD_MARGIN = 0.02
"""So far outside of the nodes the nearest one is taken; beyond it, magic-cta-pipe ends with `OUTSIDE`."""

OUTSIDE = 5
MAGIC_CTA_PIPE = "magicctapipe v0.6.2"


@dataclass(frozen=True, slots=True)
class Irfs:
    """IRFs of all nodes.

    Parameters
    ----------
    nodes : array of float64, shape (n_nodes, 2)
        Cosine of the zenith angle, and azimuth in rad.
    parts : dict of str to array, first dimension n_nodes
        ``effective_area`` in m2, ``energy_dispersion``, ``gh_cuts``, ``rad_max`` in deg: those that are there.
    bins : dict of str to array
        Edges of ``energy`` in TeV, ``fov_offset`` in deg and ``migration``.
    header : dict of str to value
        Cards that the nodes have in common.
    """

    nodes: Floats
    parts: dict[str, Floats]
    bins: dict[str, Floats]
    header: dict[str, Any]


def load(folder: str) -> Irfs:
    """Read the IRFs of a folder.

    Raises
    ------
    NotCovered
        If there are none, or if they are not of one kind; or if they hold a PSF or a background model.
    """
    paths = sorted(glob.glob(f"{folder}/irf_*.fits.gz"))  # noqa: PTH207 - magic-cta-pipe's pattern
    if not paths:
        raise NotCovered(f"no IRFs in {folder}")
    nodes = [_read(Path(path)) for path in paths]
    if any(set(node.parts) != set(nodes[0].parts) or set(node.header) != set(nodes[0].header) for node in nodes):
        raise NotCovered(f"IRFs of different kinds in {folder}")
    for name in nodes[0].bins:
        edges = [node.bins[name] for node in nodes]
        if any(other.shape != edges[0].shape or not (other == edges[0]).all() for other in edges):
            raise NotCovered(f"the {name} bins of the IRFs in {folder} differ")
    header = {}
    for key in nodes[0].header:
        values = np.unique([node.header[key] for node in nodes])
        if len(values) != 1:
            raise NotCovered(f"{key} of the IRFs in {folder} differs")
        header[key] = values[0]
    parts = {name: np.array([node.parts[name][0] for node in nodes]) for name in nodes[0].parts}
    return Irfs(np.concatenate([node.nodes for node in nodes]), parts, nodes[0].bins, header)


def _read(path: Path) -> Irfs:
    with fits.open(path) as hdus:
        if "PSF" in hdus or "BACKGROUND" in hdus:
            raise NotCovered(f"{path.name} holds a PSF or a background model")
        header = hdus["EFFECTIVE AREA"].header
        area, dispersion = hdus["EFFECTIVE AREA"].data[0], hdus["ENERGY DISPERSION"].data[0]
        node = np.array([[np.cos(np.deg2rad(header["PNT_ZD"])), np.deg2rad(header["PNT_AZ"])]])
        parts = {"effective_area": area["EFFAREA"].T, "energy_dispersion": dispersion["MATRIX"].T}
        if "GH_CUTS" in hdus:
            parts["gh_cuts"] = hdus["GH_CUTS"].data[0]["GH_CUTS"].T
        if "RAD_MAX" in hdus:
            parts["rad_max"] = hdus["RAD_MAX"].data[0]["RAD_MAX"].T
        bins = {
            "energy": _edges(area, "ENERG"),
            "fov_offset": _edges(area, "THETA"),
            "migration": _edges(dispersion, "MIGRA"),
        }
        cards = {key: header[key] for key in HEADER_KEYS if key in header}
    return Irfs(node, {name: np.array([part]) for name, part in parts.items()}, bins, cards)


def _edges(row: Any, axis: str) -> Floats:
    low, high = row[f"{axis}_LO"], row[f"{axis}_HI"]
    if not np.allclose(low[..., 1:], high[..., :-1], rtol=1.0e-5):
        raise NotCovered(f"the bins of {axis} have gaps")
    return np.concatenate([low, high[..., -1:]])


def within(irfs: Irfs, coszd: float, az_rad: float, distance_deg: float) -> Irfs:
    """Return the IRFs of the nodes closer to a direction than a distance."""
    import astropy.units as u
    from astropy.coordinates import angular_separation

    separation = angular_separation(
        az_rad, np.pi / 2 - np.arccos(coszd), irfs.nodes[:, 1], np.pi / 2 - np.arccos(irfs.nodes[:, 0])
    )
    near = (separation * u.rad).to("deg") < distance_deg * u.deg
    if not near.any():
        raise NotCovered("no IRF node within max_distance of the pointing")
    return replace(irfs, nodes=irfs.nodes[near], parts={name: part[near] for name, part in irfs.parts.items()})


def method_at(irfs: Irfs, coszd: float, method: str) -> str:
    """Return the method of interpolation: the nearest node, a little outside of them.

    Raises
    ------
    SystemExit
        With `OUTSIDE`, as magic-cta-pipe ends, if it is more than a little.
    """
    if method == "nearest":
        return method
    low, high = irfs.nodes[:, 0].min(), irfs.nodes[:, 0].max()
    if coszd < low - COSZD_MARGIN or coszd > high + COSZD_MARGIN:
        raise SystemExit(OUTSIDE)
    outside = low - COSZD_MARGIN < coszd < low or high < coszd < high + COSZD_MARGIN
    return "nearest" if outside else method


def interpolated(irfs: Irfs, points: Floats, target: Floats, method: str) -> dict[str, Floats]:
    """Return each part of the IRFs at a point.

    Parameters
    ----------
    irfs : Irfs
        Of all nodes.
    points : array of float64, shape (n_nodes,) or (n_nodes, 2)
        Where the nodes are: cosine of the zenith angle, and azimuth in rad if that matters.
    target : array of float64, shape (1,) or (2,)
        Where they are wanted.
    method : str
        ``nearest``, ``linear`` or ``cubic``.
    """
    found = {}
    for name, values in irfs.parts.items():
        if len(points) <= 2 and name != "rad_max":
            found[name] = values[0]
        elif name == "effective_area":
            # Between areas that differ by orders of magnitude, in the logarithm; below 1 m2 there is none.
            area = np.exp(_at(points, np.log(np.where(values < 1, 1, values)), target, method))
            area[area < 1.1] = 0
            found[name] = area
        else:
            found[name] = _at(points, values, target, method)
    found["energy_dispersion"] = _normalised(found["energy_dispersion"], irfs.bins["migration"])
    return found


def _at(points: Floats, values: Floats, target: Floats, method: str) -> Floats:
    """Return values of shape (n_nodes, ...) interpolated to a point, as scipy's ``griddata``."""
    between = points.ndim == 1 and len(points) > 1 and points.min() <= target[0] <= points.max()
    if method == "linear" and between and len(np.unique(points)) == len(points):
        # The usual case: scipy's import costs more than all the rest.
        order = np.argsort(points)
        place = np.clip(np.searchsorted(points[order], target[0]), 1, len(points) - 1)
        low, high = order[place - 1], order[place]
        slope = (values[high] - values[low]) / (points[high] - points[low])
        return np.asarray(slope * (target[0] - points[low]) + values[low])
    from scipy.interpolate import griddata

    return np.asarray(griddata(points, values, target, method=method)[0])


def _normalised(dispersion: Floats, migration_bins: Floats) -> Floats:
    """Give each column of the migration matrix an integral of 1, as the data format wants it."""
    norm = np.sum(dispersion, axis=1, keepdims=True)
    dispersion = np.divide(dispersion, norm, out=np.zeros_like(dispersion), where=norm != 0)
    dispersion /= np.diff(migration_bins)[np.newaxis, :, np.newaxis]
    return dispersion


def hdus(parts: dict[str, Floats], bins: dict[str, Floats], header: dict[str, Any]) -> list[fits.BinTableHDU]:
    """Return the HDUs of the parts that are there, in their order."""
    made = [
        _hdu("EFFECTIVE AREA", ("EFF_AREA", "AEFF_2D"), bins, ("EFFAREA", parts["effective_area"], "m2"), header),
        _hdu("ENERGY DISPERSION", ("EDISP", "EDISP_2D"), bins, ("MATRIX", parts["energy_dispersion"], ""), {}),
    ]
    if "gh_cuts" in parts:
        made.append(_cuts_hdu(parts["gh_cuts"], bins, header))
    if "rad_max" in parts:
        made.append(_hdu("RAD_MAX", ("RAD_MAX", "RAD_MAX_2D"), bins, ("RAD_MAX", parts["rad_max"], "deg"), header))
    return made


def _hdu(
    name: str,
    classes: tuple[str, str],
    bins: dict[str, Floats],
    content: tuple[str, Floats, str],
    cards: dict[str, Any],
) -> fits.BinTableHDU:
    """Return an HDU as pyirf 0.12.0 makes it."""
    import astropy.units as u

    column, values, unit = content
    axes = ["ENERG", "MIGRA", "THETA"] if column == "MATRIX" else ["ENERG", "THETA"]
    table = _axes(bins, axes)
    table[column] = u.Quantity(values.T[np.newaxis, ...], unit)
    header = fits.Header(PYIRF_HEADER)
    header["HDUCLAS1"], header["HDUCLAS2"] = "RESPONSE", classes[0]
    header["HDUCLAS3"], header["HDUCLAS4"] = "POINT-LIKE", classes[1]
    header["DATE"] = now()
    header[f"CREF{table.colnames.index(column) + 1}"] = "(" + ",".join(f"{axis}_LO:{axis}_HI" for axis in axes) + ")"
    for key, value in cards.items():
        header[key] = value
    return fits.BinTableHDU(table, header=header, name=name)


def _cuts_hdu(cuts: Floats, bins: dict[str, Floats], cards: dict[str, Any]) -> fits.BinTableHDU:
    table = _axes(bins, ["ENERG", "THETA"])
    table["GH_CUTS"] = cuts.T[np.newaxis, :]
    header = fits.Header(
        [
            ("CREATOR", MAGIC_CTA_PIPE),
            ("HDUCLAS1", "RESPONSE"),
            ("HDUCLAS2", "GH_CUTS"),
            ("HDUCLAS3", "POINT-LIKE"),
            ("HDUCLAS4", "GH_CUTS_2D"),
            ("DATE", now()),
        ]
    )
    for key, value in cards.items():
        header[key] = value
    return fits.BinTableHDU(table, header=header, name="GH_CUTS")


def _axes(bins: dict[str, Floats], axes: list[str]) -> Any:
    import astropy.units as u
    from astropy.table import QTable

    edges = {
        "ENERG": u.Quantity(bins["energy"], "TeV"),
        "MIGRA": bins["migration"],
        "THETA": u.Quantity(bins["fov_offset"], "deg"),
    }
    table = QTable()
    for axis in axes:
        rows = edges[axis][np.newaxis, :]
        table[f"{axis}_LO"], table[f"{axis}_HI"] = rows[:, :-1], rows[:, 1:]
    return table


def now() -> str:
    """Return the time as it stands in headers."""
    from astropy.time import Time

    time: str = Time.now().utc.iso
    return time
