"""From noiseless sparse images to pixels with noise, and to the image parameters that DL1 files hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stereo_tasks.kernels.camera import Camera as ParameterCamera
from stereo_tasks.kernels.camera import magic_camera
from stereo_tasks.kernels.camera_images import cut_out
from stereo_tasks.kernels.errors import NotCovered
from stereo_tasks.simulate.cameras import LST, Camera, camera, parameter_camera
from stereo_tasks.simulate.showers import Images

Floats = NDArray[np.float64]

NOISE_PE = {1: 1.9, 2: 1.15, 3: 1.15}
"""Night-sky and electronic noise a pixel in p.e."""

WINDOW_NS = 30.0
"""Readout window; light arrives around its middle, noise anywhere."""

SIGNAL_PE = 1.0
"""Below this much light the time of a pixel is the time of its noise."""

MAGIC_CLEAN: dict[str, Any] = {
    "use_time": True,
    "use_sum": True,
    "picture_thresh": 6,
    "boundary_thresh": 3.5,
    "max_time_off": 4.5,
    "max_time_diff": 1.5,
    "find_hotpixels": True,
    "pedestal_type": "from_extractor_rndm",
}
"""magic-cta-pipe's MAGIC cleaning; no simulated pixel is hot."""

LST_PICTURE_PE, LST_BOUNDARY_PE = 8.0, 4.0
LST_TIME_LIMIT_NS = 2.0
LST_DYNAMIC_PE, LST_DYNAMIC_FRACTION = 267.0, 0.03
"""lstchain's standard cleaning, as in magic-cta-pipe's default configuration."""

_AT_ONCE = 500
"""Images in memory at once."""

_LEAST_PIXELS = 3
_ANGLES = frozenset({"phi", "psi", "psi_uncertainty"})


def with_noise(
    images: Images, tel_id: int, rng: np.random.Generator, noise_pe: float | None = None
) -> tuple[Floats, Floats]:
    """Return full camera images.

    Parameters
    ----------
    images : Images
        Noiseless sparse images of n events.
    tel_id : int
        Telescope number.
    rng : numpy.random.Generator
        Source of the noise.
    noise_pe : float, optional
        Noise a pixel in p.e.; the telescope's own by default.

    Returns
    -------
    charge_pe, time_ns : numpy.ndarray
        Shape (n, n_pixels): charges in p.e., arrival times in ns since the start of the readout window.
    """
    n, pixels = len(images.start) - 1, camera(tel_id).n_pixels
    charge = rng.normal(0, NOISE_PE[tel_id] if noise_pe is None else noise_pe, (n, pixels))
    time = rng.uniform(0, WINDOW_NS, (n, pixels))
    event = np.repeat(np.arange(n), np.diff(images.start))
    charge[event, images.pixel] += images.charge_pe
    bright = images.charge_pe > SIGNAL_PE
    time[event[bright], images.pixel[bright]] = np.clip(images.time_ns[bright] + WINDOW_NS / 2, 0, WINDOW_NS)
    return charge, time


def parametrise(images: Images, tel_id: int, rng: np.random.Generator) -> dict[str, Floats]:
    """Add noise, clean and parametrise images, as the real pipelines do for data.

    Parameters
    ----------
    images : Images
        Noiseless sparse images of n events.
    tel_id : int
        Telescope number; LST-1 is cleaned with lstchain's tail cuts, MAGIC with magic-cta-pipe's cleaning.
    rng : numpy.random.Generator
        Source of the noise.

    Returns
    -------
    dict of str to numpy.ndarray
        One array of n values a parameter, under ctapipe's names; lengths in m, angles in deg, slope in 1/m. All are NaN
        where an image did not survive or could not be parametrised.
    """
    n = len(images.start) - 1
    table = {name: np.full(n, np.nan) for name in _parameter_names()}
    for start in range(0, n, _AT_ONCE):
        events = np.arange(start, min(start + _AT_ONCE, n))
        charge, time = (values.astype(np.float32) for values in with_noise(images.take(events), tel_id, rng))
        mask = clean_lst(camera(tel_id), charge, time) if tel_id == LST else _clean_magic(charge, time)
        kept = np.flatnonzero((mask.sum(axis=1) >= _LEAST_PIXELS) & ~(mask & (charge < 0)).any(axis=1))
        for part, values in _parameters(parameter_camera(tel_id), charge, time, mask, kept):
            for name, column in values.items():
                table[name][events[part]] = column
    return table


