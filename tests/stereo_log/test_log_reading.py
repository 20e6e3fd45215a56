"""Reading the log: right rows are taken whole, damaged ones are reported and stop nobody."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stereo_tasks.nights import Night
from stereo_tasks.stereo_log import StereoLogError, read_log, shared_runs


def test_a_row_is_read_with_all_its_cells(write_log, row):
    log = read_log(write_log(row(conditions="['Moon', 'Dark']", notes='clouds, "thin"\nlater')))
    (crab,) = log.observations
    assert log.problems == ()
    assert crab.night == Night("2020-12-15")
    assert crab.night.magic_date == "2020/12/16"
    assert (crab.source, crab.conditions, crab.trigger) == ("CrabNebula", ("Moon", "Dark"), ("L3T",))
    assert (crab.stereo, crab.hv, crab.lst_runs) == ((True,), ("Nominal",), (3265, 3266))
    assert (crab.zenith_min_deg, crab.zenith_max_deg) == (35.7, 50.07)
    assert (crab.observation_min, crab.same_wobble_min) == (59.25, 55.2)
    assert crab.magic_runs == (5093711, 5093712, 5093713, 5093714)
    assert crab.notes == 'clouds, "thin"\nlater'
    assert crab.line == 7  # the second line of the preamble is broken in two
    assert pickle.loads(pickle.dumps(crab)) == crab


def test_a_list_broken_over_lines_is_one_list(write_log, row):
    log = read_log(write_log(row(lst="[5520, 5521, \n5532, 5533]"), row(source="Mrk421", lst="[5540]")))
    assert [one.lst_runs for one in log.observations] == [(5520, 5521, 5532, 5533), (5540,)]
    assert [one.line for one in log.observations] == [7, 9]


def test_line_ends_byte_order_mark_and_empty_rows_do_not_matter(tmp_path, header, row):
    text = header + row() + ",,,,,,,,,,,,,\r\n\r\n" + row(source="Mrk421", lst="[9]")
    contents = []
    for number, content in enumerate((text, "\ufeff" + text, text.replace("\r\n", "\n"), text.replace("\r\n", "\r"))):
        path = tmp_path / f"{number}.csv"
        path.write_bytes(content.encode())
        contents.append([one.content for one in read_log(path).observations])
    assert len(contents[0]) == 2
    assert all(one == contents[0] for one in contents)


def test_columns_are_found_by_name(tmp_path, header, row):
    header = header.replace("Date,Source,Conditions", "Date,Source,Shift,Conditions").replace(
        "(LST convention),,,,", "(LST convention),,,,,"
    )
    path = tmp_path / "log.csv"
    path.write_text(header + row().replace("CrabNebula,", "CrabNebula,night owls,"))
    log = read_log(path)
    assert log.problems == ()
    assert log.observations[0].same_wobble_min == 55.2


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({"date": ""}, "Date"),
        ({"date": "2020_13_45"}, "Date"),
        ({"date": "1920_12_15"}, "Date"),
        ({"source": ""}, "Source"),
        ({"source": "../../etc"}, "Source"),
        ({"source": "Crab Nebula"}, "Source"),
        ({"source": "a" * 41}, "Source"),
        ({"source": "mc"}, "Source"),  # the folder of the Monte Carlo
        ({"source": "."}, "Source"),
        ({"source": ".."}, "Source"),
        ({"source": ".hidden"}, "Source"),
        ({"conditions": "Dark"}, "Conditions"),
        ({"trigger": "[]"}, "Trigger (MAGIC)"),
        ({"trigger": "['L3T', 3]"}, "Trigger (MAGIC)"),
        ({"trigger": "['L3T', ['L3T']]"}, "Trigger (MAGIC)"),
        ({"trigger": "['L3T', 'L3T']"}, "Trigger (MAGIC)"),
        ({"trigger": "__import__('os').getcwd()"}, "Trigger (MAGIC)"),
        ({"stereo": "['True']"}, "Stereo"),
        ({"stereo": "[1]"}, "Stereo"),
        ({"hv": "['Nominal'"}, "HV"),
        ({"hv": "[" * 300 + "]" * 300}, "HV"),
        ({"zd_min": "9,82"}, "Min Zd [deg]"),
        ({"zd_min": "60"}, "Min Zd [deg]"),
        ({"zd_max": "nan"}, "Max Zd [deg]"),
        ({"zd_max": "91"}, "Max Zd [deg]"),
        ({"lst": "[3265.0]"}, "Data runs"),
        ({"lst": "[3265, 3265]"}, "Data runs"),
        ({"lst": "[-1]"}, "Data runs"),
        ({"lst": "[True]"}, "Data runs"),
        ({"lst": "[326532655]"}, "Data runs"),
        ({"lst": "[" + "9" * 5000 + "]"}, "Data runs"),
        ({"first": "5093711.5"}, "First run"),
        ({"first": "2093711"}, "Last run"),
        ({"first": "4999999", "last": "5000000"}, "First run"),
        ({"last": "5093710"}, "Last run"),
        ({"last": "5099999"}, "Last run"),
        ({"last": "٥٠٩٣٧١٤"}, "Last run"),
        ({"minutes": "1500"}, "Obs. time (min)"),
        ({"minutes": "1e2"}, "Obs. time (min)"),
        ({"wobble": "59.26"}, "Same wobble (min)"),
    ],
)
def test_a_damaged_cell_is_reported_and_stops_nobody(write_log, row, changes, column):
    log = read_log(write_log(row(**changes), row(source="Mrk421", lst="[9]")))
    assert [one.source for one in log.observations] == ["Mrk421"]
    (problem,) = log.problems
    assert (problem.line, problem.column) == (7, column)
    assert problem.message
    assert len(str(problem)) < 400


def test_a_quote_that_is_never_closed_costs_one_row(write_log, row):
    broken = row(source="BLLac", lst="[7, 8]").replace('8]"', "8]")
    log = read_log(write_log(row(), broken, row(source="Mrk421", lst="[9]"), row(source="Mrk501", lst="[10]")))
    assert [one.source for one in log.observations] == ["CrabNebula", "Mrk421", "Mrk501"]
    (problem,) = log.problems
    assert problem.line == 8
    assert "quote" in problem.message


def test_a_quote_that_another_row_would_close_costs_one_row(write_log, row):
    broken = row(source="BLLac", lst="[7, 8]").replace('8]"', "8]")
    seeing = row(source="Mrk421", lst="[9]").rstrip() + 'seeing 5"\n'
    log = read_log(write_log(broken, seeing, row(lst="[10]")))
    assert [one.source for one in log.observations] == ["Mrk421", "CrabNebula"]
    assert log.observations[0].notes == 'seeing 5"'


def test_a_list_without_its_quotes_is_not_read_shifted(write_log, row):
    broken = row(lst="[7, 8, 9]").replace('"[7, 8, 9]"', "[7, 8, 9]")
    log = read_log(write_log(broken))
    assert log.observations == ()
    assert "quotes" in log.problems[0].message


def test_a_short_row_says_what_is_missing(write_log, row):
    log = read_log(write_log(row().split(",5093711")[0]))
    assert (log.problems[0].column, log.problems[0].message) == ("First run", "nothing is written here")


def test_bytes_that_are_not_text_cost_one_row(tmp_path, header, row):
    path = tmp_path / "log.csv"
    path.write_bytes(header.encode() + row().encode().replace(b"Crab", b"Cr\xff\x00b") + row(lst="[1]").encode())
    log = read_log(path)
    assert len(log.observations) == len(log.problems) == 1


def test_the_same_source_twice_in_a_night_is_reported(write_log, row):
    log = read_log(write_log(row(), row(lst="[9]"), row(date="2020_12_16", lst="[10]")))
    assert len(log.observations) == 2
    assert "line 7" in log.problems[0].message


def test_an_lst_run_belongs_to_one_row(write_log, row):
    log = read_log(write_log(row(), row(source="Mrk421", lst="[3266, 3267]")))
    assert len(log.observations) == 1
    assert (log.problems[0].column, log.problems[0].text) == ("Data runs", "3266")


def test_shared_magic_runs_are_found(write_log, row):
    inner = row(source="Mrk421", lst="[9]", first="5093712", last="5093713")
    crab, mrk = read_log(write_log(row(), inner, row(date="2020_12_16", lst="[10]"))).observations[:2]
    assert shared_runs(crab, [crab, mrk]) == {5093712: ("Mrk421",), 5093713: ("Mrk421",)}
    assert shared_runs(mrk, []) == {}


def test_checksums(write_log, row):
    first = read_log(write_log(row()))
    moved = read_log(write_log("\r\n", row(notes="a remark")))
    changed = read_log(write_log(row(wobble="55.3")))
    assert first.checksum != moved.checksum
    assert first.observations[0].checksum == moved.observations[0].checksum != changed.observations[0].checksum


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "Date,Source"),
        ("a,b\nc,d\n", "Date,Source"),
        ("Date,Source,Conditions", "ends within its header"),
    ],
)
def test_what_is_no_log_is_an_error(tmp_path, content, says):
    path = tmp_path / "log.csv"
    path.write_text(content)
    with pytest.raises(StereoLogError, match=says):
        read_log(path)


def test_a_renamed_column_is_an_error(write_log, header):
    with pytest.raises(StereoLogError, match="HV"):
        read_log(write_log(header=header.replace("HV", "H.V.")))


def test_a_missing_log_says_what_to_do(tmp_path):
    with pytest.raises(StereoLogError, match="export"):
        read_log(tmp_path / "nowhere.csv")
    with pytest.raises(StereoLogError, match="cannot be read"):
        read_log(tmp_path)


_cell = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["[True]", "['L3T']", "[1, 2]", "2020_12_15", '"', '""', "\n", "5093711", "1e999", "\x00", "[[[["]),
)
_line = st.lists(_cell, max_size=16).map(",".join)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=200), st.lists(_line, max_size=6).map(lambda lines: "\n".join(lines).encode())))
def test_nothing_but_its_own_error(tmp_path, header, content):
    path = tmp_path / "log.csv"
    for start in (b"", header.encode()):
        path.write_bytes(start + content)
        try:
            log = read_log(path)
        except StereoLogError:
            continue
        assert all(problem.line > 0 and problem.message for problem in log.problems)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damage_in_one_row_leaves_the_others(tmp_path, header, row, data):
    rows = [row(source=f"Source{number}", lst=f"[{number + 1}]") for number in range(4)]
    victim = data.draw(st.integers(0, 3))
    text = rows[victim].rstrip("\r\n")
    at = data.draw(st.integers(0, len(text)))
    inserted = data.draw(st.text("\"[],'x0\x00", max_size=5))
    rows[victim] = text[:at] + inserted + text[at + data.draw(st.integers(0, 9)) :] + "\n"
    path = tmp_path / "log.csv"
    path.write_bytes((header + "".join(rows)).encode())
    log = read_log(path)
    # The damaged row may be left out, or name what another row names, too: then the first of the two is kept.
    assert len(log.observations) >= 3
    assert len(log.observations) + len(log.problems) >= 4
