"""autoMCP's tables give the same observations as the sheet, and what is known run by run."""

from __future__ import annotations

import json
import os
import pickle
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from automcp_files import lst_row, magic_row, write_lst, write_magic
from hypothesis import given, settings
from hypothesis import strategies as st

from stereo_tasks.stereo_log import StereoLogError, read_log, select
from stereo_tasks.stereo_log.automcp import parse_tables
from stereo_tasks.stereo_log.automcp_tables import KEYS, read_tables

RUNS = [magic_row(5100001), magic_row(5100002, **{"number of subruns": 3})]


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "automcp"
    folder.mkdir()
    write_lst(folder / "observations_LST.h5", lst_row(), lst_row(LST1_run="07174", nsb=None, error_code_nsb="1"))
    write_magic(folder / "magic_runs.h5", RUNS, [*RUNS, magic_row(5100003)])
    return folder


def test_a_night_of_a_source_is_one_observation(folder):
    log = read_log(folder)
    assert log.problems == ()
    (crab,) = log.observations
    assert (str(crab.night), crab.source, crab.trigger, crab.stereo, crab.hv) == (
        "2022-03-10", "CrabNebula", ("L3T",), (True,), ("Nominal",)
    )  # fmt: skip
    assert crab.lst_runs == (7173, 7174)
    assert crab.magic_runs == (5100001, 5100002)  # stereo data has runs of both telescopes
    assert (crab.magic_first_run, crab.magic_last_run) == (5100001, 5100002)
    assert crab.same_wobble_min == 37
    assert (crab.zenith_min_deg, crab.zenith_max_deg, crab.observation_min, crab.conditions) == (None, None, None, ())
    assert pickle.loads(pickle.dumps(crab)) == crab


def test_what_is_known_run_by_run(folder):
    facts = read_log(folder).observations[0].facts
    first, second = facts.lst
    assert (first.run, first.nsb, first.nsb_error_code, first.tailcut) == (7173, 1.42, 0, "tailcut84")
    assert (first.lstchain_version, first.lstchain_versions) == ("v0.10", ("v0.9", "v0.10"))
    assert (second.nsb, second.nsb_error_code, second.same_wobble_min) == (None, 1, 18.5)
    assert [(one.run, one.telescope, one.subruns) for one in facts.magic] == [
        (5100001, 1, 12), (5100001, 2, 12), (5100002, 1, 3), (5100002, 2, 3)
    ]  # fmt: skip


def test_one_file_with_all_tables_and_any_suffix(tmp_path, folder):
    whole = write_lst(tmp_path / "all.dat", lst_row())
    write_magic(whole, RUNS, RUNS, mode="a")
    log = read_log(whole)
    assert log.observations[0].magic_runs == (5100001, 5100002)
    assert log.origin == str(whole)


def test_mono_data_has_the_runs_of_its_telescope(tmp_path):
    rows = [
        lst_row(MAGIC_stereo="False", MAGIC_trigger="L1_M2"),
        lst_row(DATE="20220311", LST1_run="7200", MAGIC_stereo=False, MAGIC_trigger="L1_M1"),
    ]
    whole = write_lst(tmp_path / "all.h5", *rows)
    m1, m2 = magic_row(1100001, DATE=20220311), magic_row(2100001)
    write_magic(whole, [m1, magic_row(1100000)], [m2, magic_row(2100002, DATE=20220311)], mode="a")
    log = read_log(whole)
    assert [one.magic_runs for one in log.observations] == [(2100001,), (1100001,)]
    assert [one.stereo for one in log.observations] == [(False,), (False,)]


def test_the_policy_judges_it_like_the_sheet(folder, policy):
    log = read_log(folder)
    assert select(log.observations, policy).accepted == log.observations


def test_texts_numbers_and_older_columns(tmp_path):
    row = lst_row(DATE=20220310, LST1_run=7173.0, MAGIC_stereo="True", error_code_nsb=-1, nsb=float("nan"))
    row |= {"lstchain_versions": "[]", "processed_lstchain_file": "", "tailcut": ""}
    for name in ("ra", "dec", "MC_dec", "point_source", "wobble_offset"):
        del row[name]
    whole = write_lst(tmp_path / "all.h5", row)
    write_magic(whole, RUNS, RUNS, mode="a")
    log = read_log(whole)
    assert log.problems == ()
    (facts,) = log.observations[0].facts.lst
    assert (facts.run, facts.nsb, facts.nsb_error_code, facts.lstchain_version) == (7173, None, -1, "")


