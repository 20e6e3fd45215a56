"""What became of an element under a plan: one answer, from the records that count."""

import pytest
import yaml

from stereo_tasks.planning.element_state import TO_DO, ElementStates
from stereo_tasks.products.record import Record, read_record
from stereo_tasks.stages import State
from stereo_tasks.stages.night import COINCIDE, DL3, MERGE, STEREO

EARLY, LATE = (0.0, 1000.0), (2000.0, 3000.0)
TIMES_S = {5093711: EARLY, 1622: EARLY, 5093712: LATE, 1623: LATE}


@pytest.fixture
def night(tree):
    """Two runs of each telescope: each LST-1 run has its MAGIC run at its time."""
    for run in (5093711, 5093712):
        tree.magic(run, range(1, 4))
    for run in (1622, 1623):
        tree.lst(run, range(2))
    tree.models()
    return lambda: tree.plan(lst_runs=(1622, 1623), magic=(5093711, 5093712))


def configure(tree, **sections):
    (tree.root / "config").mkdir(exist_ok=True)
    (tree.root / "config" / "mcp.yaml").write_text(yaml.safe_dump(sections))


def names(plan, indices):
    return {plan.elements[index].id for index in indices}


def test_records_of_another_configuration_say_nothing_about_this_plan(tree, night, finish):
    finish(night(), times_s=TIMES_S)
    configure(tree, dl2_to_dl3={"interpolation_method": "nearest"})
    summary = ElementStates(night()).summary()
    assert summary["dl2"] == {"done": 2}
    assert summary["dl3"] == {TO_DO: 2}
    assert summary["index"] == summary["qa"] == {TO_DO: 1}


def test_a_failure_counts_under_the_plan_whose_inputs_it_had_and_under_no_other(tree, night, finish):
    plan = night()
    finish(plan, {"dl3/01622": State.FAILED}, times_s=TIMES_S)
    (failed, done) = (element for _, element in plan.of_stage(DL3))
    states = ElementStates(plan)
    assert (states.state(failed), states.state(done)) == (State.FAILED, State.DONE)
    assert not states.is_valid(failed)
    configure(tree, dl2_to_dl3={"interpolation_method": "nearest"})
    assert ElementStates(night()).state(failed) is None


def test_an_element_counts_only_if_all_that_it_was_made_of_counts(night, finish):
    plan = night()
    finish(plan, times_s=TIMES_S)
    calibrated = next(element for element in plan.elements if element.id == "calibrate/M1/05093711.001")
    calibrated.record_path.unlink()
    states = ElementStates(plan)
    concerned = {element.id for element in plan.elements if states.record(element) is None}
    assert {"merge/M1/05093711", "coincide/01622.0000", "dl3/01622", "index", "qa"} <= concerned
    # The other run is made of other files.
    assert not {"merge/M1/05093712", "coincide/01623.0000", "dl3/01623"} & concerned


def test_every_record_is_read_once_however_many_elements_depend_on_it(night, finish):
    plan = night()
    finish(plan, times_s=TIMES_S)
    states = ElementStates(plan)
    states.summary()
    assert states.to_do(DL3) == ()
    assert states.records_read == len(plan.elements)


def test_a_job_reads_the_records_of_its_own_inputs_and_not_those_of_the_night(night, finish):
    plan = night()
    finish(plan, times_s=TIMES_S)
    states = ElementStates(plan, trusts=True)
    _, element = plan.of_stage(STEREO)[0]
    assert states.is_valid(element)
    assert states.records_read == 2


def test_a_late_subrun_concerns_the_coincidences_of_its_time_alone(tree, night, finish):
    finish(night(), times_s=TIMES_S)
    tree.magic(5093711, [4])
    plan = night()
    # The late subrun lengthens its run, up to a second before the other begins.
    times_s = {**TIMES_S, 5093711: (0.0, 1990.0)}
    finish(
        plan,
        only={element.id for element in plan.elements if element.stage.name in ("calibrate", "merge")},
        times_s=times_s,
    )
    assert names(plan, ElementStates(plan).to_do(COINCIDE)) == {"coincide/01622.0000", "coincide/01622.0001"}


def test_a_run_that_comes_late_concerns_the_coincidences_of_its_time_alone(tree, finish):
    tree.magic(5093711, range(1, 4))
    for run in (1622, 1623):
        tree.lst(run, range(2))
    tree.models()
    rows = {"lst_runs": (1622, 1623), "magic": (5093711, 5093712)}
    finish(
        tree.plan(**rows), {"coincide/01623.0000": State.SKIPPED, "coincide/01623.0001": State.SKIPPED}, times_s=TIMES_S
    )
    tree.magic(5093712, range(1, 4))
    plan = tree.plan(**rows)
    finish(
        plan,
        only={element.id for element in plan.elements if element.stage.name in ("calibrate", "merge")},
        times_s=TIMES_S,
    )
    assert names(plan, ElementStates(plan).to_do(COINCIDE)) == {"coincide/01623.0000", "coincide/01623.0001"}


def test_a_record_that_does_not_tell_its_time_depends_on_all_that_it_could_have_taken(tree, night, finish):
    """So are records of 0.2: they count as long as nothing of the night changed."""
    plan = night()
    finish(plan, times_s=TIMES_S)
    for _, element in plan.of_stage(COINCIDE):
        record = read_record(element.record_path)
        timeless = {name: getattr(record, name) for name in record.__slots__} | {"counts": {}}
        timeless["fingerprint"] = ElementStates(plan).fingerprint(element, {})
        Record(**timeless).save(element.record_path)
    assert ElementStates(plan).to_do(COINCIDE) == ()
    tree.magic(5093711, [4])
    plan = night()
    finish(
        plan,
        only={element.id for element in plan.elements if element.stage.name in ("calibrate", "merge")},
        times_s=TIMES_S,
    )
    assert len(ElementStates(plan).to_do(COINCIDE)) == 4
    assert ElementStates(plan).to_do(MERGE) == ()
