"""Verdicts on values, runs and nights."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from stereo_tasks.qa.metrics import run_metrics
from stereo_tasks.qa.run import Subruns
from stereo_tasks.qa.verdicts import Level, RunReport, judge, judge_night, judge_run, worst
from stereo_tasks.settings.qa import Limit

NIGHT = dt.date(2024, 1, 10)
ZENITH = Limit(good=(0, 60))
WOBBLE = Limit(good=(0.35, 0.45), usable=(0.3, 0.5))


@pytest.mark.parametrize(
    ("limit", "value", "level"),
    [
        (ZENITH, 60, Level.GOOD),
        (ZENITH, 60.1, Level.WARNING),
        (WOBBLE, 0.4, Level.GOOD),
        (WOBBLE, 0.48, Level.WARNING),
        (WOBBLE, 0.29, Level.BAD),
        (WOBBLE, None, Level.WARNING),
        (WOBBLE, float("nan"), Level.BAD),
        (Limit(good=(None, 3)), -1e9, Level.GOOD),
    ],
)
def test_levels(limit, value, level):
    assert judge("wobble_offset_deg", value, limit).level == level


def test_reasons_name_value_and_limit():
    assert judge("zenith_deg", 63.21, ZENITH).reason == "zenith 63.2 deg, good is 0 to 60"
    assert judge("zenith_deg", 50, ZENITH).reason == ""
    assert judge("dead_time_factor", None, ZENITH).reason == "dead-time factor: not known"


def test_worst():
    assert worst([]) == Level.GOOD
    assert worst([Level.GOOD, Level.BAD, Level.WARNING]) == Level.BAD


def _first_run(night, qa_settings, **changes):
    metrics = replace(run_metrics(night.plan, night.records, {})[0], wobble_offset_deg=0.4, **changes)
    report = RunReport(metrics, judge_run(metrics, qa_settings, NIGHT, completeness_min=0.6))
    return report.level, list(report.reasons)


def test_a_run_in_order_is_good(fake_night, qa_settings):
    assert _first_run(fake_night, qa_settings) == (Level.GOOD, [])


@pytest.mark.parametrize(
    ("changes", "level", "reason"),
    [
        ({"zenith_deg": 65.0}, Level.WARNING, "zenith 65.0 deg"),
        ({"time_offset_jump_us": 5.9}, Level.WARNING, "time offset away from the known value by 5.90 us"),
        ({"time_offset_jump_us": 1.3e6}, Level.BAD, "if MAGIC's GPS was broken, give the night a 'search'"),
        ({"pointing_separation_arcmin": 7.0}, Level.BAD, "7.00 arcmin"),
        ({"dead_time_factor": 0.5}, Level.WARNING, "dead-time factor 0.500"),
        ({"completeness": (Subruns("LST-1", 8, 10),)}, Level.WARNING, "LST-1: 2 of 10 subruns missing"),
        ({"completeness": (Subruns("M2", 5, 10),)}, Level.BAD, "M2: 5 of 10 subruns missing"),
        ({"state": "held", "reason": "needs Monte Carlo"}, Level.BAD, "held: needs Monte Carlo"),
    ],
)
def test_a_run_with_one_thing_wrong(fake_night, qa_settings, changes, level, reason):
    found, reasons = _first_run(fake_night, qa_settings, **changes)
    assert found == level
    assert len(reasons) == 1
    assert reason in reasons[0]


@pytest.mark.parametrize(
    ("runs", "problems", "no_sky", "level", "words"),
    [
        ([Level.GOOD, Level.GOOD], 0, "", Level.GOOD, "Good: 2 of 2 runs good."),
        ([Level.GOOD], 1, "", Level.WARNING, "1 element failed, held or without a record"),
        ([Level.GOOD, Level.WARNING], 0, "", Level.WARNING, "1 of 2 runs good, 1 with warnings"),
        ([Level.GOOD, Level.BAD], 0, "", Level.WARNING, "Usable in part: 1 of 2 runs good, 1 bad"),
        ([Level.BAD], 0, "", Level.BAD, "Not usable: 0 of 1 run good, 1 bad"),
        ([Level.GOOD], 0, "no run reached DL3", Level.BAD, "no run reached DL3"),
        ([], 0, "", Level.BAD, "Not usable: 0 of 0 runs good"),
    ],
)
def test_a_night(runs, problems, no_sky, level, words):
    verdict = judge_night(runs, holds=0, problems=problems, no_sky=no_sky)
    assert verdict.level == level
    assert words in verdict.reason
