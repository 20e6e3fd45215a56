"""Simulated gamma rays beside the data."""

import math

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from stereo_tasks.datasets.errors import DatasetError
from stereo_tasks.summary.simulated import Simulated, Simulation, shares, weights


def showers(n=40_000, seed=1):
    """Of E^-2 from 0.1 to 10 TeV; reconstructed with 20 % too much, and a spread of 15 %."""
    rng = np.random.default_rng(seed)
    true = 1 / rng.uniform(1 / 10, 1 / 0.1, n)
    energy = true * 1.2 * np.exp(rng.normal(0, 0.15, n))
    return pd.DataFrame({"true_energy": true, "stereo_reco_energy": energy, "stereo_gammaness": rng.uniform(0, 1, n)})


def test_weights_make_the_spectrum_of_the_crab_nebula_of_the_simulated_one():
    true = showers()["true_energy"].to_numpy()
    weight = weights(true, Simulation(-2.0, 1e5), 1.0)

    def ratio(weight):
        """Of the numbers at 0.3 TeV and at 3 TeV, in bins of one width in log E."""
        low, high = (np.abs(np.log(true / energy)) < 0.3 for energy in (0.3, 3.0))
        return np.sum(low * weight) / np.sum(high * weight)

    # MAGIC 2015: index 2.47, curvature 0.24 (of log10) at 1 TeV: E dN/dE falls by this from 0.3 to 3 TeV.
    slopes = [(-2.47 - 0.24 * math.log10(energy)) * math.log10(energy) for energy in (0.3, 3.0)]
    expected = 10 ** (slopes[0] - slopes[1]) * 0.1
    assert ratio(weight) == pytest.approx(expected, rel=0.1)
    assert ratio(np.ones(len(true))) == pytest.approx(10, rel=0.1)


def test_a_run_is_compared_with_the_node_next_to_it():
    runs = Table({"zenith": [23.0, 52.0], "azimuth": [101.0, 250.0], "live_time": [1200.0, 400.0],
                  "start": [0.0, 0.0], "stop": [1.0, 1.0]})  # fmt: skip
    nodes = {"low": (24.0, 100.0), "middle": (43.2, 110.0), "high": (50.0, 251.0), "other_side": (23.0, 260.0)}
    assert shares(runs, nodes) == pytest.approx({"low": 0.75, "middle": 0, "high": 0.25, "other_side": 0})


def test_the_weights_of_nodes_are_their_share_of_the_time_for_each_shower_thrown():
    true = np.array([1.0])
    one, another = (weights(true, Simulation(-2.0, thrown), 0.5) for thrown in (1e5, 2e5))
    assert one / another == pytest.approx(2)


def test_cuts_keep_the_fraction_that_they_say():
    simulated = Simulated()
    simulated.fill(showers(), np.ones(40_000))
    table = simulated.cuts_table()
    some = table["showers"] > 1000
    assert np.asarray(table["gammaness_90"][some]) == pytest.approx(0.1, abs=0.03)
    assert np.asarray(table["gammaness_68"][some]) == pytest.approx(0.32, abs=0.04)
    assert np.isnan(table["gammaness_90"][table["showers"] == 0]).all()


def test_migration_is_by_true_energy():
    simulated = Simulated()
    simulated.fill(showers(), np.ones(40_000))
    _, migration = simulated.results()
    table = migration.table
    sums = [table["fraction"][table["true_energy"] == true].sum() for true in set(table["true_energy"])]
    assert sums == pytest.approx(np.ones(len(sums)), abs=1e-9)
    counts = simulated.migration.counts
    true, reco = (np.sum(counts.sum(axis=axis) * np.arange(len(counts))) / counts.sum() for axis in (1, 0))
    assert reco > true  # 20 % too much


def test_all_runs_of_a_node_are_counted():
    config = pd.DataFrame({"spectral_index": [-2.0], "n_showers": [1000], "shower_reuse": [10]})
    assert Simulation.of(config, 3, "dl2_gamma_x.h5") == Simulation(-2.0, 30_000.0)


def test_a_table_that_tells_no_spectrum_is_named():
    with pytest.raises(DatasetError, match=r"dl2_gamma_x\.h5: simulation/config lacks 'spectral_index'"):
        Simulation.of(pd.DataFrame({"n_showers": [1], "shower_reuse": [1]}), 1, "dl2_gamma_x.h5")
