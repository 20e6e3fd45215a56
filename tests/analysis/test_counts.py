"""ON and OFF are what plain counting of the events gives."""

from __future__ import annotations

import math

import numpy as np
import pytest
from simulated_dl3 import DEADC, NAME, cut_deg

from stereo_tasks.analysis.counts import Counts, count, excess_table
from stereo_tasks.analysis.observations import find_observations
from stereo_tasks.analysis.off_regions import off_positions
from stereo_tasks.analysis.reduction import reduce, stack
from stereo_tasks.analysis.settings import read_settings

SETTINGS = read_settings()
_ENERGY = np.geomspace(0.02, 50, 35)


def _reduced(folder):
    found = find_observations([folder], NAME, None, offset_max_deg=1.5)
    return found, reduce(found.observations, found.source, SETTINGS)


def _plain(reduction, source, kind):
    """Count in numpy alone, in the energies that the masks leave."""
    on = off = 0
    for observation, dataset in zip(reduction.observations, reduction.datasets, strict=True):
        events = observation.events.table
        energy = np.asarray(events["ENERGY"])
        low, high = (edge.to_value("TeV") for edge in dataset.energy_range_total)
        position = observation.events.radec
        centers = np.sqrt(_ENERGY[1:] * _ENERGY[:-1])
        bins = np.clip(np.digitize(energy, _ENERGY) - 1, 0, len(centers) - 1)
        radius = cut_deg(centers[bins], kind)
        inside = (energy >= low) & (energy < high)
        on += int((inside & (position.separation(source).deg <= radius)).sum())
        for centre in off_positions(observation, source, reduction.off_regions):
            off += int((inside & (position.separation(centre).deg <= radius)).sum())
    return on, off


@pytest.mark.parametrize("kind", ["table", "fixed", "full"])
def test_on_and_off_equal_plain_counting(make_folder, kind):
    found, reduction = _reduced(make_folder(runs=2, amplitude=1e-10, background_hz=4.0, kind=kind, seed=21))
    counts = count(reduction.datasets, reduction.off_regions)
    on, off = _plain(reduction, found.source, kind)
    # Circles are pixels of 0.01 deg for gammapy only where it looks for overlaps, not where it counts.
    assert (counts.on, counts.off) == pytest.approx((on, off), abs=2)
    assert counts.alpha == 1 / reduction.off_regions
    assert counts.live_time_s == pytest.approx(2 * 1200 * DEADC, rel=1e-4)


def test_stacking_keeps_counts_acceptance_and_live_time(strong):
    _, reduction = _reduced(strong)
    stacked = stack(reduction.datasets, "all")
    alone, together = (count(part, reduction.off_regions) for part in (reduction.datasets, [stacked]))
    assert (together.on, together.off) == (alone.on, alone.off)
    assert together.live_time_s == pytest.approx(alone.live_time_s)
    assert np.nansum(stacked.background.data) == pytest.approx(alone.background)


def test_significance_is_that_of_li_and_ma():
    """Equation 17, written out."""
    n_on, n_off, alpha = 45, 60, 1 / 3
    on = n_on * math.log((1 + alpha) / alpha * n_on / (n_on + n_off))
    off = n_off * math.log((1 + alpha) * n_off / (n_on + n_off))
    assert Counts(n_on, n_off, alpha, 1.0).significance_sigma == pytest.approx(math.sqrt(2 * (on + off)))
    assert Counts(10, 60, alpha, 1.0).significance_sigma < 0
    assert Counts(0, 0, alpha, 1.0).significance_sigma == 0


def test_excess_grows_with_live_time(strong):
    _, reduction = _reduced(strong)
    table = excess_table(reduction.datasets, reduction.off_regions)
    assert list(table["obs_id"]) == [100, 101, 102, 103]
    assert np.allclose(np.cumsum(table["excess"]), table["total_excess"])
    assert np.allclose(np.cumsum(table["live_time"].to_value("s")), table["total_live_time"].to_value("s"))
    assert (np.diff(table["total_significance"]) > 0).all()
    assert len({float(one) for one in table["alpha"]}) == 1
