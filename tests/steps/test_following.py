"""A job goes on with what its elements have made possible."""

import pytest

from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.processing.chain_arrays import chain_array, chain_outcomes
from stereo_tasks.processing.night_plans import plan_night
from stereo_tasks.products.files import write_atomically
from stereo_tasks.stages import State, resolve
from stereo_tasks.steps import following
from stereo_tasks.steps import run as running
from stereo_tasks.steps.context import Made
from stereo_tasks.steps.outcomes import failed


@pytest.fixture
def plan(site, tmp_path):
    """The night's plan, with products of its own."""
    own = site / "config" / "site.yaml"
    own.write_text(f"paths: {{output: {tmp_path}}}\n")
    (one,) = plan_night("2024-01-10").plans
    one.save()
    yield one
    own.unlink()


@pytest.fixture
def steps(monkeypatch):
    """Steps that leave a small file; those that are to break fail."""
    broken: set[str] = set()

    def work(context):
        if context.element.id in broken:
            raise failed("broken")
        made = [context.folder("out") / str(number) for number, _ in enumerate(context.element.outputs)]
        for path in made:
            write_atomically(path, context.element.id)
        times = {"time_start_unix_s": 0.0, "time_stop_unix_s": 1.0} if context.element.stage.name == "merge" else {}
        return Made(made, times)

    monkeypatch.setattr(running, "resolve", lambda name: work if "steps" in name else resolve(name))
    monkeypatch.setattr(running, "validate", lambda stage, files: None)
    return broken


def job(plan, array, numbers=None):
    """Run a job with some of an array's elements; return what it worked on."""
    indices = array.indices if numbers is None else [array.indices[number] for number in numbers]
    return [record.element for record in following.work_on(plan, [plan.elements[i] for i in indices], array.stages)]


def test_one_job_calibrates_a_run_and_merges_it(plan, steps):
    array = chain_array(plan, "magic_dl1")
    assert {plan.elements[index].stage.name for index in array.indices} == {"calibrate"}
    assert array.stages == ("calibrate", "merge")
    worked = job(plan, array)
    assert sorted(worked[:-2]) == sorted(plan.elements[index].id for index in array.indices)
    assert {name.partition("/")[0] for name in worked[-2:]} == {"merge"}
    assert chain_array(plan, "magic_dl1").indices == ()
    assert {outcome.state for outcome in chain_outcomes(plan, "magic_dl1").values()} == {State.DONE}


def test_the_last_job_of_a_run_goes_on_with_it_and_no_other(plan, steps):
    array = chain_array(plan, "magic_dl1")
    half = len(array.indices) // 2
    first = job(plan, array, range(half))
    assert not [name for name in first if name.startswith("merge")]
    last = job(plan, array, range(half, len(array.indices)))
    assert len([name for name in last if name.startswith("merge")]) == 2


def test_each_subrun_goes_to_stereo_before_the_next_one_begins(plan, steps):
    job(plan, chain_array(plan, "magic_dl1"))
    worked = job(plan, chain_array(plan, "stereo_dl3"))
    subruns = [name.partition("/")[2] for name in worked if name.startswith("coincide")]
    expected = [f"{stage}/{subrun}" for subrun in subruns for stage in ("coincide", "stereo")]
    assert worked[: len(expected)] == expected
    assert worked[len(expected)].startswith("merge_stereo")


def test_a_failure_is_waited_for_until_it_was_given_up(plan, steps):
    array = chain_array(plan, "magic_dl1")
    lost = array.indices[0]
    steps.add(plan.elements[lost].id)
    worked = job(plan, array)
    assert not [name for name in worked if name.startswith("merge")]
    assert chain_array(plan, "magic_dl1").indices == (lost,)  # it is tried again, and nothing else
    rest = chain_array(plan, "magic_dl1", tried=array.indices)
    assert {plan.elements[index].stage.name for index in rest.indices} == {"merge"}
    assert len(job(plan, rest)) == 2
    steps.clear()
    # Later it succeeds after all: the merged runs of both telescopes are made anew by the same job.
    again = job(plan, chain_array(plan, "magic_dl1"))
    assert again[0] == plan.elements[lost].id
    assert len(again) == 3


def test_a_job_has_time_for_what_it_goes_on_with(plan, steps):
    array, elements = chain_array(plan, "magic_dl1"), plan.elements
    assert array.element_time_s[array.indices[0]] == 3 * elements[array.indices[0]].time_s
    merge_s = max(element.time_s for element in elements if element.stage.name == "merge")
    calibrate = next(element.stage for element in elements if element.stage.name == "calibrate")
    start_s = calibrate.cost_of(plan.engine(calibrate).engine).start_s
    assert array.start_s == 3 * (start_s + merge_s)
    job(plan, array)
    array = chain_array(plan, "stereo_dl3")
    coincide = elements[array.indices[0]]
    stereo = next(one for one in elements if one.inputs[0].producer == coincide.outputs[0])
    assert array.element_time_s[array.indices[0]] == pytest.approx(3 * (coincide.time_s + stereo.time_s))


def test_what_needs_another_kind_of_job_is_not_gone_on_with(plan, steps, site):
    (site / "config" / "resources.yaml").write_text("merge: {memory: 50 GB}\n")
    try:
        assert chain_array(plan, "magic_dl1").stages == ("calibrate", "merge")  # the plan has its limits already
        (one,) = plan_night("2024-01-10").plans
        one.save()
        array = chain_array(one, "magic_dl1")
        assert array.stages == ("calibrate",)
        assert not [name for name in job(one, array) if name.startswith("merge")]
        assert chain_array(one, "magic_dl1").memory_mb == 50_000
    finally:
        (site / "config" / "resources.yaml").unlink()


def test_outcomes_tell_the_stages_apart(plan, steps):
    job(plan, chain_array(plan, "magic_dl1"))
    groups = {outcome.group for outcome in chain_outcomes(plan, "magic_dl1").values()}
    assert groups == {"calibrate", "merge"}
    assert ElementStates(plan).summary()["merge"] == {"done": 2}
