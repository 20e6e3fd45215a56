"""All triggers of LST-1: how many showers of which intensity, in which time."""

import math

import numpy as np
import pytest

from stereo_tasks.datasets.errors import DatasetError
from stereo_tasks.datasets.triggers import EDGES, read_triggers, run_triggers

SHOWER, PEDESTAL = 32, 2


@pytest.fixture(scope="module")
def triggers():
    """5 kHz of showers and 100 Hz of pedestals in 10 s, out of order as subruns of several writers are."""
    rng = np.random.default_rng(1)
    n = rng.poisson(50_000)
    time_s = 1.7e9 + rng.uniform(0, 10, n + 1000)
    event_type = np.where(np.arange(n + 1000) < n, SHOWER, PEDESTAL)
    intensity = np.where(event_type == SHOWER, 10 ** rng.uniform(2, 3, n + 1000), 130.0)
    intensity[:500] = np.nan
    return intensity, event_type, time_s


def test_the_effective_time_is_that_of_all_triggers(triggers):
    found = run_triggers(*triggers)
    assert found.elapsed_s == pytest.approx(10, abs=0.05)
    assert found.effective_s == pytest.approx(10, abs=0.15)


def test_a_sample_of_them_has_no_effective_time(triggers):
    """At the rate of stereo events a fifth of the time would be left, and no one would see it."""
    few = np.random.default_rng(2).permutation(len(triggers[0]))[:760]
    assert math.isnan(run_triggers(*(column[few] for column in triggers)).effective_s)


def test_only_showers_with_an_image_are_in_the_spectrum(triggers):
    _, event_type, _ = triggers
    found = run_triggers(*triggers)
    showers = np.count_nonzero(event_type == SHOWER)
    assert found.showers == showers
    assert found.counts.sum() == showers - 500
    middle = (EDGES[1:] + EDGES[:-1]) / 2
    rate_hz = found.counts[np.argmin(np.abs(middle - 2.1))] / found.effective_s
    assert rate_hz == pytest.approx(5000 * np.diff(EDGES)[0], rel=0.15)


def test_a_file_that_is_none_is_named(tmp_path):
    path = tmp_path / "dl1_LST-1.Run01622.0000.h5"
    path.write_bytes(b"no table")
    with pytest.raises(DatasetError, match=r"Run01622\.0000\.h5: truncated or damaged .* copy it again"):
        read_triggers(path)
