"""Stereo parameters of a run -> DL2, by ``lst1_magic_dl1_stereo_to_dl2`` with random forests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stereo_tasks.planning.plan import Input
from stereo_tasks.products.record import NO_INPUT
from stereo_tasks.steps import hdf
from stereo_tasks.steps.context import Made, StepContext
from stereo_tasks.steps.outcomes import skipped


def run(context: StepContext) -> Made:
    """Apply the forests to one run."""
    available, lost = context.upstream()
    if not available:
        raise skipped(f"{NO_INPUT}: {'; '.join(lost)}")
    return apply_forests(context, available[0][0])


def apply_forests(context: StepContext, item: Input) -> Made:
    """Apply the forests among the inputs to a file of stereo parameters."""
    forests = context.stage_inputs("forests", context.inputs("forest"))
    dl2 = context.folder("out")
    context.run_tool(item.path, str(forests), str(dl2))
    (output,) = dl2.glob("dl2_*.h5")
    zenith_deg = 90 - np.degrees(hdf.column(output, "pointing_alt"))
    counts = {
        "events_in": hdf.events(Path(item.path)),
        "events_out": hdf.events(output),
        "zenith_mean_deg": float(zenith_deg.mean()),
    }
    return Made([output], counts)
