"""Closure of the spectrum: the injected power law comes back."""

from __future__ import annotations

from itertools import pairwise

import pytest
from astropy.coordinates import SkyCoord
from gammapy.stats import WStatCountsStatistic

from stereo_tasks.qa.dl3 import open_observations
from stereo_tasks.qa.flux_points import upper_limit
from stereo_tasks.qa.spectrum import SpectrumError, expected_significance, fit_power_law, measure_spectrum
from stereo_tasks.qa.theta2 import make_theta2

CRAB = SkyCoord(83.6331, 22.0145, unit="deg")


@pytest.mark.parametrize("folder", ["crab_fixed", "crab_dynamic"])
def test_injected_spectrum_comes_back(folder, request, qa_settings):
    observations = open_observations(request.getfixturevalue(folder))
    fit = fit_power_law(observations, CRAB, 3, qa_settings.spectrum)
    assert abs(fit.flux - 2.2e-10) < 4 * fit.flux_error
    assert abs(fit.index - 2.5) < 4 * fit.index_error
    assert fit.flux_error / fit.flux < 0.06
    assert fit.index_error < 0.06
    assert fit.sqrt_ts > 50
    assert fit.energy_min_tev < 0.1


def test_flux_points_follow_the_injected_spectrum(crab_dynamic, make_night, qa_settings):
    fit, points = measure_spectrum(open_observations(crab_dynamic), CRAB, 3, qa_settings.spectrum)
    assert fit == fit_power_law(open_observations(crab_dynamic), CRAB, 3, qa_settings.spectrum)
    measured = [point for point in points if not point.is_upper_limit]
    assert len(measured) >= 6
    pulls = [
        (point.sed - 2.2e-10 * (point.energy_tev / 0.5) ** -2.5 * point.energy_tev**2) / point.sed_error
        for point in measured
    ]
    assert max(map(abs, pulls)) < 4
    assert sum(pull**2 for pull in pulls) < 3 * len(pulls)
    assert all(one.energy_max_tev == pytest.approx(two.energy_min_tev) for one, two in pairwise(points))
    assert points[-1].is_upper_limit  # nobody sees this source at 20 TeV in half an hour
    assert points[-1].sed > 0


def test_a_limit_is_above_zero_with_fewer_events_than_the_background():
    for on, off in ((0, 3), (0, 30), (2, 30)):
        counts = WStatCountsStatistic(on, off, 1 / 3)
        assert upper_limit(counts) > 1
    excess = WStatCountsStatistic(12, 30, 1 / 3)
    assert upper_limit(excess) == pytest.approx(float(excess.compute_upper_limit(2)))


def test_a_hard_and_weaker_source(make_night, qa_settings):
    observations = open_observations(make_night(flux=5e-11, index=2.0, dynamic=True, seed=7))
    fit = fit_power_law(observations, CRAB, 3, qa_settings.spectrum)
    assert abs(fit.flux - 5e-11) < 4 * fit.flux_error
    assert abs(fit.index - 2.0) < 4 * fit.index_error


def test_expected_significance_is_what_is_measured(crab_fixed, qa_settings):
    observations = open_observations(crab_fixed)
    expected = expected_significance(observations, CRAB, 3, qa_settings.spectrum, flux=2.2e-10, index=2.5)
    measured = make_theta2(observations, CRAB, qa_settings.theta2).total.significance
    assert expected == pytest.approx(measured, rel=0.15)  # the fit range leaves out the lowest energies
    less = expected_significance(observations, CRAB, 3, qa_settings.spectrum, flux=2.2e-12, index=2.5)
    assert less < expected / 10


def test_a_short_night_without_a_single_off_count(make_night, qa_settings):
    observations = open_observations(make_night(flux=2e-9, background_hz=0.0, seconds=30, dynamic=True, seed=31))
    assert make_theta2(observations, CRAB, qa_settings.theta2).total.n_off == 0
    fit = fit_power_law(observations, CRAB, 3, qa_settings.spectrum)
    assert abs(fit.flux - 2e-9) < 4 * fit.flux_error
    assert abs(fit.index - 2.5) < 4 * fit.index_error
    assert fit.sqrt_ts > 10


def test_energies_without_monte_carlo_do_not_spoil_the_others(crab_fixed, qa_settings):
    observations = open_observations(crab_fixed)
    assert all((observation.aeff.data >= 0).all() for observation in observations)
    assert fit_power_law(observations, CRAB, 3, qa_settings.spectrum).energy_max_tev > 10


def test_overlapping_off_regions_are_refused(crab_fixed, qa_settings):
    with pytest.raises(SpectrumError, match="overlap"):
        fit_power_law(open_observations(crab_fixed), CRAB, 12, qa_settings.spectrum)
