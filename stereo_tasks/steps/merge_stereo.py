"""Stereo parameters of the subruns of an LST-1 run -> one file, by ``merge_hdf_files``."""

from __future__ import annotations

from stereo_tasks.steps import hdf
from stereo_tasks.steps.completeness import check_completeness
from stereo_tasks.steps.context import Made, StepContext


def run(context: StepContext) -> Made:
    """Merge the subruns of one LST-1 run."""
    made, lost = context.upstream()
    expected = context.element.parameters["subruns_expected"]
    check_completeness(len(made), expected, lost, context.plan.settings["completeness_min"])

    staged = context.stage_inputs("in", [item for item, _ in made])
    context.run_tool(str(staged), str(context.folder("out")), run_wise=True)
    (output,) = (context.work / "out").glob("*.h5")
    counts = {"events_out": hdf.events(output), "subruns_used": len(made), "subruns_expected": expected}
    return Made([output], counts, lost)
