"""Leakage and concentration: where the light of an image is, with the bits of ctapipe's functions of these names."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stereo_tasks.kernels.camera import Camera
from stereo_tasks.kernels.compile import jit
from stereo_tasks.kernels.hillas import Hillas
from stereo_tasks.kernels.sums import pairwise_sum


class Leakage(NamedTuple):
    """Parts of the pixels and of the charge in the outermost ring of the camera, and in the two outermost: (images,).

    The parts of the charge are float32, as the charges.
    """

    pixels_width_1: NDArray[np.float64]
    pixels_width_2: NDArray[np.float64]
    intensity_width_1: NDArray[np.float32]
    intensity_width_2: NDArray[np.float32]


class Concentration(NamedTuple):
    """Charge around the centroid, inside of the ellipse and in the brightest pixel, relative to the image: (images,).

    Pixels that the cleaning removed count, too.
    """

    cog: NDArray[np.float64]
    core: NDArray[np.float64]
    pixel: NDArray[np.float64]


def leakage_parameters(
    charge_pe: NDArray[np.float32], mask: NDArray[np.bool_], events: NDArray[np.int64], camera: Camera
) -> Leakage:
    """Return the leakage of some events.

    Parameters
    ----------
    charge_pe, mask : numpy.ndarray
        Shape (events, pixels).
    events : numpy.ndarray
        Shape (images,): rows of those; none without a pixel in the mask.
    camera : Camera
        The camera.
    """
    n = len(events)
    made = Leakage(np.empty(n), np.empty(n), np.empty(n, dtype=np.float32), np.empty(n, dtype=np.float32))
    _leakage(charge_pe, mask, events, camera.border_1, made.pixels_width_1, made.intensity_width_1)
    _leakage(charge_pe, mask, events, camera.border_2, made.pixels_width_2, made.intensity_width_2)
    return made


@jit
def _leakage(
    charge: NDArray[np.float32],
    mask: NDArray[np.bool_],
    events: NDArray[np.int64],
    border: NDArray[np.bool_],
    pixels: NDArray[np.float64],
    intensity: NDArray[np.float32],
) -> None:
    inside = np.empty(charge.shape[1], dtype=np.float32)
    outside = np.empty(charge.shape[1], dtype=np.float32)
    for i in range(len(events)):
        n_inside, n_outside = 0, 0
        for pixel in range(charge.shape[1]):
            if mask[events[i], pixel]:
                inside[n_inside] = charge[events[i], pixel]
                n_inside += 1
                if border[pixel]:
                    outside[n_outside] = charge[events[i], pixel]
                    n_outside += 1
        pixels[i] = n_outside / n_inside
        intensity[i] = pairwise_sum(outside, 0, n_outside) / pairwise_sum(inside, 0, n_inside)


def concentration_parameters(
    charge_pe: NDArray[np.float32], events: NDArray[np.int64], hillas: Hillas, camera: Camera
) -> Concentration:
    """Return the concentration of some events.

    Parameters
    ----------
    charge_pe : numpy.ndarray
        Shape (events, pixels).
    events : numpy.ndarray
        Shape (images,): rows of those.
    hillas : Hillas
        Their Hillas parameters.
    camera : Camera
        The camera.
    """
    cog = np.empty(len(events), dtype=np.float32)
    core = np.empty(len(events), dtype=np.float32)
    # numpy's scalars: the squares of single numbers are not always those of arrays.
    squares = tuple(np.array([value**2 for value in values]) for values in (hillas.length, hillas.width))
    _concentration(
        charge_pe,
        events,
        (camera.x_m, camera.y_m, camera.width_m),
        (hillas.x, hillas.y, np.cos(hillas.psi), np.sin(hillas.psi)),
        (squares[0], squares[1]),
        cog,
        core,
    )
    brightest = np.array([charge_pe[event].max() for event in events])
    return Concentration(cog / hillas.intensity, core / hillas.intensity, brightest / hillas.intensity)


@jit
def _concentration(
    charge: NDArray[np.float32],
    events: NDArray[np.int64],
    pixels: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
    ellipse: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
    squares: tuple[NDArray[np.float64], NDArray[np.float64]],
    cog: NDArray[np.float32],
    core: NDArray[np.float32],
) -> None:
    pixel_x, pixel_y, pixel_width = pixels
    near = np.empty(len(pixel_x), dtype=np.float32)
    inside = np.empty(len(pixel_x), dtype=np.float32)
    for i in range(len(events)):
        x, y, cos, sin = ellipse[0][i], ellipse[1][i], ellipse[2][i], ellipse[3][i]
        length_2, width_2 = squares[0][i], squares[1][i]
        n_near, n_inside = 0, 0
        for pixel in range(len(pixel_x)):
            dx, dy = pixel_x[pixel] - x, pixel_y[pixel] - y
            if dx * dx + dy * dy < pixel_width[pixel] * pixel_width[pixel]:
                near[n_near] = charge[events[i], pixel]
                n_near += 1
            if width_2 != 0:
                longitudinal = dx * cos + dy * sin
                transverse = dx * -sin + dy * cos
                if longitudinal * longitudinal / length_2 + transverse * transverse / width_2 <= 1.0:
                    inside[n_inside] = charge[events[i], pixel]
                    n_inside += 1
        cog[i] = pairwise_sum(near, 0, n_near)
        core[i] = pairwise_sum(inside, 0, n_inside)
