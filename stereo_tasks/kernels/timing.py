"""Time gradient along the major axis: ctapipe's ``timing_parameters`` with its robust line fit.

The functions are those of ``ctapipe.fitting`` and ``ctapipe.image.timing`` (BSD-3-Clause, the ctapipe collaboration),
kept as they are, since every operation decides which pixels the fit drops. ctapipe compiles one of them anew in every
process; here all are compiled once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stereo_tasks.kernels.camera_images import Images
from stereo_tasks.kernels.compile import jit

Floats = NDArray[np.float64]

_SMALLEST_DETERMINANT = 2 * np.finfo(np.float64).eps
_SAMPLES = 5
_PART_OF_PIXELS = 0.85
_ITERATIONS = 20
_CONVERGED = 1e-12


def timing_parameters(images: Images, longitudinal_m: Floats) -> tuple[Floats, Floats, Floats]:
    """Return slope (ns/m), intercept (ns) and deviation (ns) of the arrival times along the major axis.

    Parameters
    ----------
    images : Images
        Images with two pixels at least.
    longitudinal_m : numpy.ndarray
        Shape (elements,): coordinate along the major axis.

    Returns
    -------
    tuple of numpy.ndarray
        Shape (images,) each; NaN where no line can be fitted.
    """
    n_images = len(images.start) - 1
    slope, intercept, deviation = np.empty(n_images), np.empty(n_images), np.empty(n_images)
    _fit_lines(images.start, longitudinal_m, images.time_ns, slope, intercept)
    of = images.image
    _root_mean_squares(images.start, longitudinal_m * slope[of] + intercept[of], images.time_ns, deviation)
    return slope, intercept, deviation


@jit
def _fit_lines(start: NDArray[np.int64], x: Floats, y: Floats, slope: Floats, intercept: Floats) -> None:
    for i in range(len(slope)):
        part = slice(start[i], start[i + 1])
        slope[i], intercept[i] = lts_linear_regression(x[part], y[part])


@jit
def _root_mean_squares(start: NDArray[np.int64], truth: Floats, prediction: Floats, result: Floats) -> None:
    for i in range(len(result)):
        part = slice(start[i], start[i + 1])
        result[i] = np.sqrt(np.mean((truth[part] - prediction[part]) ** 2))


@jit
def _design_matrix(x: Floats) -> Floats:
    matrix = np.empty((len(x), 2), dtype=x.dtype)
    matrix[:, 0] = x
    matrix[:, 1] = 1
    return matrix


@jit
def _linear_regression(design: Floats, y: Floats) -> Floats:
    matrix = design.T @ design
    if np.linalg.det(matrix) < _SMALLEST_DETERMINANT:
        return np.full(2, np.nan)
    beta: Floats = np.linalg.inv(matrix) @ design.T @ y
    return beta


@jit
def _residuals(design: Floats, y: Floats, beta: Floats) -> Floats:
    difference: Floats = y - (design[:, 0] * beta[0] + beta[1])
    return difference


@jit
def _residual_sum_of_squares(design: Floats, y: Floats, beta: Floats) -> float:
    return np.sum(_residuals(design, y, beta) ** 2)


@jit
def _single_sample(design: Floats, y: Floats, sample_size: int) -> tuple[Floats, float]:
    # numba's generator, as ctapipe draws
    sample = np.random.choice(len(y), 2, replace=False)
    beta = _linear_regression(design[sample], y[sample])
    if np.isnan(beta[0]):
        return beta, np.nan
    error = _residual_sum_of_squares(design[sample], y[sample], beta)
    for _ in range(_ITERATIONS):
        squared_residuals = _residuals(design, y, beta) ** 2
        sample = np.argsort(squared_residuals)[:sample_size]
        part, part_y = design[sample], y[sample]
        beta = _linear_regression(part, part_y)
        last_error = error
        error = _residual_sum_of_squares(part, part_y, beta)
        if abs(last_error - error) < _CONVERGED:
            break
    return beta, error


@jit
def lts_linear_regression(x: Floats, y: Floats) -> tuple[float, float]:
    """Fit a line to the 85 % of the points that are closest to it (least trimmed squares).

    Parameters
    ----------
    x, y : numpy.ndarray
        Shape (n,), float64, two points at least.

    Returns
    -------
    tuple of float
        Slope and intercept; NaN if no sample of points gave a line.
    """
    np.random.seed(0)
    design = _design_matrix(x)
    sample_size = int(_PART_OF_PIXELS * len(x))
    best_slope, best_intercept, best_error = np.nan, np.nan, np.inf
    for _ in range(_SAMPLES):
        beta, error = _single_sample(design, y, sample_size)
        if error < best_error:
            best_slope, best_intercept, best_error = beta[0], beta[1], error
    return best_slope, best_intercept
