"""Profiles of subruns whose searches began at other offsets."""

import numpy as np
import pandas as pd
import pytest
from dl2_tables import feature, profile

from stereo_tasks.datasets import coincidences

PEAK_US = -3.2


def profiles():
    """Three subruns whose grids begin at -4.1, -3.8 and -4.5 us."""
    grids = [np.arange(begin, begin + 1.75, 0.1) for begin in (-4.1, -3.8, -4.5)]
    return [profile(grid, PEAK_US) for grid in grids]


def test_profiles_are_summed_by_offset_on_shifting_grids():
    found = profiles()
    total = coincidences.summed(pd.concat(coincidences.profile(one, 1622, i) for i, one in enumerate(found)))
    assert total["time_offset"].is_monotonic_increasing
    assert total["time_offset"].is_unique
    for name in ("n_coincidence_tel12", "n_coincidence_tel13"):
        assert total[name].sum() == sum(one[name].sum() for one in found)
    assert total.loc[total["n_coincidence_tel12"].idxmax(), "time_offset"] == PEAK_US
    assert total["n_coincidence_tel12"].max() == 300
    # The seed's way: by the number of the row. The peaks lie side by side.
    rows = sum(one["n_coincidence_tel12"].to_numpy() for one in found)
    assert rows.max() < 200


def test_an_offset_that_one_telescope_lacks_has_no_coincidences_there():
    one = profile(np.arange(-4, -3, 0.1), PEAK_US)
    other = one[["time_offset", "n_coincidence_tel12"]].iloc[:3]
    table = other.merge(one[["time_offset", "n_coincidence_tel13"]], how="outer")
    found = coincidences.profile(table, 1622, 0)
    assert found["n_coincidence_tel12"].tolist()[3:] == [0] * 7
    assert found["n_coincidence_tel12"].dtype == np.int64


def test_a_file_of_one_magic_telescope_has_zeros_for_the_other():
    table = profile(np.arange(-4, -3, 0.1), PEAK_US).drop(columns="n_coincidence_tel13")
    assert (coincidences.profile(table, 1622, 0)["n_coincidence_tel13"] == 0).all()


@pytest.mark.parametrize("begin_us", [-76039.3, -0.4, 118.8, 0.05])
def test_every_offset_has_a_step_of_its_own(begin_us):
    offsets = begin_us + 0.1 * np.arange(40)
    table = pd.DataFrame({"time_offset": offsets, "n_coincidence_tel12": 1, "n_coincidence_tel13": 2})
    assert (coincidences.profile(table, 1622, 0)["n_coincidence_tel12"] == 1).all()


def test_rows_tell_run_and_subrun():
    found = coincidences.feature(feature(1622), 1622, 7)
    assert found[["run", "subrun"]].drop_duplicates().to_numpy().tolist() == [[1622, 7]]
    assert found["average_offset"].tolist() == [-3.2, -3.19]
