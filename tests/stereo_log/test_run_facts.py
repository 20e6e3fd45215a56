"""The sheet, with what autoMCP's tables know of its LST-1 runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from automcp_files import lst_row, magic_row, write_lst, write_magic

from stereo_tasks.settings import load_settings
from stereo_tasks.stereo_log import StereoLogError, read_log, read_site_log
from stereo_tasks.stereo_log.reading import with_run_facts

SHEET = (
    "Date,Source,Conditions,Trigger (MAGIC),Stereo,HV,Min Zd [deg],Max Zd [deg],LST,MAGIC,,,,Notes\n"
    "(LST convention),,,,,,LST-1 only,LST-1 only,Data runs,First run,Last run,Obs. time (min),Same wobble (min),\n"
    "2022_03_10,CrabNebula,['Dark'],['L3T'],[True],['Nominal'],10,20,\"[7173, 7174]\",5100001,5100002,40,37,\n"
    "2022_03_11,CrabNebula,['Dark'],['L3T'],[True],['Nominal'],10,20,[7200],5100011,5100012,40,37,\n"
)


@pytest.fixture
def sheet(tmp_path) -> Path:
    path = tmp_path / "stereo_log.csv"
    path.write_text(SHEET)
    return path


@pytest.fixture
def tables(tmp_path) -> Path:
    return write_lst(tmp_path / "joint_obs.h5", lst_row(), lst_row(LST1_run="9999"))


def test_runs_have_what_the_table_knows_and_the_rest_stays(sheet, tables):
    log = read_log(sheet)
    first, second = with_run_facts(log, tables).observations
    assert [(one.run, one.nsb) for one in first.facts.lst] == [(7173, 1.42)]
    assert first.magic_runs == (5100001, 5100002)  # of the sheet: the table of LST-1 runs does not know them
    assert (first.zenith_min_deg, first.lst_runs) == (10.0, (7173, 7174))
    assert second == log.observations[1]


def test_another_nsb_is_another_content_and_no_table_none(sheet, tables):
    log = read_log(sheet)
    before = with_run_facts(log, tables)
    write_lst(tables, lst_row(nsb=2.3))
    after = with_run_facts(log, tables)
    assert len({log.checksum, before.checksum, after.checksum}) == 3
    checksums = [[row.checksum for row in one.observations] for one in (log, before, after)]
    assert len({first for first, _ in checksums}) == 3
    assert len({second for _, second in checksums}) == 1


def test_a_folder_with_all_tables(sheet, tmp_path):
    folder = tmp_path / "automcp"
    folder.mkdir()
    write_lst(folder / "lst.h5", lst_row())
    write_magic(folder / "magic.h5", [magic_row(5100001)], [magic_row(5100001)])
    first, _ = with_run_facts(read_log(sheet), folder).observations
    assert first.facts.lst[0].nsb == 1.42


def test_a_damaged_row_of_the_table_is_a_problem_of_the_log(sheet, tables):
    write_lst(tables, lst_row(), lst_row(LST1_run="07174", nsb="dark"))
    log = with_run_facts(read_log(sheet), tables)
    assert [str(one) for one in log.problems] == ["line 2, joint_obs nsb: not a number ('dark')"]
    assert [one.run for one in log.observations[0].facts.lst] == [7173]


@pytest.mark.parametrize("content", [None, b"no table"])
def test_tables_that_cannot_be_read_are_an_error(sheet, tmp_path, content):
    tables = tmp_path / "joint_obs.h5"
    if content:
        tables.write_bytes(content)
    with pytest.raises(StereoLogError, match=r"joint_obs\.h5.*(autoMCP|paths\.automcp)"):
        with_run_facts(read_log(sheet), tables)


def test_the_site_says_where_the_tables_are(sheet, tables, tmp_path):
    (tmp_path / "config").mkdir()
    paths = f"paths: {{stereo_log: {sheet.name}, automcp: {tables.name}}}\n"
    (tmp_path / "config" / "site.yaml").write_text(paths)
    assert read_site_log(load_settings(tmp_path)).observations[0].facts is not None
    (tmp_path / "config" / "site.yaml").write_text(f"paths: {{stereo_log: {sheet.name}}}\n")
    assert read_site_log(load_settings(tmp_path)).observations[0].facts is None
