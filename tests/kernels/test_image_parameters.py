"""Hillas, timing, leakage and concentration parameters against ctapipe's, image by image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("ctapipe", reason="the kernels are compared in the science environment")

from calibrated_files import N_PIXELS
from ctapipe.image import concentration_parameters as ctapipe_concentration
from ctapipe.image import hillas_parameters as ctapipe_hillas
from ctapipe.image import leakage_parameters as ctapipe_leakage
from ctapipe.image import timing_parameters as ctapipe_timing
from ctapipe_io_magic import load_camera_geometry

from stereo_tasks.kernels.camera import magic_camera
from stereo_tasks.kernels.camera_images import cut_out
from stereo_tasks.kernels.errors import NotCovered
from stereo_tasks.kernels.hillas import hillas_parameters
from stereo_tasks.kernels.light import concentration_parameters, leakage_parameters
from stereo_tasks.kernels.timing import timing_parameters

CAMERA = magic_camera()
EVENT = np.zeros(1, dtype=np.int64)


@pytest.fixture(scope="module")
def geometry():
    return load_camera_geometry()


def row_of_pixels(start, length):
    """Return pixels one behind the other, along one axis of the grid: an image without width."""
    pixels = [start]
    step = None
    while len(pixels) < length:
        near = CAMERA.neighbours[pixels[-1]]
        near = near[near >= 0]
        offsets = np.column_stack(
            [CAMERA.x_m[near] - CAMERA.x_m[pixels[-1]], CAMERA.y_m[near] - CAMERA.y_m[pixels[-1]]]
        )
        step = offsets[0] if step is None else step
        best = np.argmin(np.hypot(*(offsets - step).T))
        if np.hypot(*(offsets[best] - step)) > 0.005:
            break
        pixels.append(int(near[best]))
    return np.unique(pixels)


@st.composite
def images(draw):
    """One event: charges, times and the pixels of its image, from two in a row to the whole camera."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    centre = draw(st.integers(0, N_PIXELS - 1))
    kind = draw(st.sampled_from(["disc", "row", "scattered", "border"]))
    if kind == "row":
        pixels = row_of_pixels(centre, draw(st.integers(2, 12)))
    elif kind == "scattered":
        pixels = rng.choice(N_PIXELS, draw(st.integers(2, 400)), replace=False)
    elif kind == "border":
        pixels = np.flatnonzero(CAMERA.border_2 & (rng.random(N_PIXELS) < draw(st.floats(0.05, 1))))
    else:
        distance = np.hypot(CAMERA.x_m - CAMERA.x_m[centre], CAMERA.y_m - CAMERA.y_m[centre])
        pixels = np.flatnonzero(distance < draw(st.floats(0.025, 0.4)))
    charge = np.abs(rng.normal(0, 10 ** draw(st.floats(0, 2.5)), N_PIXELS)).astype(np.float32)
    if draw(st.booleans()):
        charge[:] = draw(st.sampled_from([4.0, 750.0, 0.1]))
    time = (20 + 10 * rng.random() * CAMERA.x_m + rng.normal(0, draw(st.sampled_from([0, 0.3, 5])), N_PIXELS)).astype(
        "f4"
    )
    mask = np.zeros(N_PIXELS, dtype=bool)
    mask[pixels] = True
    return charge, time, mask


def by_name(container, names):
    """Return values of a ctapipe container in SI units and rad, as bytes."""
    values = [getattr(container, name) for name in names]
    return {
        name: np.float64(getattr(value, "si", value).value if hasattr(value, "unit") else value).tobytes()
        for name, value in zip(names, values, strict=True)
    }


@given(image=images())
@settings(max_examples=250, deadline=None, derandomize=True)
def test_parameters(geometry, image):
    charge, time, mask = image
    one = cut_out(charge[None], time[None], mask[None], EVENT)
    if mask.sum() < 2:
        return
    part = geometry[mask]
    expected = ctapipe_hillas(part, charge[mask])
    try:
        hillas, longitudinal_m = hillas_parameters(one, CAMERA)
    except NotCovered:
        assert not expected.length.value > 0
        return
    names = [name for name in hillas._fields if name not in ("phi", "psi", "psi_uncertainty")]
    assert {name: getattr(hillas, name)[0].tobytes() for name in names} == by_name(expected, names)
    for name in ("phi", "psi", "psi_uncertainty"):
        # As the column of the DL1 file has it.
        degrees = np.float64(getattr(expected, name).to_value("deg"))
        assert (getattr(hillas, name)[0] * 57.29577951308232).tobytes() == degrees.tobytes()

    expected_timing = ctapipe_timing(part, charge[mask], time[mask], expected)
    slope, intercept, deviation = timing_parameters(one, longitudinal_m)
    assert slope[0].tobytes() == np.float64(expected_timing.slope.to_value("1/m")).tobytes()
    if not np.isnan(slope[0]):
        assert intercept[0] == expected_timing.intercept
        assert deviation[0] == expected_timing.deviation

    leakage = leakage_parameters(charge[None], mask[None], EVENT, CAMERA)
    expected_leakage = ctapipe_leakage(geometry, charge, mask)
    assert [values[0] for values in leakage] == [getattr(expected_leakage, name) for name in leakage._fields]
    concentration = concentration_parameters(charge[None], EVENT, hillas, CAMERA)
    expected_concentration = ctapipe_concentration(geometry, charge, expected)
    assert [v[0] for v in concentration] == [getattr(expected_concentration, name) for name in concentration._fields]


@pytest.mark.parametrize(("function", "reason"), [("eigh", "principal axes"), ("inv", "cannot be fitted")])
def test_matrices_that_cannot_be_solved_are_not_covered(monkeypatch, function, reason):
    def fail(*arguments):
        raise np.linalg.LinAlgError("Singular matrix")

    mask = np.zeros((1, N_PIXELS), dtype=bool)
    mask[0, :7] = True
    charge = np.ones((1, N_PIXELS), dtype=np.float32)
    monkeypatch.setattr(np.linalg, function, fail)
    with pytest.raises(NotCovered, match=reason):
        hillas_parameters(cut_out(charge, charge, mask, EVENT), CAMERA)


def test_images_without_extent_or_charge_are_not_covered():
    mask = np.zeros((1, N_PIXELS), dtype=bool)
    mask[0, [3, 4]] = True
    charge = np.zeros((1, N_PIXELS), dtype=np.float32)
    with pytest.raises(NotCovered, match="without charge"):
        hillas_parameters(cut_out(charge, charge, mask, EVENT), CAMERA)
    charge[0, 3] = 5
    with pytest.raises(NotCovered, match="without extent"):
        hillas_parameters(cut_out(charge, charge, mask, EVENT), CAMERA)
