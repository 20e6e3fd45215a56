"""Where and when: wobble positions, zenith tracks, and runs that cannot be."""

import datetime as dt

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from stereo_tasks.nights import Night
from stereo_tasks.simulate import NightSpec, RunSpec, SourceSpec, plan_runs
from stereo_tasks.simulate.pointing import start_time, track

CRAB = SkyCoord(83.633212 * u.deg, 22.01446 * u.deg)
NIGHT = Night("2024-01-10")


def crab(*runs):
    return SourceSpec(name="CrabNebula", ra_deg=CRAB.ra.deg, dec_deg=CRAB.dec.deg, spectrum=None, runs=runs)


@pytest.mark.parametrize("angle", [0.0, 35.0, 215.0])
def test_wobble_position_is_at_its_offset_and_angle(angle):
    run = RunSpec(zenith_deg=20, wobble_angle_deg=angle)
    where = track(crab(run), run, start_time(crab(run), run, NIGHT))
    pointing = SkyCoord(where.ra_deg * u.deg, where.dec_deg * u.deg)
    assert CRAB.separation(pointing).deg == pytest.approx(0.4)
    assert CRAB.position_angle(pointing).wrap_at(360 * u.deg).deg % 360 == pytest.approx(angle, abs=1e-6)
    # The source stays at the same distance from the camera's centre while the field turns.
    assert np.hypot(where.source_lat_deg, where.source_lon_deg) == pytest.approx(
        np.full(len(where.unix_s), 0.4), abs=1e-3
    )


@pytest.mark.parametrize(("branch", "east"), [("rising", True), ("setting", False)])
def test_run_is_where_the_source_has_the_wanted_zenith(branch, east):
    run = RunSpec(zenith_deg=25, branch=branch)
    start = start_time(crab(run), run, NIGHT)
    where = track(crab(run), run, start)
    middle = start.timestamp() + run.seconds / 2
    assert float(where.at("source_zenith_deg", middle)) == pytest.approx(25, abs=0.1)
    assert (float(where.at("az_deg", middle)) < 180) is east
    assert where.unix_s[0] <= start.timestamp() - 9
    assert where.unix_s[-1] >= start.timestamp() + run.seconds + 8


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (RunSpec(zenith_deg=2.0), "smallest zenith"),
        (RunSpec(start="2024-01-12T22:00:00Z"), "not in the night"),
        (RunSpec(start="2024-01-10T15:00:00Z"), "sun is up"),
        (RunSpec(start="2024-01-11T06:00:00Z"), "below 70 deg"),
    ],
)
def test_impossible_runs_say_why(run, message):
    with pytest.raises(ValueError, match=message):
        start_time(crab(run), run, NIGHT)


def test_overlapping_runs_are_refused_and_numbers_rise_with_time():
    late, early = RunSpec(zenith_deg=15), RunSpec(zenith_deg=30)
    planned = plan_runs(NightSpec(night="2024-01-10", sources=(crab(late, early),)))
    assert [p.index for p in planned] == [1, 0]
    assert planned[0].lst_run < planned[1].lst_run
    again = RunSpec(start=planned[0].start + dt.timedelta(seconds=5))
    with pytest.raises(ValueError, match="overlap"):
        plan_runs(NightSpec(night="2024-01-10", sources=(crab(early, again),)))


@pytest.mark.parametrize(
    "changes",
    [
        {"night": "2024-02-30"},
        {"magic_rate_hz": 0},
        {"lst_rate_hz": 1e6},
        {"faults": [{"kind": "lst_missing", "run": 4}]},
        {"faults": [{"kind": "lst_missing", "subrun": 9}]},
        {"faults": [{"kind": "lst_missing", "telescope": "M1"}]},
        {"typo": 1},
    ],
)
def test_bad_specs_are_refused(changes):
    with pytest.raises(ValueError, match=r".+"):
        NightSpec(**({"night": "2024-01-10", "sources": (crab(RunSpec(zenith_deg=20)),)} | changes))


def test_nights_do_not_share_run_numbers():
    run = RunSpec(zenith_deg=20)
    numbers = [
        {
            (p.lst_run, p.magic_run)
            for p in plan_runs(NightSpec(night=night, sources=(crab(run, RunSpec(zenith_deg=30)),)))
        }
        for night in ("2024-01-10", "2024-01-11", "2022-01-10")
    ]
    assert len(set.union(*numbers)) == 6
    assert all(5_000_000 < magic < 6_000_000 for _, magic in set.union(*numbers))


def test_naive_times_are_refused():
    with pytest.raises(ValueError, match="time zone"):
        RunSpec(start="2024-01-10T22:00:00")
