"""Coincident events -> stereo parameters, by ``lst1_magic_stereo_reco``."""

from __future__ import annotations

from stereo_tasks.products.record import NO_INPUT
from stereo_tasks.steps import hdf
from stereo_tasks.steps.context import Made, StepContext
from stereo_tasks.steps.outcomes import skipped


def run(context: StepContext) -> Made:
    """Reconstruct the showers of one subrun."""
    available, lost = context.upstream()
    if not available:
        raise skipped(f"{NO_INPUT}: {'; '.join(lost)}")
    (item, record) = available[0]

    staged = context.stage_inputs("in", [item])
    (link,) = staged.iterdir()
    context.run_tool(str(link), str(context.folder("out")), context.config())
    (output,) = (context.work / "out").glob("dl1_stereo_*.h5")
    return Made([output], {"events_in": record.counts["events_out"], "events_out": hdf.events(output)})
