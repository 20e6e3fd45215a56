"""All records of a night and source -> QA page."""

from __future__ import annotations

from pathlib import Path

from stereo_tasks.planning.fingerprint import known_record
from stereo_tasks.products.record import State
from stereo_tasks.stages import Stage
from stereo_tasks.steps.context import Made, StepContext


def run(context: StepContext) -> Made:
    """Make the page, whatever became of the night."""
    from stereo_tasks.qa.report import make_report

    plan = context.plan
    records = {element.id: known_record(plan, element) for element in plan.elements if element.stage != Stage.QA}
    index = next((element for element in plan.elements if element.stage == Stage.INDEX), None)
    indexed = records.get(index.id) if index else None
    folder = Path(index.outputs[0]).parent if index and indexed and indexed.state == State.DONE else None
    out = context.folder("out")
    counts = make_report(plan, records, folder, out)
    return Made([out / "report.html", out / "qa.json"], dict(counts))
