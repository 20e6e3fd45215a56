"""The image cleaning against magic-cta-pipe's, event by event, with bad pixels of all kinds."""

import copy
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("magicctapipe", reason="the kernels are compared in the science environment")

from calibrated_files import N_PIXELS, showers
from ctapipe.image import number_of_islands
from ctapipe_io_magic import load_camera_geometry
from magicctapipe.image import MAGICClean

from stereo_tasks.kernels.camera import magic_camera
from stereo_tasks.kernels.cleaning import clean, thresholds
from stereo_tasks.kernels.islands import count_islands

CONFIG = {
    "use_time": True,
    "use_sum": True,
    "picture_thresh": 6,
    "boundary_thresh": 3.5,
    "max_time_off": 4.5,
    "max_time_diff": 1.5,
    "find_hotpixels": True,
    "pedestal_type": "from_extractor_rndm",
}


@pytest.fixture(scope="module")
def mcp():
    return MAGICClean(load_camera_geometry(), CONFIG)


@st.composite
def events(draw):
    """One event with its bad pixels: scattered ones, holes, odd charges and times."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    charge, samples = showers(1, rng)
    charge, time = charge[0, :N_PIXELS].copy(), samples[0, :N_PIXELS] / np.float32(1.64)
    neighbours = magic_camera().neighbours
    bad = np.zeros(N_PIXELS, dtype=bool)
    bad[rng.integers(0, N_PIXELS, draw(st.integers(0, 60)))] = True
    for centre in rng.integers(0, N_PIXELS, draw(st.integers(0, 6))):
        bad[centre] = True
        bad[neighbours[centre][neighbours[centre] >= 0]] = True
    # Bad pixels in the middle of the shower, where they matter.
    bad[np.argsort(charge)[-draw(st.integers(1, 20)) :][:: draw(st.integers(1, 4))]] = draw(st.booleans())
    for values, odd in ((charge, (np.nan, np.inf, -30, 0, 2000, 12, 3.5)), (time, (np.nan, -400, 300, 0, 60))):
        places = rng.integers(0, N_PIXELS, draw(st.integers(0, 30)))
        values[places] = rng.choice(odd, len(places))
    return charge, time, bad


@given(event=events())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
def test_cleaning(mcp, event):
    charge, time, bad = event
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mask, image, peak_time = mcp.clean_image(charge, copy.copy(time), bad)
    own_charge, own_time = charge[None].copy(), time[None].copy()
    own_mask = clean(own_charge, own_time, bad[None], np.zeros(1, dtype=np.int64), magic_camera(), thresholds(CONFIG))
    assert np.array_equal(own_mask[0], mask)
    assert own_charge[0].tobytes() == image.tobytes()
    assert own_time[0].tobytes() == peak_time.tobytes()


@given(seed=st.integers(0, 2**32 - 1), part=st.floats(0, 1))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_number_of_islands(mcp, seed, part):
    mask = np.random.default_rng(seed).random(N_PIXELS) < part
    assert count_islands(mask[None], magic_camera().neighbours)[0] == number_of_islands(mcp.camera, mask)[0]
