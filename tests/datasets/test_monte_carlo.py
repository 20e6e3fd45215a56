"""Showers whose run and number come back at another pointing."""

import numpy as np
import pandas as pd
import pytest
from dl2_tables import make_dl2

from stereo_tasks.datasets.combinations import EVENT
from stereo_tasks.datasets.monte_carlo import mean_showers, merged_images

IMAGE = [*EVENT, "tel_id"]


def simulated(azimuth_deg, energy_tev, seed):
    """Showers of a pointing, all of one energy."""
    table = make_dl2(run=106, events=300, seed=seed).drop(columns=["timestamp", "obs_id_magic", "event_id_magic"])
    table = table.drop(columns=["obs_id_lst", "event_id_lst", "time_diff"]).assign(
        obs_id=106, pointing_alt=np.radians(66), pointing_az=np.radians(azimuth_deg), reco_energy=energy_tev,
        true_energy=energy_tev, reco_alt=66.3, reco_az=azimuth_deg, true_alt=66.4, true_az=azimuth_deg,
        magic_stereo=True,
    )  # fmt: skip
    return table.drop_duplicates(IMAGE, keep="first")


@pytest.fixture
def two():
    """The same runs and events at two azimuths."""
    return pd.concat([simulated(100.0, 1.0, 1), simulated(248.1, 10.0, 2)], ignore_index=True)


def test_showers_of_two_pointings_are_not_mixed(two):
    merged = merged_images(two)
    assert len(merged) == len(two)
    assert (merged["obs_id"] == 106).all()
    means = mean_showers(merged, "simple", None)
    shower = [*EVENT, "pointing_az"]
    assert len(means) == len(two.drop_duplicates(shower))
    np.testing.assert_allclose(means["reco_energy"], means["true_energy"], rtol=1e-12)
    assert sorted(means["true_energy"].round(6).unique()) == [1.0, 10.0]
    # The seed's way: by run and event alone; energies between the two come out.
    seeds = two.groupby(EVENT)["true_energy"].mean()
    assert ((seeds > 1.1) & (seeds < 9.9)).any()


def test_the_order_of_the_files_does_not_matter(two):
    merged = merged_images(two.sample(frac=1, random_state=3))
    pd.testing.assert_frame_equal(merged, merged_images(two))


def test_simulated_rows_are_complemented(two):
    merged = merged_images(two)
    np.testing.assert_allclose(merged["pointing_zd"], 24, rtol=1e-6)
    np.testing.assert_allclose(merged["theta2_on"], 0.01, rtol=1e-6)
    assert merged["magic_stereo"].dtype == bool
    means = mean_showers(merged, "intensity", "disp_diff_mean < 0.22")
    np.testing.assert_allclose(means["reco_zd"], 23.7, rtol=1e-6)
    assert 0 < len(means) < len(mean_showers(merged, "intensity", None))
