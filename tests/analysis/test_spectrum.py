"""The spectrum that was put in comes out again."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from simulated_dl3 import NAME

from stereo_tasks.analysis.flux_points import common_energies, constant_fit, integral_flux, light_curve, sed_table
from stereo_tasks.analysis.observations import find_observations
from stereo_tasks.analysis.reduction import reduce, stack
from stereo_tasks.analysis.reference import crab_spectrum
from stereo_tasks.analysis.settings import read_settings
from stereo_tasks.analysis.spectrum import assumed_power_law, fit_log_parabola, fit_power_law
from stereo_tasks.analysis.times import start_of, stop_of

SETTINGS = read_settings()
TRUTH = {"amplitude_per_tev_cm2_s": 3.2e-10, "alpha": 2.4, "beta": 0.1}


def _reduced(folder):
    found = find_observations([folder], NAME, None, offset_max_deg=1.5)
    return reduce(found.observations, found.source, SETTINGS)


def _fitted(reduction):
    stacked = stack(reduction.datasets, "all")
    return stacked, fit_log_parabola(stacked, fit_power_law(stacked, SETTINGS), SETTINGS)


@pytest.mark.parametrize("kind", ["table", "fixed", "full"])
def test_the_injected_spectrum_comes_back(make_folder, kind):
    """Of each kind of IRFs, with errors below a tenth; the curvature is that of the natural logarithm."""
    _, spectrum = _fitted(_reduced(make_folder(runs=4, amplitude=3.2e-10, kind=kind, seed=31)))
    values = spectrum.as_dict()
    for name, truth in TRUTH.items():
        assert abs(values[name] - truth) < 3 * values[f"{name}_error"], (name, values)
    assert values["amplitude_per_tev_cm2_s_error"] < 0.1 * TRUTH["amplitude_per_tev_cm2_s"]
    assert values["beta_error"] < 0.05
    assert spectrum.stat < 3 * spectrum.bins
    assert values["probability"] > 1e-3


def test_flux_points_lie_on_the_injected_spectrum(strong):
    reduction = _reduced(strong)
    stacked, spectrum = _fitted(reduction)
    table = sed_table(stacked, spectrum.model, reduction.off_regions, SETTINGS)
    energy = table["e_ref"].to_value("TeV")
    truth = 3.2e-10 * energy ** (-2.4 - 0.1 * np.log(energy))
    seen = ~table["is_ul"]
    pull = ((table["dnde"].value - truth) / table["dnde_err"].value)[seen]
    assert seen.sum() >= 10
    assert (pull**2).sum() < seen.sum() + 4 * np.sqrt(2 * seen.sum())
    assert np.allclose((table["e_ref"] ** 2 * table["dnde"]).to_value("TeV cm-2 s-1"), table["e2dnde"].value)
    assert (table["dnde_ul"] > table["dnde"]).all()
    assert table["on"].sum() == stacked.counts.data[stacked.mask_safe.data].sum()


def test_a_source_without_flux_has_upper_limits_that_hold(make_folder):
    """Empty skies stay below 3 sigma, no limit is negative, and a weak source stays below its limits."""
    weak = assumed_power_law(SETTINGS)
    weak.amplitude.value = 1.6e-13  # 0.5 % of the Crab Nebula, in 20 minutes

    def fluxes(amplitude, seed):
        for number in range(8):
            reduction = _reduced(
                make_folder(runs=1, amplitude=amplitude, beta=0.0, alpha=2.5, background_hz=1.0, seed=seed + number)
            )
            edges = common_energies(reduction.datasets)
            (flux,) = integral_flux("all", "", reduction.datasets, weak, edges, reduction.off_regions, SETTINGS)
            yield flux

    for empty in fluxes(0.0, 500):
        assert abs(empty["significance"]) < 3
        assert empty["flux_ul"].value > 0
        assert empty["flux_ul"] > empty["flux"]
    assert sum(one["flux_ul"] > weak.integral(one["e_min"], one["e_max"]) for one in fluxes(1.6e-13, 600)) >= 7


def test_without_off_counts_there_is_a_flux(make_folder):
    """And its limit is that of so few counts, not infinite or missing."""
    reduction = _reduced(make_folder(runs=1, amplitude=3e-12, background_hz=0.0, seed=71))
    curve = light_curve(reduction.datasets, assumed_power_law(SETTINGS), reduction.off_regions, SETTINGS)
    assert list(curve["off"]) == [0, 0, 0]
    assert np.isfinite(curve["flux"].value).all()
    assert np.isfinite(curve["flux_ul"].value).all()
    assert curve["flux"][0] > 0


def test_a_single_bin_of_energy_has_a_flux_point(make_folder):
    one_bin = SETTINGS.model_copy(update={"energy_min_tev": 1.0, "energy_max_tev": 1.5})
    found = find_observations([make_folder(runs=1, seed=72)], NAME, None, offset_max_deg=1.5)
    reduction = reduce(found.observations, found.source, one_bin)
    table = sed_table(stack(reduction.datasets, "all"), assumed_power_law(one_bin), reduction.off_regions, one_bin)
    assert len(table) == 1
    assert table["on"][0] > 0


def test_a_flare_shows_in_the_light_curve_by_night(make_folder):
    folder = make_folder(runs=4, nights=[0, 0, 1, 2], factors=[1, 1, 1, 1.6], amplitude=1e-10, seed=41)
    reduction = _reduced(folder)
    _, spectrum = _fitted(reduction)
    curve = light_curve(reduction.datasets, spectrum.model, reduction.off_regions, SETTINGS)
    assert list(curve["bin"]) == ["run"] * 4 + ["night"] * 3 + ["all"]
    nights = curve[curve["bin"] == "night"]
    assert list(nights["name"]) == ["2024-01-10", "2024-01-11", "2024-01-12"]
    flux, error = nights["flux"].value, nights["flux_err"].value
    assert flux[2] / flux[:2].mean() == pytest.approx(1.6, rel=4 * (error / flux).max())
    assert constant_fit(curve, "night").probability < 1e-3
    assert constant_fit(curve[[0, 1, 2]], "run").probability > 1e-3
    assert nights["time_min"][0].startswith("2024-01-10T21:43:07")
    assert (nights["mjd_max"][0] - nights["mjd_min"][0]).to_value("s") == pytest.approx(1500 + 1200)
    assert {one[:19] for one in curve["time_min"][[0, 4, 7]]} == {"2024-01-10T21:43:07"}


@pytest.mark.parametrize("reference_mjd", [40587, 58392])
def test_times_are_those_of_the_clocks_from_whenever_they_count(make_folder, reference_mjd):
    """In files that count from 1970 gammapy is 29 s early; ours count from after the last leap second."""
    reduction = _reduced(make_folder(runs=1, seed=43, reference_mjd=reference_mjd))
    (dataset,) = reduction.datasets
    assert start_of(dataset).isot == "2024-01-10T21:43:07.000"
    assert stop_of(dataset).isot == "2024-01-10T22:03:07.000"
    early_s = (start_of(dataset) - dataset.gti.time_start[0]).to_value("s")
    assert early_s == pytest.approx(29 if reference_mjd == 40587 else 0, abs=1e-4)


def test_the_constant_fit_is_weighted_by_the_errors():
    from astropy.table import QTable

    unit = u.Unit("cm-2 s-1")
    curve = QTable({"bin": ["run"] * 3, "flux": [1.0, 2.0, 9.0] * unit, "flux_err": [0.5, 0.5, np.nan] * unit})
    fit = constant_fit(curve, "run")
    assert (fit.flux_per_cm2_s, fit.flux_error_per_cm2_s) == pytest.approx((1.5, 0.5 / np.sqrt(2)))
    assert (fit.chi2, fit.ndf) == pytest.approx((2.0, 1))


def test_the_curvature_of_the_published_crab_is_converted_from_log10():
    ten_tev = crab_spectrum()(10 * u.TeV).to_value("TeV-1 cm-2 s-1")
    assert ten_tev == pytest.approx(3.23e-11 * 10 ** (-2.47 - 0.24), rel=1e-6)
