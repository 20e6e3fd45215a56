"""``stereo_reconstruction`` of magic-cta-pipe's ``lst1_magic_stereo_reco``."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import tables
from numpy.typing import NDArray

from stereo_tasks.kernels.camera_radius import camera_radius_m
from stereo_tasks.kernels.directions import mean_direction, separation
from stereo_tasks.kernels.errors import NotCovered
from stereo_tasks.kernels.event_tables import (
    EVENTS,
    Columns,
    check_columns,
    check_doubles,
    check_integers,
    columns_of,
    group_starts,
    sorted_singles,
    taken,
    write_columns,
)
from stereo_tasks.kernels.instrument import Instrument, create_file, prepared, read_instrument
from stereo_tasks.kernels.quality_cuts import selected
from stereo_tasks.kernels.quantities import ARCMIN_TO_DEG, RAD_TO_DEG, quantity
from stereo_tasks.kernels.shower_geometry import RESULTS, Images, Site, degrees, impact_m, reconstruct
from stereo_tasks.kernels.telescopes import LST1, NAMES, check_telescopes, stereo_images
from stereo_tasks.kernels.vectors import Array, height_m

APART_EXIT = 2
SIMULATION = "/simulation/config"

_INDEX = ("obs_id", "event_id", "tel_id")
_DOUBLES = ("pointing_alt", "pointing_az")
_IMAGE = ("intensity", "x", "y", "psi", "length", "width")
_READ_BY_MCP = ("r", "phi", "length_uncertainty", "width_uncertainty", "skewness", "kurtosis", "slope", "intercept",
                "intensity_width_1", "intensity_width_2", "pixels_width_1", "pixels_width_2")  # fmt: skip

_INTENSITY_MIN, _PIXELS_MIN = 50, 3
"""ctapipe's StereoQualityQuery: images with more p.e. and more pixels than this, and a width above 0, are used."""


def stereo_reconstruction(
    input_file: str, output_dir: str, config: dict[str, Any], magic_only_analysis: bool = False
) -> None:
    """Write the images of the showers that several telescopes saw, with the geometry of these.

    Parameters
    ----------
    input_file : str
        DL1 file of coincident events, or of the Monte Carlo.
    output_dir : str
        Folder of the product.
    config : dict
        magic-cta-pipe's configuration.
    magic_only_analysis : bool
        Not covered.

    Raises
    ------
    NotCovered
        If magic-cta-pipe's own tool is needed.
    SystemExit
        With code 2, if LST-1 and MAGIC always point apart; with code 11 as in the coincidence.
    ZeroDivisionError, ValueError
        If no shower is left after the quality cuts, in real data or in the Monte Carlo.
    """
    check_telescopes(config)
    settings = config["stereo_reco"]
    if magic_only_analysis:
        raise NotCovered("magic_only_analysis")
    limit_deg = quantity(settings["theta_uplim"], {"deg": 1.0, "arcmin": ARCMIN_TO_DEG}, "theta_uplim")
    images, instrument, simulation = _read(Path(input_file))
    site, image = _site(instrument), prepared(instrument)
    images = stereo_images(taken(images, selected(settings["quality_cuts"], images)))
    if simulation is None:
        images = _pointing_together(images, limit_deg)
    images = images | _geometry(images, site)

    path = Path(output_dir) / Path(input_file).name.replace("dl1", "dl1_stereo")
    with create_file(path, image) as file:
        write_columns(file, "/events", "parameters", images)
        if simulation is not None:
            write_columns(file, "/simulation", "config", simulation)


def _read(path: Path) -> tuple[Columns, Instrument, Columns | None]:
    """Return the images of a file, sorted, and what else is in it."""
    with tables.open_file(str(path)) as file:
        if EVENTS not in file:
            raise NotCovered(f"{path.name} has no table {EVENTS}")
        table = file.get_node(EVENTS)
        _check(table.dtype, path.name)
        rows = table.read()
        instrument = read_instrument(file)
        simulation = None
        if "true_energy" in table.dtype.names:
            simulation = _simulation(file, path.name)
    rows = rows[sorted_singles(*(rows[name] for name in _INDEX))]
    return {name: rows[name] for name in _INDEX} | columns_of(rows), instrument, simulation


def _check(dtype: np.dtype[Any], where: str) -> None:
    check_columns(dtype, where)
    check_integers(dtype, (*_INDEX, "n_pixels", "n_islands"), where)
    check_doubles(dtype, _DOUBLES, where)
    names = dtype.names or ()
    if missing := [name for name in (*_IMAGE, *_READ_BY_MCP) if name not in names]:
        raise NotCovered(f"{where} lacks the columns {', '.join(missing)}")
    if present := [name for name in RESULTS if name in names]:
        raise NotCovered(f"{where} has the columns {', '.join(present)} already")


def _simulation(file: tables.File, where: str) -> Columns:
    if SIMULATION not in file:
        raise NotCovered(f"{where} has no table {SIMULATION}")
    table = file.get_node(SIMULATION)
    check_columns(table.dtype, f"{SIMULATION} of {where}")
    return columns_of(table.read())


