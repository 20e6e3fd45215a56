"""The chains of analysis, event by event."""

import numpy as np
import pytest
from common_sample import LST_FACTOR, MAGIC_FACTOR, common_sample, ids
from matplotlib.figure import Figure

from stereo_tasks.datasets.errors import DatasetError
from stereo_tasks.summary.chains import joined, wanted
from stereo_tasks.summary.distributions import Distributions
from stereo_tasks.summary.maps import Maps


def selected(tables):
    return {kind: table[wanted(kind, tuple(table))] for kind, table in tables.items()}


@pytest.fixture(scope="module")
def tables():
    return selected(common_sample(1500))


@pytest.fixture(scope="module")
def events(tables):
    return joined(tables)


def test_events_are_joined_by_their_ids_and_not_by_their_order(tables, events):
    assert set(events.index) == ids(tables["mean"])
    known = events["melibea_reco_energy"].notna()
    ratio = events["melibea_reco_energy"] / events["stereo_reco_energy"]
    assert np.allclose(ratio[known], MAGIC_FACTOR, rtol=1e-4)
    row_by_row = tables["melibea"]["reco_energy"].to_numpy() / tables["mean"]["reco_energy"].to_numpy()
    assert np.nanstd(row_by_row) > 0.5


def test_ratios_are_of_known_energies_and_say_what_is_divided_by_what(events):
    # All like gammas, so that every energy counts.
    found = Distributions(["stereo", "lst", "melibea"], 0.04)
    found.fill(events.assign(stereo_gammaness=np.float32(0.9)))
    medians = found.numbers()["median_of_energy_ratio"]
    assert medians["MAGIC + LST-1 / LST-1 alone"] == pytest.approx(1 / LST_FACTOR, abs=0.01)
    assert medians["MAGIC + LST-1 / MAGIC alone"] == pytest.approx(1 / MAGIC_FACTOR, abs=0.01)
    assert medians["LST-1 alone / MAGIC alone"] == pytest.approx(LST_FACTOR / MAGIC_FACTOR, abs=0.01)
    number = found.ratios["stereo", "melibea"].counts.sum()
    assert number == events["melibea_reco_energy"].notna().sum() < len(events)


def test_the_excess_has_the_gammaness_of_gamma_rays(events):
    found = Distributions(["stereo"], 0.04)
    found.fill(events)
    excess, all_events = found.excess["stereo"], found.gammaness["stereo"]
    assert all_events.counts.sum() == len(events)
    mean = (excess.counts * excess.centers()).sum() / excess.counts.sum()
    assert mean == pytest.approx(0.8, abs=0.03)  # that of the gamma rays; hadrons have 0.3
    assert (all_events.counts * all_events.centers()).sum() / len(events) < 0.65


def test_maps_are_not_mirrored(events):
    """A histogram of two dimensions is drawn row by row: what lies North would lie West."""
    maps = Maps(83.6331, 22.0145)
    maps.fill(events.assign(core_x=100.0, core_y=-200.0))
    north, west = np.nonzero(maps.cores["data"].counts)
    histogram = maps.cores["data"]
    assert (histogram.centers(0)[north[0]], histogram.centers(1)[west[0]]) == pytest.approx((99, -201))
    figure = Figure()
    (cores,) = [result for result in maps.results() if result.name == "cores"]
    cores.draw(figure)
    axes = figure.axes[0]
    drawn = axes.collections[0].get_array()
    row, column = np.argwhere(~np.ma.getmaskarray(drawn))[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("to the North (m)", "to the West (m)")
    assert (histogram.centers(0)[column], histogram.centers(1)[row]) == pytest.approx((99, -201))
    assert (cores.table["north"][0], cores.table["west"][0]) == pytest.approx((99, -201))


def test_the_source_is_where_it_is_expected(events):
    maps = Maps(83.6331, 22.0145)
    maps.fill(events)
    counts = maps.sky.counts
    middle = np.unravel_index(counts.argmax(), counts.shape)
    assert abs(maps.sky.centers()[list(middle)]).max() < 0.06


def test_a_data_set_of_another_kind_is_named(tables):
    with pytest.raises(DatasetError, match="mean data set lacks gammaness: make it again"):
        wanted("mean", tuple(name for name in tables["mean"] if name != "gammaness"))


def test_only_events_of_all_chains_are_taken(tables):
    fewer = {**tables, "lst": tables["lst"].iloc[10:]}
    assert len(joined(fewer)) == len(tables["mean"]) - 10


def test_numbers_are_of_all_nights(events):
    found = Distributions(["stereo"], 0.04)
    for part in np.array_split(np.arange(len(events)), 3):
        found.fill(events.iloc[part])
    fraction = found.numbers()["fraction_of_gammaness_above_0.5"]["MAGIC + LST-1"]
    assert fraction == pytest.approx((events["stereo_gammaness"] > 0.5).mean())
