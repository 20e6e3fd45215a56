"""Elements against the real tools: calibrate, merge and coincide of a small night with damaged files."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.products.record import read_record
from stereo_tasks.stages import State, resolve
from stereo_tasks.stages.night import CALIBRATE, COINCIDE, MERGE
from stereo_tasks.steps.context import StepContext
from stereo_tasks.steps.run import run_element


def element(plan, name):
    return next(item for item in plan.elements if item.id == name)


def run(plan, *stages):
    states = ElementStates(plan, trusts=True)
    return {item.id: run_element(states, item) for item in plan.elements if item.stage in stages}


def leftovers(root):
    return [path for path in Path(root).rglob(".tmp-*")]


@pytest.fixture
def calibrated(plan):
    return run(plan, CALIBRATE)


def test_whole_subruns_are_done_and_the_truncated_one_is_put_aside_by_name(plan, calibrated):
    states = {name: record.state for name, record in calibrated.items()}
    truncated = [name for name, state in states.items() if state != State.DONE]
    assert len(states) == 6
    (name,) = truncated
    assert name.startswith("calibrate/M1/")
    assert states[name] == State.HELD
    record = calibrated[name]
    assert "quarantined" in record.reason
    assert Path(element(plan, name).inputs[0].path).name in record.reason
    assert not Path(element(plan, name).outputs[0]).exists()


def test_the_neighbour_goes_without_the_drive_reports_of_the_truncated_file(calibrated):
    assert any("drive reports" in text for record in calibrated.values() for text in record.lost)


def test_the_record_tells_how_the_product_came_to_be(plan, calibrated):
    record = next(record for record in calibrated.values() if record.state == State.DONE)
    assert record.counts["events_in"] >= record.counts["events_out"] > 0
    assert record.versions["magic-cta-pipe"] == "0.6.2"
    assert record.versions["stereo-nights"]
    assert record.cpu_s > 0
    assert 100 < record.peak_memory_mb < 8000
    (mark,) = record.outputs
    assert len(mark.sha256) == 64
    assert Path(mark.path).stat().st_size == mark.size_bytes


def test_a_raw_file_s_checksum_stands_in_the_record_of_who_works_through_it(plan, calibrated):
    """Neighbours, whose drive reports are read, are not hashed once more."""
    for name, record in calibrated.items():
        main, *others = [item.path for item in element(plan, name).inputs]
        known = {mark.path: mark.sha256 for mark in record.inputs}
        assert known[main] == hashlib.sha256(Path(main).read_bytes()).hexdigest()
        assert others
        assert not any(known[other] for other in others)


def test_done_again_nothing_is_touched(plan, calibrated):
    before = {path: path.stat().st_mtime_ns for path in Path(plan.root).rglob("*.h5*")}
    run(plan, CALIBRATE)
    assert {path: path.stat().st_mtime_ns for path in Path(plan.root).rglob("*.h5*")} == before


def test_subruns_that_one_telescope_lost_are_left_out_of_the_other_too(plan, calibrated):
    records = run(plan, MERGE)
    for record in records.values():
        assert record.state == State.DONE, record.reason
        assert (record.counts["subruns_used"], record.counts["subruns_expected"]) == (2, 3)
    m2 = next(record for name, record in records.items() if "/M2/" in name)
    assert any("the other telescope has no such subrun" in text for text in m2.lost)


def test_a_product_of_another_configuration_is_not_taken(plan, calibrated, tmp_path):
    config = {**plan.config, "MAGIC": {"magic_clean": {**plan.config["MAGIC"]["magic_clean"], "picture_thresh": 7}}}
    other = replace(plan, config=config)
    merge = next(one for one in other.elements if one.stage == MERGE)
    context = StepContext(ElementStates(other, trusts=True), merge, tmp_path)
    made, lost = context.upstream("subrun")
    assert not made
    assert all("not made" in text for text in lost)
    assert len(StepContext(ElementStates(plan, trusts=True), merge, tmp_path).upstream("subrun")[0]) >= 2


def test_coincidences_are_found_at_the_simulated_offset_and_a_truncated_subrun_is_put_aside(plan, calibrated):
    run(plan, MERGE)
    records = run(plan, COINCIDE)
    by_subrun = {name[-1]: record for name, record in records.items()}
    assert by_subrun["0"].state == State.DONE, by_subrun["0"].reason
    assert by_subrun["0"].counts["time_offset_us"] == pytest.approx(-3.2, abs=0.3)
    assert by_subrun["0"].counts["pointing_separation_deg"] < 0.1
    assert by_subrun["1"].state == State.HELD
    assert "quarantined" in by_subrun["1"].reason
    # MAGIC's third subrun is lost: there is nothing in its time.
    assert by_subrun["2"].state == State.SKIPPED
    assert not leftovers(plan.root)


def test_killed_in_mid_write_and_tried_again_the_product_is_the_same(plan, calibrated):
    name = next(name for name, record in calibrated.items() if record.state == State.DONE)
    one = element(plan, name)
    target = Path(one.outputs[0])
    undisturbed = pd.read_hdf(target, key="events/parameters")
    target.unlink()
    one.record_path.unlink()
    index = next(i for i, candidate in plan.of_stage(one.stage) if candidate.id == name)
    command = [sys.executable, "-m", "stereo_tasks.steps", str(plan.path), str(one.stage), str(index)]
    process = subprocess.Popen(command, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(target.parent.glob(".tmp-*/out/*.h5")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not target.exists()
    assert not one.record_path.exists()
    assert leftovers(target.parent), "the process was killed before it wrote or after it ended"

    record = run_element(ElementStates(plan), one)
    assert record.state == State.DONE
    pd.testing.assert_frame_equal(pd.read_hdf(target, key="events/parameters"), undisturbed)
    assert not leftovers(target.parent)


def test_an_input_that_changed_after_planning_is_not_taken(plan, calibrated):
    name = next(name for name, record in calibrated.items() if record.state == State.DONE)
    one = element(plan, name)
    raw = Path(one.inputs[0].path)
    times = raw.stat().st_atime_ns, raw.stat().st_mtime_ns
    try:
        os.utime(raw, ns=(times[0], times[1] + 1))
        one.record_path.unlink()
        record = run_element(ElementStates(plan), one)
        assert record.state == State.FAILED
        assert "plan the night again" in record.reason
    finally:
        os.utime(raw, ns=times)
        run_element(ElementStates(plan), one)


def test_the_environment_must_be_the_plan_s(plan):
    other = plan.path.with_name("other.json")
    other.write_text(plan.to_json().replace('"magic-cta-pipe": "0.6.2"', '"magic-cta-pipe": "0.6.1"'))
    command = [sys.executable, "-m", "stereo_tasks.steps", str(other), "calibrate", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "magic-cta-pipe" in done.stderr


def test_a_process_that_fails_late_leaves_alone_what_another_one_has_done_meanwhile(plan, calibrated, monkeypatch):
    name = next(name for name, record in calibrated.items() if record.state == State.DONE)
    one = element(plan, name)
    one.record_path.unlink()  # as another configuration would have left it: a product without a record that counts
    stale = Path(one.outputs[0]).stat().st_ino
    late = ElementStates(plan)

    def work(context):
        winner = run_element(ElementStates(plan), replace(one, stage=CALIBRATE))
        assert winner.state == State.DONE
        raise OSError("the disk of this node is full")

    loser = replace(one, stage=replace(CALIBRATE, work=f"{__name__}:work"))
    monkeypatch.setattr(
        "stereo_tasks.steps.run.resolve", lambda name: work if name.endswith(":work") else resolve(name)
    )
    record = run_element(late, loser)
    assert record.state == State.DONE
    assert read_record(one.record_path).state == State.DONE
    assert ElementStates(plan).state(one) == State.DONE
    assert Path(one.outputs[0]).stat().st_ino != stale
    assert not leftovers(plan.root)


def test_a_failure_removes_the_product_of_an_earlier_configuration(plan, calibrated, monkeypatch):
    name = next(name for name, record in calibrated.items() if record.state == State.DONE)
    one = element(plan, name)
    one.record_path.unlink()

    def work(context):
        raise OSError("the disk of this node is full")

    monkeypatch.setattr("stereo_tasks.steps.run.resolve", lambda name: work)
    assert run_element(ElementStates(plan), one).state == State.FAILED
    assert not Path(one.outputs[0]).exists()
    monkeypatch.undo()
    assert run_element(ElementStates(plan), one).state == State.DONE
