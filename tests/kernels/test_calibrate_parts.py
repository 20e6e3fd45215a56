"""Sums, bad pixels, interpolation of the pointing and the constants, each against what it replaces."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("magicctapipe", reason="the kernels are compared in the science environment")

from calibrated_files import N_PIXELS
from ctapipe_io_magic import MAGICEventSource
from scipy.interpolate import interp1d

from stereo_tasks.kernels.bad_pixels import bad_rms, sample_of_events
from stereo_tasks.kernels.calibrate import interpolated
from stereo_tasks.kernels.calibrate_constants import camera_arrays
from stereo_tasks.kernels.camera import Groups, magic_camera
from stereo_tasks.kernels.sums import pairwise_sum


@given(length=st.integers(0, 1200), start=st.integers(0, 20), seed=st.integers(0, 99), single=st.booleans())
@settings(max_examples=300, deadline=None, derandomize=True)
def test_sums_are_numpys(length, start, seed, single):
    values = np.random.default_rng(seed).normal(0, 100, length + 20).astype(np.float32 if single else np.float64)
    assert pairwise_sum(values, start, length) == values[start : start + length].sum()


def source_with(samples_s, rms):
    """Return as much of an event source, and an event, as the reader's search for bad pixels looks at."""
    pedestal = SimpleNamespace(sample_time=SimpleNamespace(unix=samples_s), charge_std=[rms])
    mon = SimpleNamespace(tel={1: SimpleNamespace(pedestal=pedestal)})

    def event(time_s):
        time = SimpleNamespace(unix=time_s)
        return SimpleNamespace(mon=mon, trigger=SimpleNamespace(tel={1: SimpleNamespace(time=time)}))

    return SimpleNamespace(telescope=1, is_simulation=False), event


@given(seed=st.integers(0, 999), single=st.booleans(), samples=st.integers(1, 5))
@settings(max_examples=100, deadline=None, derandomize=True)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_bad_pixels_are_the_readers(seed, single, samples):
    rng = np.random.default_rng(seed)
    rms = rng.normal(1.15, 0.05, (samples, N_PIXELS))
    rms[:, rng.integers(0, N_PIXELS, 40)] = rng.choice([0, 0.1, 0.9, 1.4, 5, 300, 1e4, np.nan, -1], 40)
    rms[rng.random(samples) < 0.2] = rng.choice([0, 1.0, 500.0])
    rms = rms.astype(np.float32 if single else np.float64)
    samples_s = rng.permutation(np.arange(samples)) * 10.0
    events_s = np.append(samples_s, rng.uniform(-5, 60, 10))
    source, event = source_with(samples_s, rms)
    masks, of_event = np.array([bad_rms(one) for one in rms]), sample_of_events(samples_s, events_s)
    for i, time_s in enumerate(events_s):
        (expected,) = MAGICEventSource._get_badrmspixel_mask(source, event(time_s))
        assert np.array_equal(masks[of_event[i]], expected)


@given(known=st.lists(st.floats(0, 1, width=32), min_size=2, max_size=30, unique=True), seed=st.integers(0, 99))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_interpolation_is_scipys(known, seed):
    rng = np.random.default_rng(seed)
    x, y = 60_000 + np.sort(np.unique(np.array(known))), rng.uniform(0, 360, len(known))
    if len(np.unique(x)) < len(known):
        return
    at = np.concatenate([x, rng.uniform(59_999.5, 60_001.5, 50)])
    assert interpolated(at, x, y).tobytes() == interp1d(x, y, fill_value="extrapolate")(at).tobytes()


def test_camera_is_ctapipes():
    stored = magic_camera()
    for name, expected in camera_arrays().items():
        own = getattr(stored, name)
        own = own.pixels if isinstance(own, Groups) else own
        assert own.dtype == expected.dtype
        assert np.array_equal(own, expected)
    assert stored.pairs.start[-1] == len(stored.pairs.pixels)


def test_dead_pixels_have_the_digit_that_the_reader_looks_at():
    from stereo_tasks.kernels.calibrated_file import _DEAD_PIXEL

    for word in (0, 1, 2, 3, 6, -1, -2, -3, -128, 2**31 - 1, -(2**31)):
        assert bool(abs(word) & _DEAD_PIXEL) == bool(int(f"{word:08b}"[-2]))
