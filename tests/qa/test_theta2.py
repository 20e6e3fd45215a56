"""Theta2 and its significance."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from stereo_tasks.qa.dl3 import open_observations, pointing_of
from stereo_tasks.qa.theta2 import Excess, make_theta2, off_positions, off_regions_possible

CRAB = SkyCoord(83.6331, 22.0145, unit="deg")


@pytest.mark.parametrize(
    ("n_on", "n_off", "alpha"), [(100, 150, 0.5), (24, 20, 1 / 3), (2000, 300, 1 / 3), (5, 90, 1 / 3), (12, 0, 1 / 3)]
)
def test_significance_is_equation_17_of_li_and_ma(n_on, n_off, alpha):
    total = n_on + n_off
    terms = n_on * np.log((1 + alpha) / alpha * n_on / total)
    if n_off:
        terms += n_off * np.log((1 + alpha) * n_off / total)
    excess = Excess(n_on, n_off, alpha)
    assert excess.significance == pytest.approx(np.sign(n_on - alpha * n_off) * np.sqrt(2 * terms), abs=1e-6)
    assert excess.excess == pytest.approx(n_on - alpha * n_off)
    assert excess.error == pytest.approx(np.sqrt(n_on + alpha**2 * n_off))


def test_nothing_counted_is_no_significance():
    assert Excess(0, 0, 1 / 3).significance == 0


@pytest.mark.parametrize("number", [1, 2, 3, 5])
def test_off_positions_share_the_circle_of_the_source(number):
    pointing = SkyCoord(83.5, 22.4, unit="deg")
    positions = off_positions(CRAB, pointing, number)
    assert positions.separation(pointing).deg == pytest.approx(CRAB.separation(pointing).deg)
    angles = np.sort(np.append(pointing.position_angle(positions).deg, pointing.position_angle(CRAB).deg))
    assert np.diff(angles) == pytest.approx(360 / (number + 1))


@pytest.mark.parametrize(
    ("offset_deg", "cut_deg", "regions"), [(0.4, 0.2, 3), (0.4, 0.3, 2), (0.4, 0.38, 1), (0.4, 0.41, 0), (0.0, 0.1, 0)]
)
def test_off_regions_never_overlap(offset_deg, cut_deg, regions):
    assert off_regions_possible(offset_deg, cut_deg, wished=3) == regions


@pytest.mark.parametrize("folder", ["crab_fixed", "crab_dynamic"])
def test_the_cut_of_the_irfs_is_applied_as_gammapy_does(folder, request, qa_settings):
    observations = open_observations(request.getfixturevalue(folder))
    theta2 = make_theta2(observations, CRAB, qa_settings.theta2)
    for observation in observations:
        positions = [CRAB, *off_positions(CRAB, pointing_of(observation), 3)]
        counts = [len(observation.events.select_rad_max(observation.rad_max, one).table) for one in positions]
        own = theta2.runs[int(observation.obs_id)]
        assert (own.n_on, own.n_off) == (counts[0], sum(counts[1:]))
    low, high = theta2.cut_deg
    assert high == pytest.approx(0.2, abs=0.01)
    assert low == pytest.approx(0.2 if folder == "crab_fixed" else 0.12, abs=0.01)


def test_the_distribution_holds_what_the_cut_counts(crab_fixed, qa_settings):
    theta2 = make_theta2(open_observations(crab_fixed), CRAB, qa_settings.theta2)
    inside = theta2.edges_deg2[1:] <= 0.04 + 1e-9
    assert theta2.on[inside].sum() == pytest.approx(theta2.total.n_on, abs=3)
    assert theta2.off[inside].sum() == pytest.approx(theta2.total.n_off, abs=3)
    assert theta2.off_regions == 3


def test_no_wobble_means_no_off_region(make_night, qa_settings):
    observations = open_observations(make_night(wobble_offset_deg=0.1, seconds=60, runs=1, background_hz=5))
    assert make_theta2(observations, CRAB, qa_settings.theta2) is None


def test_background_alone_is_no_signal(make_night, qa_settings):
    observations = open_observations(make_night(flux=1e-18, background_hz=5, seed=3))
    total = make_theta2(observations, CRAB, qa_settings.theta2).total
    assert total.n_off > 300
    assert abs(total.significance) < 4
