"""OFF regions: as many as fit, and none that sees the source."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated_dl3 import NAME

from stereo_tasks.analysis.observations import find_observations
from stereo_tasks.analysis.off_regions import largest_radius_deg, off_positions, offset_deg, regions_that_fit
from stereo_tasks.analysis.reduction import reduce
from stereo_tasks.analysis.settings import read_settings
from stereo_tasks.analysis.theta2 import theta2_table

SETTINGS = read_settings()


@pytest.mark.parametrize(
    ("offset", "radius", "number"),
    [
        (0.4, 0.1, 5),
        (0.4, 0.199, 5),
        (0.4, 0.2, 4),  # six circles of 0.2 deg touch each other
        (0.4, math.sqrt(0.07), 3),
        (0.4, math.sqrt(0.08), 2),  # five regions of this cut once saw the Crab Nebula
        (0.4, 0.39, 1),
        (0.4, 0.4, 0),
        (0.0, 0.1, 0),
    ],
)
def test_so_many_regions_fit(offset, radius, number):
    assert regions_that_fit(offset, radius, 5) == number


@given(offset=st.floats(0.05, 2.0), radius=st.floats(0.01, 1.0))
def test_regions_that_fit_keep_clear_of_each_other(offset, radius):
    number = regions_that_fit(offset, radius, 12)
    angles = 2 * np.pi * np.arange(number + 1) / (number + 1)
    x, y = offset * np.cos(angles), offset * np.sin(angles)
    distance = np.hypot(x[:, np.newaxis] - x, y[:, np.newaxis] - y)
    assert (distance[~np.eye(number + 1, dtype=bool)] > 2 * radius * (1 - 1e-9)).all()


def test_off_regions_see_the_background_and_not_the_source(make_folder):
    """A source without background: what is in OFF is the source's own light."""
    folder = make_folder(runs=2, amplitude=3e-10, background_hz=0.0, kind="fixed", seed=7)
    found = find_observations([folder], NAME, None, offset_max_deg=1.5)
    reduction = reduce(found.observations, found.source, SETTINGS)
    table = theta2_table(reduction.observations, found.source, reduction.off_regions, (0.04, 25.0))
    assert table["on"].sum() > 2000
    assert table["off"].sum() < 0.001 * table["on"].sum()
    # With five regions and theta2 up to 0.16 deg2, as it was once drawn, the neighbours hold the whole source twice.
    (observation, _) = reduction.observations
    centres = off_positions(observation, found.source, 5)
    near = sum((observation.events.radec.separation(centre).deg < 0.41).sum() for centre in centres)
    assert near > len(observation.events.table)


def test_the_off_theta2_is_flat(make_folder):
    folder = make_folder(runs=4, amplitude=1e-10, background_hz=8.0, seed=9)
    found = find_observations([folder], NAME, None, offset_max_deg=1.5)
    reduction = reduce(found.observations, found.source, SETTINGS)
    off = theta2_table(reduction.observations, found.source, reduction.off_regions, (0.04, 25.0))["off"]
    mean = off.mean()
    assert mean > 50
    # The acceptance falls by about a tenth over the regions' size; flat to within statistics otherwise.
    assert ((off - mean) ** 2 / mean).sum() < len(off) + 4 * math.sqrt(2 * len(off))


def test_runs_without_room_for_off_regions_are_left_out_with_a_reason(make_folder):
    folder = make_folder(runs=1, offset_deg=0.1, seed=2)
    found = find_observations([folder], NAME, None, offset_max_deg=1.5)
    assert offset_deg(found.observations[0], found.source) == pytest.approx(0.1, abs=1e-4)
    assert largest_radius_deg(0.1, 1) == pytest.approx(0.1)
    with pytest.raises(ValueError, match=r"100: no room for an OFF region: the source is 0\.10 deg off"):
        reduce(found.observations, found.source, SETTINGS)