def test_the_checksum_follows_nsb_but_not_the_versions_on_disk(tmp_path):
    checksums = []
    for changes in ({}, {"lstchain_versions": "['v0.10']"}, {"nsb": 2.0}):
        whole = write_lst(tmp_path / "all.h5", lst_row(**changes))
        write_magic(whole, RUNS, RUNS, mode="a")
        checksums.append(read_log(whole).observations[0].checksum)
    assert checksums[0] == checksums[1] != checksums[2]


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({"DATE": "20221399"}, "DATE"),
        ({"DATE": None}, "DATE"),
        ({"source": "../x"}, "source"),
        ({"LST1_run": "seven"}, "LST1_run"),
        ({"LST1_run": "717399"}, "LST1_run"),
        ({"LST1_run": None}, "LST1_run"),
        ({"MAGIC_stereo": "perhaps"}, "MAGIC_stereo"),
        ({"MAGIC_trigger": "L3T']; import os"}, "MAGIC_trigger"),
        ({"MAGIC_HV": ""}, "MAGIC_HV"),
        ({"perfect_match_time_min": -1.0}, "perfect_match_time_min"),
        ({"perfect_match_time_min": None}, "perfect_match_time_min"),
        ({"nsb": -0.1}, "nsb"),
        ({"lstchain_versions": "['../v1']"}, "lstchain_versions"),
        ({"processed_lstchain_file": "dl1.h5"}, "processed_lstchain_file"),
        ({"tailcut": "a/b"}, "tailcut"),
        ({"error_code_nsb": "9"}, "error_code_nsb"),
    ],
)
def test_a_damaged_cell_is_reported_and_stops_nobody(tmp_path, changes, column):
    good = lst_row(LST1_run="07174")
    tables = _tables([lst_row(**changes), good])
    observations, problems = parse_tables(tables, "test")
    assert observations[0].lst_runs == (7174,)
    (problem,) = problems
    assert (problem.line, problem.column) == (1, f"joint_obs {column}")
    assert problem.message


def test_damaged_magic_rows_are_reported(tmp_path):
    bad = [magic_row(5100002, **{"number of subruns": 0}), magic_row(0), magic_row(5100001)]
    observations, problems = parse_tables(_tables([lst_row()], m1=[*RUNS[:1], *bad]), "test")
    assert observations[0].magic_runs == (5100001,)
    assert [(one.line, one.column.split(maxsplit=1)[1]) for one in problems] == [
        (3, "Run ID"), (4, "Run ID"), (2, "number of subruns")
    ]  # fmt: skip
    assert "row 1 has this run, too" in str(problems[1])


def test_a_run_named_twice_counts_once(tmp_path):
    observations, problems = parse_tables(_tables([lst_row(), lst_row(source="Mrk421")]), "test")
    assert len(observations) == len(problems) == 1


def test_a_source_without_magic_runs_is_reported(tmp_path):
    observations, problems = parse_tables(_tables([lst_row(), lst_row(LST1_run="9", source="Mrk421")]), "test")
    assert [one.source for one in observations] == ["CrabNebula"]
    assert "2022-03-10 Mrk421" in str(problems[0])


def test_a_missing_table_or_column_says_what_to_do(tmp_path, folder):
    with pytest.raises(StereoLogError, match="into one folder"):
        read_log(folder / "observations_LST.h5")
    with pytest.raises(StereoLogError, match="no table joint_obs"):
        read_log(folder / "magic_runs.h5")
    row = lst_row()
    del row["MAGIC_HV"]
    with pytest.raises(StereoLogError, match="no column MAGIC_HV"):
        parse_tables(_tables([row]), "test")
    write_lst(folder / "second.h5", lst_row())
    with pytest.raises(StereoLogError, match="both hold joint_obs"):
        read_log(folder)


def test_a_folder_of_data_is_not_taken_for_tables(folder):
    for number in range(3):
        (folder / f"dl1_{number}.h5").touch()
    with pytest.raises(StereoLogError, match="has 5 HDF5 files"):
        read_log(folder)


