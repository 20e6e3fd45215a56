"""All records of a night and source -> QA page."""

from __future__ import annotations

from pathlib import Path

from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.stages import State
from stereo_tasks.stages.night import INDEX, QA
from stereo_tasks.steps.context import Made, StepContext
from stereo_tasks.steps.offline import keep_astropy_offline


def run(context: StepContext) -> Made:
    """Make the page, whatever became of the night."""
    keep_astropy_offline()
    from stereo_tasks.qa.report import make_report

    plan = context.plan
    states = ElementStates(plan)  # follows every input to its end: the page tells the whole story
    records = {element.id: states.record(element) for element in plan.elements if element.stage != QA}
    index = next((element for _, element in plan.of_stage(INDEX)), None)
    indexed = index is not None and states.state(index) == State.DONE
    folder = Path(index.outputs[0]).parent if index and indexed else None
    out = context.folder("out")
    counts = make_report(plan, records, folder, out)
    return Made([out / "report.html", out / "qa.json"], dict(counts))
