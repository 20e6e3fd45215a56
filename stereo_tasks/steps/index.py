"""DL3 of the runs of a night -> HDU index and observation index, by ``create_dl3_index_files``."""

from __future__ import annotations

from stereo_tasks.products.record import NO_INPUT
from stereo_tasks.steps.context import Made, StepContext
from stereo_tasks.steps.outcomes import skipped


def run(context: StepContext) -> Made:
    """Index the runs that reached DL3."""
    available, lost = context.upstream()
    if not available:
        raise skipped(f"{NO_INPUT}, no run reached DL3: {'; '.join(lost)}")

    staged = context.stage_inputs("dl3", [item for item, _ in available])
    context.run_tool(str(staged))
    outputs = [staged / "hdu-index.fits.gz", staged / "obs-index.fits.gz"]
    return Made(outputs, {"runs": len(available)}, lost)
