"""MAGIC calibrated subrun -> DL1: magic-cta-pipe's ``magic_calib_to_dl1``, byte by byte."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stereo_tasks.kernels import dl1_file
from stereo_tasks.kernels.bad_pixels import bad_pixels
from stereo_tasks.kernels.calibrated_file import (
    PEDESTAL_TYPES,
    Drive,
    Header,
    Pedestals,
    Subrun,
    read,
    read_drive,
)
from stereo_tasks.kernels.camera import magic_camera
from stereo_tasks.kernels.camera_images import cut_out, usable
from stereo_tasks.kernels.cleaning import Thresholds, clean, thresholds
from stereo_tasks.kernels.clock import Times, times
from stereo_tasks.kernels.errors import NotCovered
from stereo_tasks.kernels.hillas import hillas_parameters
from stereo_tasks.kernels.islands import count_islands
from stereo_tasks.kernels.light import concentration_parameters, leakage_parameters
from stereo_tasks.kernels.timing import timing_parameters

Floats = NDArray[np.float64]

_TELESCOPES = {"LST-1": 1, "MAGIC-I": 2, "MAGIC-II": 3}
"""The telescope ids that the layout of the DL1 files has."""

_RAD_OF_DEG = 0.017453292519943295
_DEG_OF_RAD = 57.29577951308232
"""astropy's factors, which are not always the inverse of each other in the last bit."""


def magic_calib_to_dl1(
    input_file: str,
    output_dir: str,
    config: Mapping[str, Any],
    max_events: int | None = None,
    magic_only: bool = False,
    process_run: bool = False,
    corrections: Collection[str] = (),
) -> None:
    """Process the stereo events of a calibrated subrun; the arguments are magic-cta-pipe's, but for the last.

    Parameters
    ----------
    input_file : str
        Calibrated file. The drive reports of all subruns of its run in the same folder are used.
    output_dir : str
        Folder of the product ``dl1_M{telescope}.Run{run}.{subrun}.h5``.
    config : dict
        Configuration of magic-cta-pipe; read are ``mc_tel_ids``, ``MAGIC.magic_clean`` and ``save_images``.
    max_events, magic_only, process_run
        Not covered unless left alone.
    corrections : collection of str
        With ``time_difference``, ``time_diff`` is the time from the event before the shower to the shower.

    Raises
    ------
    NotCovered
        Before anything is written, if magic-cta-pipe's own tool has to do it.
    """
    if max_events is not None or magic_only or process_run:
        raise NotCovered("max_events, magic_only or process_run is set")
    limits, pedestal_type = _settings(config)
    path = Path(input_file).absolute()
    drive = read_drive(path)
    subrun = read(path, pedestal_type, own_time_difference="time_difference" in corrections)
    rows = dl1_rows(subrun, drive, limits)
    header = subrun.header
    Path(output_dir).mkdir(exist_ok=True, parents=True)
    product = Path(output_dir) / f"dl1_M{header.telescope}.Run{header.run:08}.{header.subrun:03}.h5"
    dl1_file.write_dl1(product, rows, header.n_samples, header.sampling_rate_ghz)


def _settings(config: Mapping[str, Any]) -> tuple[Thresholds, str]:
    if config.get("save_images", False):
        raise NotCovered("save_images is set")
    ids = config["mc_tel_ids"]
    if any(ids[name] != tel_id for name, tel_id in _TELESCOPES.items()):
        raise NotCovered(f"mc_tel_ids other than {_TELESCOPES}")
    cleaning = config["MAGIC"]["magic_clean"]
    limits = thresholds(cleaning)
    pedestal_type = cleaning["pedestal_type"]
    if pedestal_type not in PEDESTAL_TYPES:
        raise NotCovered(f"pedestal_type {pedestal_type}")
    return limits, pedestal_type


