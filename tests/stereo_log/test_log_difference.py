"""A log that lost rows or changed old ones is noticed, and said in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stereo_tasks.nights import Night
from stereo_tasks.stereo_log import compare, compare_contents, read_log


@pytest.fixture
def log(write_log, row):
    return lambda *rows: read_log(write_log(*rows))


def test_the_same_rows_in_another_order_are_no_difference(log, row):
    mrk = row(source="Mrk421", lst="[9]")
    found = compare(log(row(), mrk), log("\r\n", mrk, row()))
    assert not found
    assert str(found) == "the stereo log is unchanged, 2 rows"
    assert (found.lost_fraction, found.rewritten_fraction) == (0, 0)


def test_added_changed_and_removed_rows_are_told_apart(log, row):
    mrk421, mrk501 = row(source="Mrk421", lst="[9]"), row(source="Mrk501", lst="[10]")
    found = compare(log(row(), mrk421), log(row(lst="[3265]", wobble="12"), mrk501))
    assert [str(one) for one in found.added] == ["2020-12-15 Mrk501"]
    assert [str(one) for one in found.removed] == ["2020-12-15 Mrk421"]
    (crab,) = found.changed
    assert crab.fields == (("lst_runs", [3265, 3266], [3265]), ("same_wobble_min", 55.2, 12.0))
    assert str(crab) == "2020-12-15 CrabNebula: lst_runs [3265, 3266] -> [3265]; same_wobble_min 55.2 -> 12.0"
    assert (found.lost_fraction, found.rewritten_fraction) == (0.5, 1.0)
    assert str(found) == (
        "stereo log: 1 row added, 1 row changed, 1 row removed; 2 rows before, 2 now (50.0% lost)"
    )  # fmt: skip
    assert [line.split()[0] for line in found.lines()[1:]] == ["removed", "changed", "added"]


def test_a_remark_is_a_change_that_is_shown(log, row):
    found = compare(log(row()), log(row(notes="clouds")))
    assert [one.fields for one in found.changed] == [(("notes", "", "clouds"),)]


def test_a_row_that_became_damaged_counts_as_lost(log, row):
    found = compare(log(row(), row(source="Mrk421", lst="[9]")), log(row(), row(source="Mrk421", lst="[9")))
    assert len(found.removed) == 1
    assert "1 row cannot be understood" in str(found)


def test_a_first_log_loses_nothing(log, row):
    found = compare((), log(row()))
    assert (len(found.added), found.lost_fraction) == (1, 0)


def test_many_rows_are_counted_not_listed(log, row):
    rows = [row(source=f"S{number}", lst=f"[{number + 1}]") for number in range(30)]
    lines = compare(log(*rows), log()).lines()
    assert len(lines) == 12
    assert lines[-1] == "  removed 20 more"
    assert "100.0% lost" in lines[0]


_logs = st.dictionaries(
    st.tuples(st.dates(Night("2020-01-01").evening, Night("2099-12-31").evening).map(Night), st.sampled_from("abc")),
    st.fixed_dictionaries({"x": st.integers(0, 2)}),
    max_size=6,
)


@given(_logs, _logs)
def test_applying_the_difference_gives_the_new_log(old, new):
    found = compare_contents(old, new)
    result = dict(old)
    for one in found.removed:
        del result[one.night, one.source]
    for one in (*found.added, *found.changed):
        result[one.night, one.source] = new[one.night, one.source]
    assert result == new
    assert bool(found) == (old != new)
    back = compare_contents(new, old)
    assert (back.added, back.removed, len(back.changed)) == (found.removed, found.added, len(found.changed))
    assert 0 <= found.lost_fraction <= found.rewritten_fraction <= 1
