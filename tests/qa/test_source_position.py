"""Is the source where it is supposed to be?"""

from __future__ import annotations

import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

from stereo_tasks.qa.dl3 import open_observations
from stereo_tasks.qa.source_position import excess_offset_deg

CRAB = SkyCoord(83.6331, 22.0145, unit="deg")


@pytest.mark.parametrize("angle_deg", [0, 130, 260])
@pytest.mark.parametrize("shift_deg", [0.0, 0.25])
def test_the_excess_is_found_where_it_is(crab_fixed, shift_deg, angle_deg):
    supposed = CRAB.directional_offset_by(angle_deg * u.deg, shift_deg * u.deg)
    for observation in open_observations(crab_fixed):
        assert excess_offset_deg(observation, supposed, 5.0) == pytest.approx(shift_deg, abs=0.02)


def test_without_a_significant_excess_nothing_is_known(make_night):
    for observation in open_observations(make_night(flux=1e-16, seconds=300, seed=5)):
        assert excess_offset_deg(observation, CRAB, 5.0) is None