def dl1_rows(subrun: Subrun, drive: Drive, limits: Thresholds) -> NDArray[np.void]:
    """Return the rows of the DL1 table.

    Parameters
    ----------
    subrun : Subrun
        The events; bad pixels are interpolated in place.
    drive : Drive
        Drive reports.
    limits : Thresholds
        Of the image cleaning.

    Returns
    -------
    numpy.ndarray
        Shape (images,) with magic-cta-pipe's columns: one row for each event whose image could be parametrized.
    """
    camera = magic_camera()
    mask = clean(subrun.charge_pe, subrun.time_ns, *bad_pixels(subrun), camera, limits)
    events = usable(subrun.charge_pe, mask)
    dtype = dl1_file.columns()
    if not len(events):
        return np.empty(0, dtype=dtype)
    images = cut_out(subrun.charge_pe, subrun.time_ns, mask, events)
    if images.n_pixels.min() < 2:
        raise NotCovered("an image of one pixel")
    hillas, longitudinal_m = hillas_parameters(images, camera)
    slope, intercept, deviation = timing_parameters(images, longitudinal_m)
    timed = ~np.isnan(slope)
    events = events[timed]
    hillas = type(hillas)(*(values[timed] for values in hillas))
    leakage = leakage_parameters(subrun.charge_pe, mask, events, camera)
    concentration = concentration_parameters(subrun.charge_pe, events, hillas, camera)

    rows = np.empty(len(events), dtype=dtype)
    _fill_event(rows, subrun, drive, events)
    rows["n_pixels"] = images.n_pixels[timed]
    rows["n_islands"] = count_islands(mask[events], camera.neighbours)
    for name, values in hillas._asdict().items():
        rows[name] = values * _DEG_OF_RAD if name in ("phi", "psi", "psi_uncertainty") else values
    rows["slope"], rows["intercept"], rows["deviation"] = slope[timed], intercept[timed], deviation[timed]
    for name, values in leakage._asdict().items():
        rows[name] = values
    for name, values in concentration._asdict().items():
        rows[f"concentration_{name}"] = values
    return rows


def _fill_event(rows: NDArray[np.void], subrun: Subrun, drive: Drive, events: NDArray[np.int64]) -> None:
    """Fill the columns that say what event it is."""
    time = Times(subrun.time.ticks[events], subrun.time.jd_1[events], subrun.time.jd_2[events])
    rows["obs_id"] = subrun.header.run
    rows["event_id"] = subrun.event_id[events]
    rows["tel_id"] = _TELESCOPES["MAGIC-I" if subrun.header.telescope == 1 else "MAGIC-II"]
    rows["pointing_alt"] = (90 - interpolated(time.mjd, drive.mjd, drive.zenith_deg)) * _RAD_OF_DEG
    rows["pointing_az"] = interpolated(time.mjd, drive.mjd, drive.azimuth_deg) * _RAD_OF_DEG
    rows["tels_with_trigger"] = 2 ** _TELESCOPES["MAGIC-I"] + 2 ** _TELESCOPES["MAGIC-II"]
    rows["time_sec"] = time.seconds
    rows["time_nanosec"] = time.nanoseconds
    # Counted by the stereo events, see calibrated_file.read.
    rows["time_diff"] = subrun.time_diff_s[events]


def interpolated(x: Floats, known_x: NDArray[Any], known_y: NDArray[Any]) -> Floats:
    """Interpolate linearly, and continue the first and the last piece, as ``scipy.interpolate.interp1d``.

    Parameters
    ----------
    x : numpy.ndarray
        Shape (n,): where to.
    known_x, known_y : numpy.ndarray
        Shape (m,): what is known, two points at least, x rising.
    """
    after = np.searchsorted(known_x, x).clip(1, len(known_x) - 1)
    before = after - 1
    slope = (known_y[after] - known_y[before]) / (known_x[after] - known_x[before])
    value: Floats = slope * (x - known_x[before]) + known_y[before]
    return value


def compile_all() -> None:
    """Compile every function of this kernel, which takes some 15 s on each new type of processor, once."""
    camera = magic_camera()
    charge_pe = (200 * np.exp(-((camera.x_m / 0.1) ** 2) - (camera.y_m / 0.04) ** 2)).astype(np.float32)[None]
    time = times(np.array([60_000]), np.array([0]), np.array([0]))
    subrun = Subrun(
        Header(1, 5_000_000, 1, 50, np.float64(1.64)),
        np.zeros(camera.n_pixels, dtype=np.bool_),
        Pedestals(time.unix, np.ones((1, camera.n_pixels), dtype=np.float32)),
        np.array([1]),
        time,
        np.array([0.0]),
        charge_pe,
        np.full_like(charge_pe, 20) + (10 * camera.x_m).astype(np.float32),
    )
    drive = Drive(np.array([59_999.0, 60_001.0]), np.array([20.0, 20.0]), np.array([100.0, 100.0]))
    limits = thresholds(
        {
            "use_time": True,
            "use_sum": True,
            "find_hotpixels": True,
            "pedestal_type": PEDESTAL_TYPES[0],
            "picture_thresh": 6,
            "boundary_thresh": 3.5,
            "max_time_off": 4.5,
            "max_time_diff": 1.5,
        }
    )
    dl1_rows(subrun, drive, limits)
