"""DL3 of the runs of a night -> HDU index and observation index, by ``create_dl3_index_files``; true to GADF."""

from __future__ import annotations

from pathlib import Path

from astropy.io import fits

from stereo_tasks.gadf.amend import amend_index
from stereo_tasks.gadf.check import HDU_INDEX, OBS_INDEX
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
    amend_index(staged / HDU_INDEX, staged / OBS_INDEX, dict(_events(Path(item.path)) for item, _ in available))
    outputs = [staged / HDU_INDEX, staged / OBS_INDEX]
    return Made(outputs, {"runs": len(available)}, lost)


def _events(dl3: Path) -> tuple[int, fits.Header]:
    header = fits.getheader(dl3, "EVENTS")
    return int(header["OBS_ID"]), header
