"""Excess, cuts and sensitivity: what was wrong in the notebooks that they were made with before fails here."""

import numpy as np
import pandas as pd
import pytest

from stereo_tasks.summary.excess import (
    ENERGIES_TEV,
    HOURS,
    THETA2_DEG2,
    Counts,
    OnOff,
    best_cut,
    clear_angle_deg,
    resolution_deg,
    sensitivity,
    within_cuts,
)

CLEAR_DEG = 0.28


def events(rng, signal=0, background=20_000, *, gammaness=0.8, psf_deg=0.07):
    """Events of 1 TeV: background that is even in theta2 to 0.16 deg2, ON and in three OFF regions, and a signal."""
    n = signal + background
    is_signal = np.arange(n) < signal
    on = np.where(is_signal, rng.exponential(2 * psf_deg**2, n), rng.uniform(0, 0.16, n))
    table = {
        "stereo_reco_energy": np.full(n, 1.0),
        "stereo_gammaness": np.where(is_signal, np.clip(rng.normal(gammaness, 0.05, n), 0, 1), rng.uniform(0, 1, n)),
        "stereo_theta2_on": on,
        "stereo_off_regions": np.full(n, 3),
        **{f"stereo_theta2_off{i}": np.where(is_signal, 1.0, rng.uniform(0, 0.16, n)) for i in (1, 2, 3)},
    }
    return pd.DataFrame(table).sample(frac=1, random_state=1)


def counted(table, clear_deg=CLEAR_DEG):
    filled = OnOff()
    filled.fill(table, "stereo", clear_deg)
    return filled


@pytest.mark.parametrize(("regions", "clear_deg"), [(1, 0.4), (3, 0.2828), (5, 0.2)])
def test_regions_end_where_they_would_touch_each_other_and_the_source(regions, clear_deg):
    at = {"stereo_pointing_ra": [83.6331], "stereo_pointing_dec": [22.4145], "stereo_off_regions": [regions]}
    found = clear_angle_deg(pd.DataFrame(at), 83.6331, 22.0145)
    assert found == pytest.approx(clear_deg, abs=1e-4)


def test_nothing_is_counted_beyond_the_clear_angle():
    filled = counted(events(np.random.default_rng(1)), clear_deg=0.2)
    assert filled.counts().on.shape[2] == np.count_nonzero(THETA2_DEG2[1:] <= 0.04 + 1e-9)
    # A night of one OFF region more narrows it for all: regions of 0.28 deg would see the source there.
    filled.fill(events(np.random.default_rng(2)), "stereo", 0.15)
    assert THETA2_DEG2[filled.counts().on.shape[2]] <= 0.15**2 + 1e-9


def test_events_without_an_off_region_are_no_excess():
    table = events(np.random.default_rng(1), signal=500, background=0).assign(stereo_off_regions=0)
    assert counted(table).counts().on.sum() == 0


def test_a_grid_with_values_that_are_not_numbers_has_the_best_of_the_others():
    """Where there is no OFF event, the sensitivity is not known: the smallest value is not there."""
    counts = within_cuts(counted(events(np.random.default_rng(1), signal=800, background=3000)).counts())
    values = sensitivity(counts, 1.0)
    assert np.isnan(values).any()
    cut = best_cut(counts, 1.0)
    assert 0.5 < cut.gammaness < 0.9
    assert np.isfinite(values[cut.gammaness_bin, cut.theta2_bin])
    none = Counts(*(np.zeros_like(counts.on) for _ in range(3)))
    assert best_cut(none, 1.0) is None


def test_cuts_are_judged_by_events_that_they_were_not_chosen_for():
    """There is no source: the best cut of the events themselves seems to see one, and the other half does not."""
    judged, themselves = [], []
    for seed in range(6):
        filled = counted(events(np.random.default_rng(seed), background=1500))
        cut = best_cut(within_cuts(filled.counts(0)), 1.0)
        at = cut.gammaness_bin, cut.theta2_bin
        for found, half in ((themselves, 0), (judged, 1)):
            counts = within_cuts(filled.counts(half))
            found.append(
                float(Counts(*(one[at][None] for one in (counts.on, counts.background, counts.off))).significance[0])
            )
    assert np.mean(themselves) > 1.2
    assert abs(np.mean(judged)) < 1


def test_a_flux_that_is_detected_has_ten_events_and_five_percent_of_the_background():
    few = Counts(np.array([1000.0]), np.array([0.02]), np.array([10.0]))
    assert 1000 * sensitivity(few, HOURS)[0] == pytest.approx(10, rel=0.01)
    many = Counts(np.array([1.2e6]), np.array([1e6]), np.array([3e6]))
    assert 2e5 * sensitivity(many, HOURS)[0] == pytest.approx(0.05 * 1e6, rel=0.01)
    # In between, 5 sigma decide: 1000 events of background, of which five times as many are known.
    between = Counts(np.array([2000.0]), np.array([1000.0]), np.array([3000.0]))
    assert 1000 * sensitivity(between, HOURS)[0] == pytest.approx(5 * np.sqrt(1000 * 1.2), rel=0.06)


def test_a_background_of_few_events_is_not_known():
    assert np.isnan(sensitivity(Counts(np.array([50.0]), np.array([1.0]), np.array([3.0])), 1.0)).all()


def test_each_chain_has_the_cut_that_is_best_for_it():
    rng = np.random.default_rng(4)
    cuts = [
        best_cut(within_cuts(counted(events(rng, 800, 3000, gammaness=gammaness)).counts(0)), 1.0)
        for gammaness in (0.9, 0.6)
    ]
    assert cuts[0].gammaness > 0.75 > 0.65 > cuts[1].gammaness > 0.4


def test_the_angular_resolution_is_that_of_the_excess():
    """With twice as much background as signal, 68 % of all ON events lie in a circle that is twice as wide."""
    table = events(np.random.default_rng(5), signal=4000, background=16_000, psf_deg=0.066)
    counts = counted(table).counts()
    energy = int(np.searchsorted(ENERGIES_TEV, 1.0)) - 1
    by_theta2 = Counts(*(one[energy].sum(axis=0) for one in (counts.on, counts.background, counts.off)))
    found, error = resolution_deg(by_theta2)
    assert found == pytest.approx(0.066 * 1.515, abs=3 * error)
    assert error < 0.006
    without = Counts(by_theta2.on, np.zeros_like(by_theta2.on), np.zeros_like(by_theta2.on))
    all_on = np.sqrt(np.interp(0.68, np.cumsum(without.on) / without.on.sum(), THETA2_DEG2[1 : len(without.on) + 1]))
    assert all_on > 1.7 * found


def test_a_fluctuation_has_no_angular_resolution():
    counts = counted(events(np.random.default_rng(6), signal=20)).counts()
    assert np.isnan(
        resolution_deg(Counts(*(one.sum(axis=(0, 1)) for one in (counts.on, counts.background, counts.off))))
    ).all()
