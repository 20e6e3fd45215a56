"""Metrics of runs from records."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stereo_tasks.planning.plan import Run
from stereo_tasks.qa.elements import losses, place_of, problems, stage_summaries
from stereo_tasks.qa.metrics import run_metrics


def test_places_of_elements(fake_night):
    places = {element.id: place_of(element) for element in fake_night.plan.elements}
    one = places["calibrate/M2/05093712.003"]
    assert (one.telescope, one.run, one.subrun) == ("M2", 5093712, 3)
    one = places["coincide/01622.0002"]
    assert (one.telescope, one.run, one.subrun) == (None, 1622, 2)
    assert places["dl3/01623"].subrun is None
    assert places["index"] is None


def test_the_time_offset_is_weighted_and_its_jump_is_the_largest(fake_night):
    fake_night.set("coincide/01622.0001", time_offset_us=-9.2, n_coincidence=2700 * 4)
    run, other = run_metrics(fake_night.plan, fake_night.records, {})
    assert run.time_offset_us == pytest.approx((-3.2 - 4 * 9.2 - 3.1) / 6)
    assert run.time_offset_jump_us == pytest.approx(6.0)
    assert other.time_offset_jump_us == pytest.approx(0.1)


def test_a_run_that_did_not_reach_dl3_names_the_stage_that_stopped_it(fake_night):
    for element in ("dl3/01622", "dl2/01622"):
        fake_night.records[element] = None
    fake_night.set("merge_stereo/01622", "failed", "2 of 3 subruns are lost")
    run, other = run_metrics(fake_night.plan, fake_night.records, {})
    assert (run.state, run.reason) == ("no record", "2 of 3 subruns are lost")
    assert (other.state, other.reason) == ("done", "")


def test_the_reason_is_the_cause_not_what_followed_from_it(fake_night):
    for stage in ("dl2", "dl3"):
        fake_night.set(f"{stage}/01622", "skipped", "no input: merge_stereo/01622 held")
    fake_night.set("merge_stereo/01622", "held", "run lost: 2 of 3 subruns")
    run, _ = run_metrics(fake_night.plan, fake_night.records, {})
    assert run.reason == "run lost: 2 of 3 subruns"


def test_several_magic_runs_of_one_lst_run_add_up(fake_night):
    plan = replace(fake_night.plan, runs=(Run(1622, (5093711, 5093712), 3, 6),))
    fake_night.records["merge/M2/05093712"] = None
    fake_night.set("merge/M1/05093711", subruns_used=2, lost=("subrun 002: truncated",))
    (run,) = run_metrics(plan, fake_night.records, {})
    assert {one.instrument: (one.used, one.expected) for one in run.completeness} == {
        "LST-1": (3, 3), "M1": (5, 6), "M2": (3, 6),
    }  # fmt: skip
    assert run.flows[0].events_out == 6 * 4200
    assert run.lost == ("subrun 002: truncated",)


def test_a_run_has_the_magic_runs_of_its_time(fake_night):
    plan = replace(fake_night.plan, runs=(Run(1622, (5093711, 5093712), 3, 6),))
    name = "coincide/01622.0000"
    fake_night.records[name] = replace(
        fake_night.records[name], used=("dl1_M1.Run05093712.h5", "dl1_M2.Run05093712.h5")
    )
    (run,) = run_metrics(plan, fake_night.records, {})
    assert run.run.magic_runs == (5093712,)
    assert {one.expected for one in run.completeness} == {3}


def test_without_a_merge_its_inputs_are_counted(fake_night):
    fake_night.records["merge_stereo/01622"] = None
    fake_night.set("stereo/01622.0001", "failed", "crash")
    run = run_metrics(fake_night.plan, fake_night.records, {})[0]
    assert run.completeness[0].used == 2


def test_problems_are_grouped_and_the_worst_come_first(fake_night):
    fake_night.set("coincide/01622.0000", "skipped", "no coincident events")
    fake_night.set("dl3/01622", "held", "outside the range")
    fake_night.set("stereo/01622.0000", "failed", "crash")
    fake_night.set("stereo/01623.0002", "failed", "crash")
    fake_night.records["index"] = None
    found = problems(fake_night.plan, fake_night.records)
    assert [(one.state, one.stage, len(one.elements)) for one in found] == [
        ("failed", "stereo", 2), ("held", "dl3", 1), ("no record", "index", 1), ("skipped", "coincide", 1),
    ]  # fmt: skip


def test_losses_name_the_element(fake_night):
    fake_night.set("merge/M1/05093711", lost=("subrun 002: truncated",))
    assert [(one.element, one.text) for one in losses(fake_night.plan, fake_night.records)] == [
        ("merge/M1/05093711", "subrun 002: truncated")
    ]


def test_stages_add_up(fake_night):
    fake_night.set("coincide/01622.0000", "skipped", "no coincident events")
    stages = {one.stage: one for one in stage_summaries(fake_night.plan, fake_night.records)}
    assert list(stages)[:3] == ["calibrate", "merge", "coincide"]
    assert stages["coincide"].states == {"done": 5, "skipped": 1}
    assert stages["calibrate"].events_in == 12 * 9000
    assert stages["merge"].events_in is None
    assert stages["dl2"].cpu_s == pytest.approx(2 * 61.5)
    assert "qa" not in stages


def test_lost_time_is_what_the_subruns_should_have_been_less_the_good_time_with_its_cause(fake_night):
    for subrun in range(3):
        begin_s = 1_704_922_987.0 + 305 * subrun
        fake_night.set(f"coincide/01622.{subrun:04d}", lst_start_unix_s=begin_s, lst_stop_unix_s=begin_s + 305)
    run, other = run_metrics(fake_night.plan, fake_night.records, {})
    assert run.lost_time_s == pytest.approx(3 * 305 - 900)
    assert run.lost_cause == "not all three telescopes recorded showers"
    assert (other.lost_time_s, other.lost_cause) == (None, "")  # records of before: nothing tells

    # One subrun cannot be read: it counts as long as the others.
    counts = fake_night.records["coincide/01622.0002"].counts
    del counts["lst_start_unix_s"]
    fake_night.set("dl3/01622", on_time_s=600)
    fake_night.set("merge_stereo/01622", subruns_used=2)
    run, _ = run_metrics(fake_night.plan, fake_night.records, {})
    assert run.lost_time_s == pytest.approx(3 * 305 - 600)
    assert run.lost_cause == "LST-1: 1 of 3 subruns"