def _site(instrument: Instrument) -> Site:
    if set(instrument.telescopes) != set(NAMES.values()):
        raise NotCovered(f"an instrument with the telescopes {sorted(instrument.telescopes)}")
    telescopes = [instrument.telescopes[number] for number in sorted(instrument.telescopes)]
    return Site(
        position_m=np.stack([telescope.position_m for telescope in telescopes]),
        focal_length_m=np.array([telescope.focal_length_m for telescope in telescopes]),
        camera_radius_m=np.array([camera_radius_m(telescope.geometry) for telescope in telescopes]),
        height_m=height_m(np.array(instrument.reference_itrs_m)),
    )


def _groups(images: Columns) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first row and the number of rows of each shower."""
    starts = np.flatnonzero(group_starts(images["obs_id"], images["event_id"]))
    return starts, np.diff(np.append(starts, len(images["obs_id"])))


def _pointing_together(images: Columns, limit_deg: float) -> Columns:
    """Return the images of showers during which LST-1 and MAGIC pointed the same way.

    As in magic-cta-pipe: showers without LST-1 have no angle, and stay only if no other shower goes.
    """
    starts, sizes = _groups(images)
    with_lst = np.repeat(images["tel_id"][starts] == LST1, sizes)
    is_lst = images["tel_id"] == LST1
    angles: list[Array] = []
    for mask in (is_lst, with_lst & ~is_lst):
        one = taken(images, mask)
        angles += mean_direction(one["pointing_az"], one["pointing_alt"], *_groups(one))
    near = separation(*angles) * RAD_TO_DEG < limit_deg
    if near.all():
        return images
    if not near.any():
        raise SystemExit(APART_EXIT)
    keep = np.zeros(len(starts), dtype=bool)
    keep[images["tel_id"][starts] == LST1] = near
    return taken(images, np.repeat(keep, sizes))


def _geometry(images: Columns, site: Site) -> Columns:
    """Return the columns of the reconstruction; none at all if it succeeds for no shower."""
    starts, sizes = _groups(images)
    array_az, array_alt = mean_direction(images["pointing_az"], images["pointing_alt"], starts, sizes)
    intensity, width = (images[name].astype(np.float64) for name in ("intensity", "width"))
    used = (intensity > _INTENSITY_MIN) & (width > 0) & (images["n_pixels"] > _PIXELS_MIN)
    number_used = np.add.reduceat(used.astype(np.int64), starts)
    results = {name: np.full(len(used), np.nan) for name in RESULTS}
    any_valid = False
    for number in range(2, len(NAMES) + 1):
        showers = np.flatnonzero(number_used == number)
        if not len(showers):
            continue
        inside = np.repeat(number_used == number, sizes)
        rows = np.flatnonzero(inside & used).reshape(len(showers), number)
        valid, values = _reconstructed(
            images, rows, (array_alt[showers], array_az[showers]), site, np.flatnonzero(inside), sizes[showers]
        )
        any_valid |= bool(valid.any())
        for name, column in values.items():
            # pandas knows one NaN only, whatever its sign was.
            results[name][np.flatnonzero(inside)[valid]] = np.where(np.isnan(column), np.nan, column)[valid]
    return results if any_valid else {}


def _reconstructed(
    images: Columns,
    rows: NDArray[np.int64],
    array_pointing: tuple[Array, Array],
    site: Site,
    targets: NDArray[np.int64],
    sizes: NDArray[np.int64],
) -> tuple[NDArray[np.bool_], Columns]:
    """Return the geometry for all images of some showers.

    Parameters
    ----------
    images : dict of str to numpy.ndarray
        All images.
    rows : numpy.ndarray
        Shape (n, k): images that the geometry of n showers is made from.
    array_pointing : tuple of numpy.ndarray
        Mean altitude and azimuth of each shower, in rad.
    site : Site
        The telescopes.
    targets : numpy.ndarray
        Shape (n_images,): all images of these showers, shower by shower.
    sizes : numpy.ndarray
        Shape (n,): their number for each shower.

    Returns
    -------
    valid : numpy.ndarray
        Shape (n_images,), bool.
    columns : dict of str to numpy.ndarray
        Shape (n_images,) each.
    """
    telescope = images["tel_id"].astype(np.int64) - 1
    x, y, psi, intensity, length, width, alt, az = (
        images[name][rows].astype(np.float64) for name in ("x", "y", "psi", "intensity", "length", "width", *_DOUBLES)
    )
    showers = reconstruct(Images(telescope[rows], x, y, psi, intensity, length, width, alt, az, *array_pointing), site)
    each = replace(showers, **{one.name: np.repeat(getattr(showers, one.name), sizes) for one in fields(showers)})
    return each.valid, {
        "alt": degrees(each.alt_rad),
        "alt_uncert": each.error_deg,
        "az": degrees(each.az_rad),
        "az_uncert": each.error_deg,
        "core_x": each.core_x_m,
        "core_y": each.core_y_m,
        "impact": impact_m(each, site.position_m[telescope[targets]]),
        "h_max": each.h_max_m,
        "is_valid": np.ones(len(targets)),
    }
