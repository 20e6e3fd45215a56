"""A new stage, added as ``docs/add-a-stage.md`` says: its declaration and its module, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from stereo_tasks import stages
from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.planning.elements import product
from stereo_tasks.processing.chain_arrays import chain_array
from stereo_tasks.processing.night_plans import plan_night
from stereo_tasks.stages import Cost, Crash, Stage, State, Unit
from stereo_tasks.stages.night import MERGE
from stereo_tasks.steps import hdf
from stereo_tasks.steps.context import Made
from stereo_tasks.steps.outcomes import skipped
from stereo_tasks.steps.run import run_element

SELF = "toy_stage"


def elements(night, stage):
    """One element a merged MAGIC run."""
    for merged in night.of_stage(MERGE):
        output = night.root / "Brightest" / merged.id.removeprefix("merge/").replace("/", "_")
        night.add(stage, merged.id.removeprefix("merge/"), [product(merged.outputs[0])], [output.with_suffix(".txt")])


def work(context):
    """Write the largest image of a run."""
    available, lost = context.upstream()
    if not available:
        raise skipped(f"no input: {'; '.join(lost)}")
    largest_pe = float(hdf.column(context.work.parent / available[0][0].path, "intensity").max())
    if largest_pe < context.plan.config["brightest"]["minimum_pe"]:
        raise ZeroDivisionError("nothing bright")
    output = context.folder("out") / "brightest.txt"
    output.write_text(f"{largest_pe}")
    return Made([output], {"largest_pe": largest_pe})


def check(stage, path):
    """Say whether it is a number."""
    return "" if np.isfinite(float(path.read_text())) else "is no number"


BRIGHTEST = Stage(
    name="brightest",
    chain="magic_dl1",
    unit=Unit.MAGIC_RUN,
    elements=f"{SELF}:elements",
    work=f"{SELF}:work",
    check=f"{SELF}:check",
    mcp_keys=("brightest",),
    crashes=(Crash("ZeroDivisionError", State.SKIPPED, "no image is bright enough"),),
    cost=Cost(memory_mb=500, element_s=10),
)


@pytest.fixture
def toy(site, monkeypatch):
    """The stage at its place, behind ``merge``."""
    import sys

    monkeypatch.setitem(sys.modules, SELF, sys.modules[__name__])
    declared = stages.night.STAGES
    place = declared.index(MERGE) + 1
    monkeypatch.setattr(stages.night, "STAGES", (*declared[:place], BRIGHTEST, *declared[place:]))

    def plan(minimum_pe):
        (planned,) = plan_night("2024-01-10").plans
        planned = replace(planned, config={**planned.config, "brightest": {"minimum_pe": minimum_pe}})
        planned.save()
        return planned

    return plan


def run(plan, *names):
    states = ElementStates(plan, trusts=True)
    return [run_element(states, element) for element in plan.elements if element.stage.name in names]


def test_a_new_stage_is_planned_worked_on_and_leaves_records(toy):
    plan = toy(minimum_pe=1)
    run(plan, "calibrate", "merge")
    assert chain_array(plan, "magic_dl1").indices == tuple(index for index, _ in plan.of_stage("brightest"))
    records = run(plan, "brightest")
    assert [record.state for record in records] == [State.DONE] * 2
    assert all(record.counts["largest_pe"] > 100 for record in records)
    assert chain_array(plan, "magic_dl1").indices == ()
    assert ElementStates(plan).summary()["brightest"] == {"done": 2}


def test_its_declaration_says_what_it_reads_and_what_its_crashes_mean(toy):
    run(toy(minimum_pe=1), "calibrate", "merge", "brightest")
    plan = toy(minimum_pe=1e9)
    assert ElementStates(plan).to_do("merge") == ()
    assert len(ElementStates(plan).to_do("brightest")) == 2
    records = run(plan, "brightest")
    assert [(record.state, record.reason) for record in records] == [(State.SKIPPED, "no image is bright enough")] * 2
