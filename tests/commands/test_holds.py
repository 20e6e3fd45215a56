"""``stereo hold`` and ``stereo release``: who, when, why, and what happens."""

from __future__ import annotations

import datetime as dt
import getpass
import subprocess
import sys
from pathlib import Path

import pytest

from stereo_tasks.catalog.holds import open_holds


@pytest.fixture
def night(scene):
    """A night of the log with two sources."""
    one = scene.night(3)
    scene.log(one)
    scene.log(one, "Mrk421")
    return one


def test_a_night_is_held_and_released(catalog, scene, stereo, night):
    text = stereo("hold", night, "--reason", "clouds", "--by", "ana")
    assert f"the night of {night} of mcp062 is held, by ana since" in text
    assert "not handed on or planned until `stereo release`" in text
    assert "held" in stereo("status", night)
    text = stereo("release", night, "--by", "ben")
    assert "is released; it was held, by ana since" in text
    assert "clouds" in text
    assert open_holds(catalog, "mcp062") == ()


def test_a_source_is_held_by_itself_until_a_date(catalog, scene, stereo, night):
    end = (scene.now + dt.timedelta(days=2)).date()
    text = stereo("hold", night, "--source", "Mrk421", "--reason", "wrong pointing", "--until", end)
    assert f"Mrk421 is left out of the night until {end} 00:00 UTC" in text
    (row,) = open_holds(catalog, "mcp062")
    assert (row.source, row.held_by) == ("Mrk421", getpass.getuser())
    assert row.until_utc == dt.datetime.combine(end, dt.time(), dt.UTC)
    assert "nobody holds the night" in stereo("release", night, code=1)
    assert "--source Mrk421" in stereo("release", night, code=1)
    stereo("hold", night, "--reason", "clouds")
    assert "still held: the whole night" in stereo("release", night, "--source", "Mrk421")


def test_what_cannot_be_held(scene, stereo, night):
    stereo("hold", night, "--reason", "clouds", "--by", "ana")
    text = stereo("hold", night, "--reason", "moon", code=1)
    assert "is held already, by ana" in text
    assert "clouds" in text
    assert "it has CrabNebula, Mrk421" in stereo("hold", night, "--source", "Crab", "--reason", "x", code=1)
    assert "needs a reason" in stereo("hold", night, "--source", "Mrk421", "--reason", " ", code=1)
    for until, word in (("2020-01-01", "passed"), ("soon", "no date")):
        assert word in stereo("hold", night, "--source", "Mrk421", "--reason", "x", "--until", until, code=1)
    assert "is not a night" in stereo("hold", "yesterday", "--reason", "x", code=1)


def test_a_hold_says_who_is_at_work(scene, stereo, night):
    scene.lock(night, 1, run="r7")
    assert "process_night/r7 works on the night since" in stereo("hold", night, "--reason", "clouds")


def test_the_command_line_has_both_commands(scene, night):
    """As a shell calls them, with the errors without traceback."""
    stereo = Path(sys.executable).with_name("stereo")
    held = subprocess.run(
        [stereo, "hold", str(night), "--reason", "clouds"], capture_output=True, text=True, check=False
    )
    assert held.returncode == 0, held.stderr
    again = subprocess.run([stereo, "hold", str(night), "--reason", "x"], capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert again.stderr.startswith("stereo: the night of")
    assert "Traceback" not in again.stderr
