"""From noiseless sparse images to pixels with noise, and to the image parameters that DL1 files hold."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stereo_tasks.simulate.cameras import LST, Camera, camera
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
    "find_hotpixels": False,
}
"""magic-cta-pipe's MAGIC cleaning. The search for hot pixels is for data only, as in its own Monte Carlo tool."""

LST_PICTURE_PE, LST_BOUNDARY_PE = 8.0, 4.0
LST_TIME_LIMIT_NS = 2.0
LST_DYNAMIC_PE, LST_DYNAMIC_FRACTION = 267.0, 0.03
"""lstchain's standard cleaning, as in magic-cta-pipe's default configuration."""


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
        Telescope number; LST-1 is cleaned with lstchain's tail cuts, MAGIC with magic-cta-pipe's own class.
    rng : numpy.random.Generator
        Source of the noise.

    Returns
    -------
    dict of str to numpy.ndarray
        One array of n values a parameter, under ctapipe's names; lengths in m, angles in deg, slope in 1/m. All are NaN
        where an image did not survive or could not be parametrised.
    """
    cam = camera(tel_id)
    rows: list[dict[str, float] | None] = []
    n = len(images.start) - 1
    for start in range(0, n, 500):
        chunk = images.take(np.arange(start, min(start + 500, n)))
        charge, time = with_noise(chunk, tel_id, rng)
        if tel_id == LST:
            masks = clean_lst(cam, charge, time)
            rows += [_parameters(cam, *row) for row in zip(charge, time, masks, strict=True)]
        else:
            for row_charge, row_time in zip(charge, time, strict=True):
                mask, image, peak = _magic_clean().clean_image(row_charge, row_time)
                rows.append(_parameters(cam, image, peak, mask))
    names = list(_parameter_names())
    table = {name: np.full(n, np.nan) for name in names}
    for i, row in enumerate(rows):
        if row is not None:
            for name in names:
                table[name][i] = row[name]
    return table


def clean_lst(cam: Camera, charge_pe: Floats, time_ns: Floats) -> NDArray[np.bool_]:
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


@cache
def _magic_clean() -> Any:
    from magicctapipe.image import MAGICClean

    # M1 and M2 have the same camera.
    return MAGICClean(camera(2).geometry, dict(MAGIC_CLEAN))


@cache
def _parameter_names() -> tuple[str, ...]:
    from ctapipe.containers import (
        CameraHillasParametersContainer,
        ConcentrationContainer,
        LeakageContainer,
        TimingParametersContainer,
    )

    names = ["n_pixels", "n_islands"]
    for kind in (CameraHillasParametersContainer, TimingParametersContainer, LeakageContainer):
        names += list(kind.fields)
    return (*names, *(f"concentration_{name}" for name in ConcentrationContainer.fields))


def _parameters(cam: Camera, image: Floats, time: Floats, mask: NDArray[np.bool_]) -> dict[str, float] | None:
    from ctapipe.image import (
        concentration_parameters,
        hillas_parameters,
        leakage_parameters,
        number_of_islands,
        timing_parameters,
    )

    if np.count_nonzero(mask) < 3 or np.any(image[mask] < 0):
        return None
    geometry = cam.geometry
    masked = geometry[mask]
    hillas = hillas_parameters(masked, image[mask])
    timing = timing_parameters(masked, image[mask], time[mask], hillas)
    row = {"n_pixels": float(np.count_nonzero(mask)), "n_islands": float(number_of_islands(geometry, mask)[0])}
    row |= _plain(hillas) | _plain(timing) | _plain(leakage_parameters(geometry, image, mask))
    concentration = _plain(concentration_parameters(geometry, image, hillas))
    row |= {f"concentration_{name}": value for name, value in concentration.items()}
    return row if np.isfinite([row["slope"], row["width"], row["length"]]).all() else None


def _plain(container: Any) -> dict[str, float]:
    values = {}
    for name, value in container.items():
        unit = getattr(value, "unit", None)
        if unit is None:
            values[name] = float(value)
        elif unit.is_equivalent("deg"):
            values[name] = float(value.to_value("deg"))
        else:
            values[name] = float(value.value)
    return values
