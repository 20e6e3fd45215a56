"""The events of two folders of DL3, compared event by event."""

import shutil

import numpy as np
import pytest
from astropy.io import fits

from stereo_tasks.qa.difference import compare, numbers
from stereo_tasks.qa.dl3 import open_observations


@pytest.fixture
def changed(crab_fixed, tmp_path):
    """The Crab's night with ten events of the first run moved and at other energies, and five of them left out."""
    folder = tmp_path / "changed"
    shutil.copytree(crab_fixed, folder)
    (path,) = folder.glob("dl3_*Run01622*")
    with fits.open(path, mode="update") as hdus:
        events = hdus["EVENTS"].data
        events["ENERGY"][:10] *= 1.1
        events["DEC"][:10] += 0.02
        hdus["EVENTS"].data = events[5:]
    return folder


def test_lost_and_changed_events_are_counted_with_their_shifts(crab_fixed, changed):
    first, second = compare(open_observations(crab_fixed), open_observations(changed))
    assert (first.obs_id, first.lost, first.gained, first.changed) == (1622, 5, 0, 5)
    assert first.energy_shift_max == pytest.approx(0.1, rel=1e-3)
    assert first.direction_shift_max_deg == pytest.approx(0.02, rel=1e-3)
    assert (second.before, second.lost, second.gained, second.changed) == (second.after, 0, 0, 0)


def test_a_run_that_only_one_has_is_gained_or_lost_as_a_whole(crab_fixed):
    observations = open_observations(crab_fixed)
    only = [one for one in observations if int(one.obs_id) == 1623]
    gained = next(run for run in compare(only, observations) if run.obs_id == 1622)
    assert gained.before == gained.lost == 0
    assert gained.gained == gained.after > 0


def test_significance_and_spectrum_are_those_of_the_injected_source(crab_fixed, qa_settings):
    found = numbers(open_observations(crab_fixed), qa_settings)
    assert found.rate_hz == pytest.approx(found.events / found.live_time_s)
    assert found.significance > 10
    assert np.isclose(found.index, 2.5, atol=4 * found.index_error)
