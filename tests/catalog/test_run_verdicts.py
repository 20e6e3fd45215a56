"""Verdicts of runs: what was said before stays, and the latest counts."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from stereo_tasks.catalog import run_verdicts, tree
from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.run_verdicts import UnknownRunError, current_verdicts, find_run, verdict_history
from stereo_tasks.nights import Night
from stereo_tasks.products.tree import NightTree

V, SOURCE = "v1", "CrabNebula"


def judge(catalog: Catalog, night: Night, runs: dict[int, str], source: str = SOURCE, **more: Any) -> None:
    """Let QA say something of some runs."""
    rows = [
        {
            "production": V, "night": night.evening, "source": source, "run": run, "level": level,
            "reasons": [] if level == "good" else ["rate 50 % low"], "zenith_deg": 20.0, "live_time_s": 1000.0,
            "metrics": {"zenith_deg": {"value": 20.0, "level": "good"}}, "plan": "p",
            "judged_utc": dt.datetime.now(dt.UTC), **more,
        }
        for run, level in runs.items()
    ]  # fmt: skip
    with catalog.transaction(writes=True) as session:
        run_verdicts.write(session, rows, production=V, night=night.evening, source=source)


def said(catalog: Catalog) -> list[tuple[int, str]]:
    with catalog.transaction() as session:
        return [(row.run, row.level) for row in current_verdicts(session, V)]


def test_another_verdict_keeps_the_one_before(catalog, night):
    judge(catalog, night, {1: "good", 2: "bad"})
    judge(catalog, night, {1: "good", 2: "bad"}, plan="another plan")  # says the same
    assert [len(verdict_history(catalog, V, night, SOURCE, run)) for run in (1, 2)] == [1, 1]
    judge(catalog, night, {1: "good", 2: "good"})
    assert said(catalog) == [(1, "good"), (2, "good")]
    new, old = verdict_history(catalog, V, night, SOURCE, 2)
    assert (new.level, new.superseded_utc) == ("good", None)
    assert (old.level, old.reasons) == ("bad", ["rate 50 % low"])
    assert old.superseded_utc > old.judged_utc
    judge(catalog, night, {1: "good", 2: "good"}, metrics={"zenith_deg": {"value": 20.1, "level": "good"}})
    assert len(verdict_history(catalog, V, night, SOURCE, 2)) == 3  # a metric is another one


def test_a_run_that_left_the_page_has_no_verdict_any_more(catalog, night):
    judge(catalog, night, {1: "good", 2: "bad"})
    judge(catalog, night, {7: "good"}, source="Mrk421")
    judge(catalog, night, {1: "good"})
    assert said(catalog) == [(1, "good"), (7, "good")]
    assert verdict_history(catalog, V, night, SOURCE, 2)[0].superseded_utc is not None
    judge(catalog, night, {1: "good", 2: "warning"})
    assert said(catalog) == [(1, "good"), (2, "warning"), (7, "good")]


def test_a_run_is_found_by_its_number_if_that_is_unique(catalog, night):
    judge(catalog, night, {1: "good", 2: "bad"})
    judge(catalog, night, {2: "good"}, source="Mrk421")
    assert find_run(catalog, V, "1").source == SOURCE
    assert find_run(catalog, V, f"{night}/Mrk421/2").level == "good"
    with pytest.raises(UnknownRunError, match="2020-12-15/CrabNebula/2, 2020-12-15/Mrk421/2"):
        find_run(catalog, V, "2")
    for name in ("3", f"{night}/Mrk421/1"):
        with pytest.raises(UnknownRunError, match="no verdict of run"):
            find_run(catalog, V, name)
    for name in ("", "Crab", "1/2", f"{night}//2", f"/{SOURCE}/2", "²"):
        with pytest.raises(UnknownRunError, match="is no run"):
            find_run(catalog, V, name)


def numbers(tmp_path: Path, night: Night, run: dict[str, Any]) -> dict[str, Any]:
    path = NightTree(tmp_path, night, "").qa[1]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(
        {"plan": "abc", "verdict": {"level": "bad", "reason": "r"}, "metrics": {}, "runs": [run]}
    ))  # fmt: skip
    found = tree.qa_values(tmp_path, V, night, SOURCE)
    assert found is not None
    (row,) = found[1]
    return row


def test_values_and_levels_are_read_from_one_place_or_two(tmp_path, night):
    two = numbers(tmp_path, night, {
        "lst_run": 5, "level": "bad", "metrics": {"zenith_deg": 71.0, "live_time_s": None, "on_time_s": 3.0},
        "verdicts": [
            {"metric": "zenith_deg", "level": "bad", "reason": "zenith 71.0 deg", "value": 71.0},
            {"metric": "completeness M1", "level": "good", "reason": "", "value": 1.0},
        ],
    })  # fmt: skip
    assert two["reasons"] == ["zenith 71.0 deg"]
    assert two["metrics"] == {
        "zenith_deg": {"value": 71.0, "level": "bad"}, "live_time_s": {"value": None}, "on_time_s": {"value": 3.0},
        "completeness M1": {"value": 1.0, "level": "good"},
    }  # fmt: skip
    assert (two["zenith_deg"], two["live_time_s"], two["plan"]) == (71.0, None, "abc")
    one = numbers(tmp_path, night, {
        "lst_run": 5, "level": "bad", "reasons": ["zenith 71.0 deg"], "zenith_deg": 71.0, "live_time_s": 1100.5,
        "metrics": {"zenith_deg": {"value": 71.0, "unit": "deg", "level": "bad", "limit": "up to 70"}},
    })  # fmt: skip
    assert (one["zenith_deg"], one["live_time_s"], one["reasons"]) == (71.0, 1100.5, ["zenith 71.0 deg"])
    assert one["metrics"]["zenith_deg"]["unit"] == "deg"
    good = numbers(tmp_path, night, {
        "lst_run": 5, "level": "good", "reasons": [], "metrics": {},
        "verdicts": [{"metric": "muon_efficiency", "level": "unknown", "reason": "no limit", "value": None}],
    })  # fmt: skip
    assert good["reasons"] == []  # what is unknown does not count


def test_a_damaged_page_is_left_out_by_name(tmp_path, night, caplog):
    numbers(tmp_path, night, {"lst_run": 5, "level": "good"})
    path = NightTree(tmp_path, night, "").qa[1]
    for content in ('{"verdict": ', '{"runs": [{"level": "good"}]}', '{"verdict": {"level": 1}, "runs": 3}'):
        path.write_text(content)
        assert tree.qa_values(tmp_path, V, night, SOURCE) is None
    assert str(path) in caplog.text
