"""Hillas parameters, with the bits of ctapipe's ``hillas_parameters``.

Sums are numpy's (`pairwise_sum`), matrix products numpy's own, image by image: BLAS libraries differ in the last bits.
Powers of numbers (not of arrays) go through numpy's scalars, which use another function than its arrays.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stereo_tasks.kernels.camera import Camera
from stereo_tasks.kernels.camera_images import Images
from stereo_tasks.kernels.compile import jit
from stereo_tasks.kernels.errors import NotCovered
from stereo_tasks.kernels.sums import pairwise_sum

Floats = NDArray[np.float64]

_NEARLY_ZERO = float(np.finfo(np.float64).eps)


class Hillas(NamedTuple):
    """Hillas parameters of some images: shape (images,), float64; lengths in m, angles in rad, charges in p.e.

    Parameters
    ----------
    intensity : numpy.ndarray
        Sum of the charges.
    x, y, r, phi : numpy.ndarray
        Centroid, also in polar coordinates.
    length, width : numpy.ndarray
        Standard deviations along and across the major axis; with their uncertainties.
    psi : numpy.ndarray
        Angle of the major axis; with its uncertainty.
    transverse_cog_uncertainty : numpy.ndarray
        Uncertainty of the centroid across the major axis.
    skewness, kurtosis : numpy.ndarray
        Along the major axis.
    """

    intensity: Floats
    skewness: Floats
    kurtosis: Floats
    x: Floats
    y: Floats
    r: Floats
    phi: Floats
    length: Floats
    length_uncertainty: Floats
    width: Floats
    width_uncertainty: Floats
    psi: Floats
    psi_uncertainty: Floats
    transverse_cog_uncertainty: Floats


class _Moments(NamedTuple):
    size: Floats
    x: Floats
    y: Floats
    dx: Floats
    dy: Floats
    covariance: Floats


class _Axes(NamedTuple):
    length: Floats
    width: Floats
    psi: Floats
    cos: Floats
    sin: Floats
    longitudinal: Floats
    transverse: Floats


def hillas_parameters(images: Images, camera: Camera) -> tuple[Hillas, Floats]:
    """Return the Hillas parameters of images, and the longitudinal coordinate of every pixel in m.

    Parameters
    ----------
    images : Images
        At least one.
    camera : Camera
        The camera.

    Raises
    ------
    NotCovered
        For images without extent or charge, and those whose matrices cannot be inverted: ctapipe has cases of its own
        for them.
    """
    moments = _moments(images, camera)
    axes = _axes(images, moments)
    skewness, kurtosis = _higher_moments(images, axes)
    psi_uncertainty, transverse_uncertainty = _axis_uncertainties(images, camera, axes)
    length_uncertainty, width_uncertainty = _size_uncertainties(images, moments, axes)
    centroids = np.column_stack([moments.x, moments.y])
    # BLAS adds the two squares in a way of its own.
    r_m = np.sqrt(np.array([centroid.dot(centroid) for centroid in centroids]))
    parameters = Hillas(
        intensity=moments.size,
        skewness=skewness,
        kurtosis=kurtosis,
        x=moments.x,
        y=moments.y,
        r=r_m,
        phi=np.arctan2(moments.y, moments.x),
        length=axes.length,
        length_uncertainty=length_uncertainty,
        width=axes.width,
        width_uncertainty=width_uncertainty,
        psi=axes.psi,
        psi_uncertainty=psi_uncertainty,
        transverse_cog_uncertainty=transverse_uncertainty,
    )
    return parameters, axes.longitudinal


def _moments(images: Images, camera: Camera) -> _Moments:
    """Return sums, centroids, distances to them, and the covariance matrices (``numpy.cov`` with weights)."""
    n_images = len(images.start) - 1
    dx, dy = np.empty(len(images.pixel)), np.empty(len(images.pixel))
    centred = np.empty(2 * len(images.pixel))
    weighted = np.empty_like(centred)
    size, x, y = np.empty(n_images), np.empty(n_images), np.empty(n_images)
    ok = _centre(
        images.start,
        images.charge_pe,
        camera.x_m[images.pixel],
        camera.y_m[images.pixel],
        (size, x, y),
        (dx, dy, centred, weighted),
    )
    if not ok:
        raise NotCovered("an image without charge")
    covariance = np.empty((n_images, 2, 2))
    ends = images.start.tolist()
    for i, (begin, end) in enumerate(pairwise(ends)):
        part = slice(2 * begin, 2 * end)
        np.dot(centred[part].reshape(2, -1), weighted[part].reshape(2, -1).T, out=covariance[i])
    covariance *= (1 / size)[:, None, None]
    return _Moments(size, x, y, dx, dy, covariance)


@jit
def _centre(
    start: NDArray[np.int64],
    charge: Floats,
    pixel_x: Floats,
    pixel_y: Floats,
    sums: tuple[Floats, Floats, Floats],
    flat: tuple[Floats, Floats, Floats, Floats],
) -> bool:
    """Fill sums and centroids, distances to them, and the matrices of `numpy.cov`: centred again, and weighted."""
    size, x, y = sums
    dx, dy, centred, weighted = flat
    product = np.empty(len(charge))
    for i in range(len(size)):
        begin, n = start[i], start[i + 1] - start[i]
        size[i] = pairwise_sum(charge, begin, n)
        if size[i] == 0:
            return False
        for k in range(begin, begin + n):
            product[k] = pixel_x[k] * charge[k]
        x[i] = pairwise_sum(product, begin, n) / size[i]
        for k in range(begin, begin + n):
            product[k] = pixel_y[k] * charge[k]
        y[i] = pairwise_sum(product, begin, n) / size[i]
        for k in range(begin, begin + n):
            dx[k] = pixel_x[k] - x[i]
            product[k] = dx[k] * charge[k]
        mean_dx = pairwise_sum(product, begin, n) / size[i]
        for k in range(begin, begin + n):
            dy[k] = pixel_y[k] - y[i]
            product[k] = dy[k] * charge[k]
        mean_dy = pairwise_sum(product, begin, n) / size[i]
        for k in range(n):
            centred[2 * begin + k] = dx[begin + k] - mean_dx
            centred[2 * begin + n + k] = dy[begin + k] - mean_dy
            weighted[2 * begin + k] = centred[2 * begin + k] * charge[begin + k]
            weighted[2 * begin + n + k] = centred[2 * begin + n + k] * charge[begin + k]
    return True


def _axes(images: Images, moments: _Moments) -> _Axes:
    """Return the axes of the ellipses and the coordinates of the pixels along and across them."""
    try:
        values, vectors = np.linalg.eigh(moments.covariance)
    except np.linalg.LinAlgError as error:
        raise NotCovered("an image without principal axes") from error
    # numpy.isclose(values, 0, atol=eps)
    values[np.abs(values) <= _NEARLY_ZERO] = 0
    with np.errstate(invalid="ignore"):
        width, length = np.sqrt(values).T.copy()
    if not (length > 0).all():
        raise NotCovered("an image without extent")
    if not np.isfinite(width).all():
        raise NotCovered("an image with a negative variance")
    vx, vy = vectors[:, 0, 1], vectors[:, 1, 1]
    psi = np.full(len(vx), np.pi / 2)
    upright = vx == 0
    psi[~upright] = np.arctan(vy[~upright] / vx[~upright])
    cos, sin = np.cos(psi), np.sin(psi)
    of = images.image
    longitudinal = moments.dx * cos[of] + moments.dy * sin[of]
    transverse = moments.dx * -sin[of] + moments.dy * cos[of]
    return _Axes(length, width, psi, cos, sin, longitudinal, transverse)


def _higher_moments(images: Images, axes: _Axes) -> tuple[Floats, Floats]:
    """Return skewness and kurtosis along the major axis."""
    skewness, kurtosis = np.empty(len(axes.length)), np.empty(len(axes.length))
    for power, mean in ((3, skewness), (4, kurtosis)):
        _weighted_means(images.start, images.charge_pe, axes.longitudinal**power, mean)
        mean /= np.array([length**power for length in axes.length])
    return skewness, kurtosis


@jit
def _weighted_means(start: NDArray[np.int64], weights: Floats, values: Floats, means: Floats) -> None:
    for i in range(len(means)):
        begin, end = start[i], start[i + 1]
        for k in range(begin, end):
            values[k] *= weights[k]
        means[i] = pairwise_sum(values, begin, end - begin) / pairwise_sum(weights, begin, end - begin)


def _axis_uncertainties(images: Images, camera: Camera, axes: _Axes) -> tuple[Floats, Floats]:
    """Return the uncertainties of psi and of the centroid across the axis, from a weighted fit of a line.

    The matrix of weights is diagonal: a product with it is exact element by element.
    """
    n_images = len(axes.length)
    weights = images.charge_pe / camera.area_m2[images.pixel]
    design = np.column_stack([axes.longitudinal, np.ones_like(axes.longitudinal)])
    normal = np.empty((n_images, 2, 2))
    ends = images.start.tolist()
    parts = [slice(begin, end) for begin, end in pairwise(ends)]
    for i, part in enumerate(parts):
        one = design[part]
        normal[i] = np.multiply(one.T, weights[part], order="C") @ one
    try:
        inverse = np.linalg.inv(normal)
    except np.linalg.LinAlgError as error:
        raise NotCovered("the axis of an image cannot be fitted") from error
    residual_psi = np.empty(n_images)
    for i, part in enumerate(parts):
        residual_psi[i] = (((inverse[i] @ design[part].T) * weights[part]) @ axes.transverse[part])[0]
    elongation = np.tan(axes.width / axes.length * np.pi / 2.0)
    stretch = 1.0 + np.array([value**2 for value in elongation])
    psi_uncertainty = np.sqrt(inverse[:, 0, 0] + residual_psi * residual_psi) * stretch
    sin_residual = np.sin(residual_psi)
    return psi_uncertainty, np.sqrt(inverse[:, 1, 1] * (1.0 + sin_residual * sin_residual))


def _size_uncertainties(images: Images, moments: _Moments, axes: _Axes) -> tuple[Floats, Floats]:
    """Return the uncertainties of length and width (MAGIC's internal note, as in ctapipe)."""
    cos_2psi = np.cos(2 * axes.psi)
    a, b, c = (1 + cos_2psi) / 2, (1 - cos_2psi) / 2, np.sin(2 * axes.psi)
    along, across = np.empty(len(a)), np.empty(len(a))
    _squared_deviations(images.start, images.charge_pe, moments, (a, b, c), along, across)
    length_uncertainty = np.sqrt(along) / (2 * axes.length)
    width_uncertainty = np.full(len(a), np.nan)
    wide = axes.width != 0
    width_uncertainty[wide] = np.sqrt(across[wide]) / (2 * axes.width[wide])
    return length_uncertainty, width_uncertainty


@jit
def _squared_deviations(
    start: NDArray[np.int64],
    charge: Floats,
    moments: _Moments,
    coefficients: tuple[Floats, Floats, Floats],
    along: Floats,
    across: Floats,
) -> None:
    first, second = np.empty(len(charge)), np.empty(len(charge))
    dx, dy, covariance, size = moments.dx, moments.dy, moments.covariance, moments.size
    for i in range(len(size)):
        a, b, c = coefficients[0][i], coefficients[1][i], coefficients[2][i]
        begin, end = start[i], start[i + 1]
        for k in range(begin, end):
            xx = (dx[k] * dx[k] - covariance[i, 0, 0]) / size[i]
            yy = (dy[k] * dy[k] - covariance[i, 1, 1]) / size[i]
            xy = (dx[k] * dy[k] - covariance[i, 0, 1]) / size[i]
            one = ((a * xx) + (b * yy)) + (c * xy)
            other = ((b * xx) + (a * yy)) + (-c * xy)
            first[k] = one * one * charge[k]
            second[k] = other * other * charge[k]
        along[i] = pairwise_sum(first, begin, end - begin)
        across[i] = pairwise_sum(second, begin, end - begin)
