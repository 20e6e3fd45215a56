"""``stereo runs``, ``stereo overrule`` and ``stereo sign-off``, from a published night to a published night."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "processing"))  # for judged_night

from judged_night import JudgedNight

from stereo_tasks.nights import Night

NIGHT = Night("2024-01-10")


@pytest.fixture
def judged(catalog, tmp_path) -> JudgedNight:
    made = JudgedNight(tmp_path, NIGHT, {1: "good", 2: "bad", 3: "warning"})
    made.publish(catalog)
    return made


@pytest.mark.usefixtures("judged")
def test_runs_as_a_table_as_ecsv_and_as_ids(stereo):
    from astropy.table import Table

    text = stereo("runs", "--source", "CrabNebula")
    (line,) = [line for line in text.splitlines() if " 2  " in line]
    assert line.split() == ["2024-01-10", "CrabNebula", "2", "24.0", "1.6", "bad", "rate", "is", "low"]
    assert "3 runs: 1 good, 1 warning, 1 bad; 4.8 min live" in text
    table = Table.read(stereo("runs", "--format", "ecsv"), format="ascii.ecsv")
    assert (table["zenith"].unit, table["live_time"].unit) == ("deg", "s")
    assert list(table["obs_id"]) == [1, 2, 3]
    assert list(table["quality"]) == [0, 2, 1]
    assert table.meta["production"] == "mcp062"
    assert ast.literal_eval(stereo("runs", "--good", "--format", "ids")) == [1]
    assert ast.literal_eval(stereo("runs", "--first", "2024-01-11", "--format", "ids")) == []
    assert len(Table.read(stereo("runs", "--source", "x", "--format", "ecsv"), format="ascii.ecsv")) == 0
    assert "no such run" in stereo("runs", "--source", "Mrk421")
    assert "is not a night" in stereo("runs", "--first", "yesterday", code=1)


def test_an_overrule_is_published_and_lifted(stereo, judged):
    text = stereo("overrule", 2, "good", "--reason", "looked at it", "--by", "ana")
    assert "2024-01-10/CrabNebula/2 of mcp062 is overruled, by ana since" in text
    assert f"published with it: {judged.tree.published}" in text
    assert "is not told" in text  # no Airflow runs here
    assert judged.quality() == {1: 0, 2: 0, 3: 1}
    assert ast.literal_eval(stereo("runs", "--good", "--format", "ids")) == [1, 2]
    assert "overruled already, by ana" in stereo("overrule", 2, "warning", "--reason", "x", code=1)
    text = stereo("overrule", "2024-01-10/CrabNebula/2", "--lift", "--by", "ben")
    assert "is bad again, as QA says; it was overruled by ana" in text
    assert judged.quality() == {1: 0, 2: 2, 3: 1}
    assert "needs a reason" in stereo("overrule", 2, "good", code=1)
    assert "no verdict of run 7" in stereo("overrule", 7, "good", "--reason", "x", code=1)
    assert "a level" in stereo("overrule", 2, code=2)
    assert "a level" in stereo("overrule", 2, "good", "--lift", code=2)


@pytest.mark.usefixtures("judged")
def test_a_night_is_signed_off_until_a_verdict_changes(stereo):
    assert "signed off: by nobody" in stereo("status", NIGHT)
    text = stereo("sign-off", NIGHT, "--remark", "fine but for 2", "--by", "ana")
    assert "CrabNebula 2: bad rate is low" in text
    assert "is signed off by ana" in text
    text = stereo("status", NIGHT)
    assert "signed off: by ana" in text
    assert "2 bad rate is low" in text
    assert "signed off already" in stereo("sign-off", NIGHT, "--by", "ben", code=1)
    stereo("overrule", 2, "warning", "--reason", "half of it can be used", "--by", "ben")
    text = stereo("status", NIGHT)
    assert "signed off: no longer, since run 2 of CrabNebula was bad (rate is low), is warning by overrule" in text
    assert "CrabNebula was published anew" in text
    stereo("sign-off", NIGHT, "--reason", "so be it", "--by", "ana")
    assert "is not signed off any more" in stereo("sign-off", NIGHT, "--lift", "--by", "ana")
    assert "nothing to sign off" in stereo("sign-off", "2024-01-12", code=1)