def clean_lst(cam: Camera, charge_pe: NDArray[np.float32], time_ns: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return shape (n, n_pixels): which pixels hold light.

    Pixels over 8 p.e. with two such neighbours, pixels over 4 p.e. beside them, all with a selected neighbour within
    2 ns; in bright images also over 3 % of the mean of the three brightest pixels.
    """
    picture = charge_pe >= LST_PICTURE_PE
    picture &= _neighbours(cam, picture).sum(axis=2) >= 2
    mask = picture | ((charge_pe >= LST_BOUNDARY_PE) & _neighbours(cam, picture).any(axis=2))
    padded = np.concatenate([time_ns, np.full((len(time_ns), 1), np.inf)], axis=1)
    coincident = np.abs(padded[:, cam.neighbours] - time_ns[:, :, None]) < LST_TIME_LIMIT_NS
    mask &= (coincident & _neighbours(cam, mask)).any(axis=2)
    brightest = np.partition(charge_pe, -3, axis=1)[:, -3:].mean(axis=1)
    threshold = np.where(brightest > LST_DYNAMIC_PE, LST_DYNAMIC_FRACTION * brightest, -np.inf)
    return np.asarray(mask & (charge_pe >= threshold[:, None]))


def _neighbours(cam: Camera, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = np.concatenate([mask, np.zeros((len(mask), 1), dtype=bool)], axis=1)
    return np.asarray(padded[:, cam.neighbours])


def _clean_magic(charge_pe: NDArray[np.float32], time_ns: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return shape (n, n_pixels): which pixels hold light; charges are cut off in place, as magic-cta-pipe does."""
    from stereo_tasks.kernels.cleaning import clean, thresholds

    good = np.zeros((1, charge_pe.shape[1]), dtype=bool)
    return clean(
        charge_pe,
        time_ns,
        good,
        np.zeros(len(charge_pe), dtype=np.int64),
        magic_camera(),
        thresholds(MAGIC_CLEAN),
    )


def _parameter_names() -> tuple[str, ...]:
    from stereo_tasks.kernels.hillas import Hillas
    from stereo_tasks.kernels.light import Concentration, Leakage

    names = "n_pixels", "n_islands", *Hillas._fields, "slope", "intercept", "deviation", *Leakage._fields
    return (*names, *(f"concentration_{name}" for name in Concentration._fields))


def _parameters(
    cam: ParameterCamera,
    charge: NDArray[np.float32],
    time: NDArray[np.float32],
    mask: NDArray[np.bool_],
    events: NDArray[np.int64],
) -> Iterator[tuple[NDArray[np.int64], dict[str, NDArray[Any]]]]:
    """Yield parts of the events with their parameters; events that have none are in no part."""
    from stereo_tasks.kernels.hillas import hillas_parameters
    from stereo_tasks.kernels.islands import count_islands
    from stereo_tasks.kernels.light import concentration_parameters, leakage_parameters
    from stereo_tasks.kernels.timing import timing_parameters

    if not len(events):
        return
    images = cut_out(charge, time, mask, events)
    try:
        hillas, longitudinal_m = hillas_parameters(images, cam)
    except NotCovered:
        # One image without extent stands in the way of all: halves are tried until it is alone.
        for half in np.array_split(events, 2) if len(events) > 1 else ():
            yield from _parameters(cam, charge, time, mask, half)
        return
    slope, intercept, deviation = timing_parameters(images, longitudinal_m)
    leakage = leakage_parameters(charge, mask, events, cam)
    concentration = concentration_parameters(charge, events, hillas, cam)
    values: dict[str, NDArray[Any]] = {
        "n_pixels": images.n_pixels,
        "n_islands": count_islands(mask[events], cam.neighbours),
        **{name: np.rad2deg(v) if name in _ANGLES else v for name, v in hillas._asdict().items()},
        "slope": slope,
        "intercept": intercept,
        "deviation": deviation,
        **leakage._asdict(),
        **{f"concentration_{name}": v for name, v in concentration._asdict().items()},
    }
    finite = np.isfinite([slope, hillas.width, hillas.length]).all(axis=0)
    yield events[finite], {name: v[finite] for name, v in values.items()}
