"""Defects that analyses of MAGIC + LST-1 had before: each test fails where one is made again.

Others stand where they belong: five OFF regions that see the source (test_off_regions), a mean that is called a
constant fit and a curvature for log10 (test_spectrum), bad runs that are kept (test_analyse).
"""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from simulated_dl3 import DEADC, NAME

from stereo_tasks.analysis.counts import count
from stereo_tasks.analysis.observations import find_observations
from stereo_tasks.analysis.pictures import energy_tev, frequency_hz
from stereo_tasks.analysis.reduction import reduce
from stereo_tasks.analysis.settings import read_settings

SETTINGS = read_settings()


def _reduced(*folders):
    found = find_observations(folders, NAME, None, offset_max_deg=1.5)
    return found, reduce(found.observations, found.source, SETTINGS)


def test_live_time_is_not_told_from_the_gaps_between_the_events_that_are_left(make_folder):
    """Of few events, gaps below 0.01 s (lstchain's effective time of all triggers) are next to nothing."""
    found, reduction = _reduced(make_folder(runs=1, seed=81))
    times_s = found.observations[0].events.time.unix
    gaps_s = np.diff(np.sort(times_s))
    assert gaps_s[gaps_s < 0.01].sum() < 0.05 * 1200
    assert count(reduction.datasets, reduction.off_regions).live_time_s == pytest.approx(1200 * DEADC, rel=1e-6)


def test_each_run_has_its_own_theta_cut(make_folder):
    """Not that of the first run: narrow for all, counts would be lost; wide, the effective area would not fit."""
    wide = make_folder(runs=1, kind="fixed", amplitude=3e-10, background_hz=0.0, seed=82)
    narrow = make_folder(runs=1, kind="fixed", amplitude=3e-10, background_hz=0.0, seed=82, first_run=200)
    (path,) = narrow.glob("run*.fits")
    with fits.open(path, mode="update") as hdus:
        for name in ("EFFECTIVE AREA", "ENERGY DISPERSION"):
            if "RAD_MAX" in hdus[name].header:
                hdus[name].header["RAD_MAX"] = 0.05
    _, reduction = _reduced(wide, narrow)
    first, second = (count([dataset], reduction.off_regions).on for dataset in reduction.datasets)
    # Within 0.05 and 0.14 deg of a Gaussian of 0.05 deg: 39 and 98 %.
    assert second / first == pytest.approx((1 - np.exp(-0.5)) / (1 - np.exp(-0.5 * 2.8**2)), abs=0.04)


def test_each_run_is_taken_with_its_own_pointing_and_the_source_where_it_is(make_folder):
    """A wrong position in the header of the first run moves no region if the position is known."""
    from astropy.coordinates import SkyCoord

    folder = make_folder(runs=2, amplitude=1e-10, seed=83)
    right, _ = _reduced(folder)
    with fits.open(folder / "run100.fits", mode="update") as hdus:
        hdus["EVENTS"].header["RA_OBJ"] += 0.3
    known = SkyCoord(right.source.ra, right.source.dec)
    found = find_observations([folder], NAME, known, offset_max_deg=1.5)
    reduction = reduce(found.observations, found.source, SETTINGS)
    alone = [count([dataset], reduction.off_regions).excess for dataset in reduction.datasets]
    assert alone[0] == pytest.approx(alone[1], rel=0.2)


def test_all_energies_with_effective_area_are_in_the_fit(strong):
    """Not a range that is cut by hand: of each run those with 10 % of the largest effective area, and no others."""
    found, reduction = _reduced(strong)
    for observation, dataset in zip(found.observations, reduction.datasets, strict=True):
        energy = dataset.counts.geom.axes["energy"].center
        area = observation.aeff.evaluate(energy_true=energy, offset=0.4 * u.deg).to_value("m2").squeeze()
        expected = area > SETTINGS.aeff_percent_min / 100 * observation.aeff.quantity.max().to_value("m2")
        # gammapy masks by the edges of the bins: one bin at each end may differ.
        assert np.abs(dataset.mask_safe.data.squeeze().astype(int) - expected.astype(int)).sum() <= 2


def test_the_axis_of_frequencies_is_planck_s():
    """1 TeV is 2.418e26 Hz; it was once drawn 1e12 times too high."""
    assert float(frequency_hz(np.array(1.0))) == pytest.approx(2.418e26, rel=1e-3)
    assert float(energy_tev(frequency_hz(np.array(0.3)))) == pytest.approx(0.3)
