"""One index over many folders: nothing is lost, and nothing that does not belong."""

from __future__ import annotations

from astropy.io import fits
from astropy.table import Table
from dl3_folder import write_folder

from stereo_tasks.gadf.stack import stack_indices


def test_a_night_whose_times_count_from_1970_is_left_out_though_it_is_the_first(tmp_path):
    folders = {name: write_folder(tmp_path / name, [run]) for name, run in (("20240110", 1), ("20240111", 2))}
    index = folders["20240110"] / "obs-index.fits.gz"
    with fits.open(index, mode="update") as hdus:  # as before its times counted from 2018
        hdus[1].header["MJDREFI"] = 40587
    (tmp_path / "season").mkdir()
    left_out = stack_indices(folders, tmp_path / "season", "1")
    assert "process the night again" in left_out.pop("20240110")
    assert not left_out
    found = Table.read(tmp_path / "season" / "obs-index.fits.gz")
    assert list(found["OBS_ID"]) == [2]
