"""A night in which MAGIC's GPS was broken: its clock comes back, and the showers with it."""

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stereo_tasks.kernels import broken_clock
from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.processing.night_plans import plan_night
from stereo_tasks.simulate import Fault, NightSpec, RunSpec, SourceSpec, simulate_night
from stereo_tasks.stages import Engine, EngineChoice, State
from stereo_tasks.stages.night import CALIBRATE, COINCIDE, MERGE, SYNCHRONISE
from stereo_tasks.steps import hdf
from stereo_tasks.steps.equality import difference
from stereo_tasks.steps.run import run_element

pytestmark = pytest.mark.slow
OFFSET_S, DRIFT_US_PER_S, USUAL_US = 2.3, 3.0, -3.2


def _night(root, faults, search):
    """Simulate a night of one run, and bring it to the coincidence."""
    source = SourceSpec(
        name="CrabNebula", ra_deg=83.633212, dec_deg=22.01446, spectrum=None,
        runs=(RunSpec(zenith_deg=20.0, subruns=3, subrun_seconds=4.0),),
    )  # fmt: skip
    simulate_night(NightSpec(night="2024-01-10", sources=(source,), proton_library=60, faults=faults), root / "data")
    (root / "config").mkdir()
    (root / "config" / "policy.yaml").write_text("min_same_wobble_min: 0.0\n")
    (root / "config" / "time_offsets.yaml").write_text(
        f"- {{first: 2024-01-10, last: 2024-01-10, offset_us: {USUAL_US}{', search: 4 s' if search else ''}}}\n"
    )


@pytest.fixture(scope="module")
def nights(tmp_path_factory):
    """The same night with a good and with a broken clock; the records by element."""
    records = {}
    with pytest.MonkeyPatch.context() as patch:
        for name, faults, search in (("good", (), False), ("broken", (Fault(kind="broken_gps"),), True)):
            root = tmp_path_factory.mktemp(name)
            _night(root, faults, search)
            patch.setenv("STEREO_SITE", str(root))
            (plan,) = plan_night("2024-01-10").plans
            plan.save()
            states = ElementStates(plan)
            records[name] = {
                element.id: run_element(states, element)
                for stage in (CALIBRATE, MERGE, SYNCHRONISE, COINCIDE)
                for _, element in plan.of_stage(stage)
            }
            records[f"{name} plan"] = plan
    return records


def test_the_injected_clock_comes_back(nights):
    """2.3 s and 3 us/s from the start of the run: within 100 ns and 0.1 us/s."""
    truth = json.loads((_root(nights) / "data" / "truth" / "20240110.json").read_text())
    start_s = dt.datetime.fromisoformat(truth["sources"][0]["runs"][0]["start"]).timestamp()
    for telescope in ("M1", "M2"):
        record = nights["broken"][f"synchronise/{telescope}/05080688"]
        assert record.state == State.DONE
        assert record.counts["clock_drift_us_per_s"] == pytest.approx(DRIFT_US_PER_S, abs=0.1)
        found = json.loads(Path(record.outputs[1].path).read_text())
        for unix_s, offset_ns in zip(found["unix_s"], found["offset_ns"], strict=True):
            since_s = unix_s - OFFSET_S - start_s
            expected_ns = OFFSET_S * 1e9 + (DRIFT_US_PER_S * since_s + USUAL_US) * 1e3
            assert offset_ns == pytest.approx(expected_ns, abs=100)


def test_the_offset_is_the_usual_one_in_every_subrun(nights):
    offsets = [record.counts["time_offset_us"] for name, record in nights["broken"].items() if "coincide" in name]
    assert offsets == pytest.approx([USUAL_US] * 3, abs=0.15)


def test_the_showers_are_those_of_a_good_clock(nights):
    found = {
        name: sum(record.counts["n_coincidence"] for element, record in nights[name].items() if "coincide" in element)
        for name in ("good", "broken")
    }
    # A subrun of LST-1 takes the MAGIC showers of its time: the corrected time may put one at the edge elsewhere.
    assert found["broken"] == pytest.approx(found["good"], abs=4)
    assert found["good"] > 100


def test_nothing_but_the_times_has_changed(nights):
    names = ["event_id", "intensity", "pointing_alt"]
    paths = [Path(nights["broken"][f"{stage}/M1/05080688"].outputs[0].path) for stage in ("merge", "synchronise")]
    merged, synchronised = (hdf.columns(path, names) for path in paths)
    assert all(np.array_equal(merged[name], synchronised[name]) for name in names)


def test_a_run_during_which_lst_did_not_observe_stays_as_it_is(nights, tmp_path):
    """It is no lost run: MAGIC may observe longer."""
    plan = nights["broken plan"]
    (_, element), *_ = plan.of_stage(SYNCHRONISE)
    inputs = tuple(item for item in element.inputs if item.role != "lst")
    outputs = tuple(str(tmp_path / Path(output).name) for output in element.outputs)
    record = run_element(ElementStates(plan), replace(element, inputs=inputs, outputs=outputs))
    assert record.state == State.DONE
    assert record.lost == (f"LST-1 observed during no slice of time of {Path(outputs[0]).name}, which stays as it is",)
    merged, same = (hdf.column(Path(path), "time_nanosec") for path in (element.inputs[0].path, outputs[0]))
    assert np.array_equal(merged, same)


def test_showers_without_a_common_offset_hold_the_run(nights, tmp_path, monkeypatch):
    """0.5 s are searched, and the clock is 2.3 s off."""
    monkeypatch.setattr(broken_clock, "SLICE_S", 2.0)
    plan = nights["broken plan"]
    (_, element), *_ = plan.of_stage(SYNCHRONISE)
    outputs = tuple(str(tmp_path / Path(output).name) for output in element.outputs)
    parameters = element.parameters | {"search_s": 0.5}
    record = run_element(ElementStates(plan), replace(element, parameters=parameters, outputs=outputs))
    assert record.state == State.HELD
    assert record.reason.startswith("no common time offset within 0.5 s in 5 of 5 slices of time: search farther")
    assert not list(tmp_path.glob("dl1_*.h5"))


def test_magic_cta_pipe_itself_finds_the_same(nights, tmp_path):
    """Its tool is given MAGIC's corrected files, and runs as it is."""
    plan = nights["broken plan"]
    by_tool = replace(plan, engines={**plan.engines, "coincide": EngineChoice(Engine.MCP, "to compare")})
    (_, element), *_ = by_tool.of_stage(COINCIDE)
    other = replace(element, outputs=(str(tmp_path / Path(element.outputs[0]).name),))
    record = run_element(ElementStates(by_tool), other)
    assert (record.state, record.engine) == (State.DONE, "mcp")
    assert difference(Path(element.outputs[0]), Path(other.outputs[0])) == ""


def _root(nights):
    return Path(nights["broken plan"].root).parents[2]