def test_a_file_that_crashes_its_reader_is_an_error(folder, monkeypatch, tmp_path):
    crashing = tmp_path / "crashing.py"
    crashing.write_text("import os; os.kill(os.getpid(), 11)")
    monkeypatch.setattr("stereo_tasks.stereo_log.automcp_tables.__file__", str(crashing))
    with pytest.raises(StereoLogError, match="crashed"):
        read_log(folder)


def test_a_file_that_blocks_its_reader_is_an_error(folder, monkeypatch, tmp_path):
    blocking = tmp_path / "blocking.py"
    blocking.write_text("import time; time.sleep(60)")
    monkeypatch.setattr("stereo_tasks.stereo_log.automcp_tables.__file__", str(blocking))
    monkeypatch.setattr("stereo_tasks.stereo_log.automcp._TIMEOUT_S", 0.3)
    with pytest.raises(StereoLogError, match="not read within"):
        read_log(folder)


def test_a_half_written_file_says_to_try_again(folder):
    path = folder / "observations_LST.h5"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(StereoLogError, match="try again"):
        read_log(folder)


class _Runs:
    """Unpickling it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_table_cannot_run_anything(tmp_path, folder):
    path, trap = folder / "observations_LST.h5", tmp_path / "trap"
    frame = pd.DataFrame([lst_row()])
    frame["source"] = pd.Series([_Runs(trap)], dtype=object)
    with warnings.catch_warnings(action="ignore"):
        frame.to_hdf(path, key="joint_obs", mode="w")
    with pytest.raises(StereoLogError, match="mkdir in a table of texts and numbers"):
        read_log(folder)
    assert not trap.exists()
    pd.read_hdf(path, key="joint_obs")  # what others do with the same file
    assert trap.exists()


def test_reading_it_again_is_cheap(folder, monkeypatch):
    first = read_log(folder)
    monkeypatch.setattr("subprocess.run", lambda *_, **__: pytest.fail("read again"))
    assert read_log(folder) == first


def _tables(lst, m1=RUNS, m2=RUNS):
    return {
        key: {"columns": list(rows[0]), "rows": [list(row.values()) for row in rows]}
        for key, rows in zip(KEYS, (lst, m1, m2), strict=True)
    }


_value = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20),
    st.sampled_from(["20220310", "07173", "['v0.9']", "L1_M1", "True", "1e999", "[[", "\x00"]),
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_value_anywhere_is_read_or_reported(data):
    tables = json.loads(json.dumps(_tables([lst_row(), lst_row(LST1_run="07174")])))
    for _ in range(data.draw(st.integers(1, 4))):
        table = tables[data.draw(st.sampled_from(KEYS))]
        row = data.draw(st.sampled_from(table["rows"]))
        row[data.draw(st.integers(0, len(row) - 1))] = data.draw(_value)
    observations, problems = parse_tables(tables, "test")
    for one in observations:
        assert one.lst_runs
        assert one.magic_runs
        assert json.dumps(one.content)
    assert all(problem.line > 0 and problem.message for problem in problems)


@pytest.fixture(scope="module")
def whole_file(tmp_path_factory) -> bytes:
    path = write_lst(tmp_path_factory.mktemp("whole") / "all.h5", lst_row(), lst_row(LST1_run="07174"))
    return write_magic(path, RUNS, RUNS, mode="a").read_bytes()


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_a_mutated_file_gives_its_own_error_or_a_log(whole_file, tmp_path_factory, data):
    path = tmp_path_factory.mktemp("mutated") / "all.h5"
    content = np.frombuffer(whole_file, dtype=np.uint8).copy()
    written = np.flatnonzero(content)  # most of the file is padding
    for _ in range(data.draw(st.integers(1, 12))):
        content[written[data.draw(st.integers(0, len(written) - 1))]] = data.draw(st.integers(0, 255))
    end = data.draw(st.one_of(st.just(len(content)), st.integers(8, len(content))))
    path.write_bytes(content[:end].tobytes())
    try:
        log = read_log(path)
    except StereoLogError:
        return
    assert log.observations or log.problems


def test_read_tables_gives_plain_values(folder):
    tables = read_tables(str(folder / "observations_LST.h5"))
    assert json.loads(json.dumps(tables)) == tables
    assert list(tables) == ["joint_obs"]
