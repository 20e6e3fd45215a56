"""Targets that no table has: their position comes from the header of a ROOT file, which the science side reads."""

import subprocess
from pathlib import Path

import pytest

from stereo_tasks.inventory import scan_night
from stereo_tasks.inventory.headers import with_header_positions
from stereo_tasks.nights import Night
from stereo_tasks.settings import load_settings
from stereo_tasks.settings.choices import NoChoiceError
from stereo_tasks.stereo_log import Observation

NIGHT = Night("2020-12-16")
WRITE = """
import sys, numpy as np, uproot
path, *values = sys.argv[1:]
names = ["MRawRunHeader.fSourceRA", "MRawRunHeader.fSourceDEC"]
with uproot.recreate(path) as file:
    tree = file.mktree("RunHeaders", {name: np.int32 for name in names})
    tree.extend({name: np.array([int(value)], dtype=np.int32) for name, value in zip(names, values)})
"""


@pytest.fixture
def settings(tmp_path):
    settings = load_settings(tmp_path)
    if not settings.site.science_python.exists():
        pytest.skip(f"no science environment at {settings.site.science_python}")
    return settings


@pytest.fixture
def night(settings):
    """Put a file of the burst there, and give what is found of the night."""
    folder = settings.site.paths.magic_calibrated / "M1/event/Calibrated" / NIGHT.magic_date
    path = folder / "20201217_M1_05093600.001_Y_GRB201216C-W0.40+035.root"

    def scan(ra_hours_3600=3929, dec_deg_3600=59460, content=None):
        folder.mkdir(parents=True, exist_ok=True)
        if content is None:
            python = str(settings.site.science_python)
            subprocess.run([python, "-c", WRITE, str(path), str(ra_hours_3600), str(dec_deg_3600)], check=True)
        else:
            path.write_bytes(content)
        return scan_night(
            NIGHT,
            magic_calibrated=settings.site.paths.magic_calibrated,
            lst_dl1=settings.site.paths.lst_dl1,
            lst_version="v0.10",
            lst_tailcut="tailcut84",
        )

    return scan


def _row(source="GRB201216C"):
    conditions = ("Dark",), ("L3T",), (True,), ("Nominal",)
    return Observation(NIGHT, source, *conditions, 10.0, 30.0, (3000,), 5093600, 5093600, 20.0, 20.0, "", 1)


def test_a_burst_is_where_magic_was_sent_to(settings, night):
    position = with_header_positions(settings, [_row()], night()).position("GRB201216C")
    assert (position.ra_deg, position.dec_deg) == (pytest.approx(16.37083), pytest.approx(16.51667))
    assert "header of 20201217_M1_05093600.001_Y_GRB201216C-W0.40+035.root" in position.origin
    assert "GRB201216C" not in settings.sources


def test_a_header_is_read_once(settings, night):
    files = night()
    first = with_header_positions(settings, [_row()], files)
    nowhere = settings.model_copy(
        update={"site": settings.site.model_copy(update={"science_python": Path("/nowhere/python")})}
    )
    assert with_header_positions(nowhere, [_row()], files).sources == first.sources


def test_another_file_is_read_again(settings, night):
    with_header_positions(settings, [_row()], night())
    moved = with_header_positions(settings, [_row()], night(7200, 3600)).position("GRB201216C")
    assert (moved.ra_deg, moved.dec_deg) == (30.0, 1.0)


def test_the_table_comes_first(settings, night):
    assert with_header_positions(settings, [_row("CrabNebula")], night()) is settings


def test_a_file_that_cannot_be_read_leaves_the_source_unknown(settings, night, caplog):
    after = with_header_positions(settings, [_row()], night(content=b"x" * 1000))
    with pytest.raises(NoChoiceError, match="headers"):
        after.position("GRB201216C")
    assert "has no readable RunHeaders" in caplog.text
