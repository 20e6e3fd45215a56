"""The two text files, byte for byte, and never over other people's runs."""

from __future__ import annotations

import pytest

from stereo_tasks.stereo_log import StereoLogError, read_log
from stereo_tasks.stereo_log.run_lists import write_run_lists


@pytest.fixture
def rows(write_log, row):
    log = read_log(write_log(row(), row(date="2020_12_17", lst="[3314]", first="5093771", last="5093771")))
    return log.observations


def test_byte_for_byte(rows, tmp_path):
    common, magic = write_run_lists(rows, tmp_path / "new", "Crab")
    assert common == tmp_path / "new" / "common_dataCrab.txt"
    assert magic == tmp_path / "new" / "MAGIC_runsCrab.txt"
    runs = b"5093711,5093712,5093713,5093714"
    assert magic.read_bytes() == (
        b"# MAGIC runs (separed by commas for each night)\n# Night 0\n" + runs + b"\n# Night 1\n5093771"
    )
    assert common.read_bytes() == (
        b"#LST runs - MAGIC runs (separed by commas)\n# Night 0\n3265-" + runs + b"\n3266-" + runs
        + b"\n# Night 1\n3314-5093771"
    )  # fmt: skip


def test_other_runs_are_not_overwritten_unless_asked(rows, tmp_path):
    _, magic = write_run_lists(rows, tmp_path, "Crab")
    common_before, magic_before = (path.stat() for path in write_run_lists(rows, tmp_path, "Crab"))
    assert magic.stat().st_ino == magic_before.st_ino  # the same content is left alone
    with pytest.raises(StereoLogError, match="--overwrite"):
        write_run_lists(rows[:1], tmp_path, "Crab")
    assert b"5093771" in magic.read_bytes()
    assert (tmp_path / "common_dataCrab.txt").stat().st_mtime_ns == common_before.st_mtime_ns
    write_run_lists(rows[:1], tmp_path, "Crab", overwrite=True)
    assert b"5093771" not in magic.read_bytes()


def test_one_other_file_keeps_both(rows, tmp_path):
    (tmp_path / "MAGIC_runsCrab.txt").write_text("mine")
    with pytest.raises(StereoLogError, match=r"MAGIC_runsCrab\.txt"):
        write_run_lists(rows, tmp_path, "Crab")
    assert not (tmp_path / "common_dataCrab.txt").exists()


@pytest.mark.parametrize("name", ["", "../Crab", "a/b", ".", "a b", "a\n"])
def test_a_name_must_fit_into_a_file_s_name(rows, tmp_path, name):
    with pytest.raises(StereoLogError, match="file's name"):
        write_run_lists(rows, tmp_path, name)
    assert not list(tmp_path.glob("*runs*"))


def test_nothing_selected_writes_nothing(tmp_path):
    with pytest.raises(StereoLogError, match="--why"):
        write_run_lists([], tmp_path, "Crab")


def test_a_folder_that_cannot_be_made_says_so(rows, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StereoLogError, match="cannot be written"):
        write_run_lists(rows, tmp_path / "file", "Crab")
