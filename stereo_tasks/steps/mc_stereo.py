"""Monte Carlo DL1 -> stereo parameters, by ``lst1_magic_stereo_reco``."""

from __future__ import annotations

from pathlib import Path

from stereo_tasks.steps import hdf
from stereo_tasks.steps.context import Made, StepContext
from stereo_tasks.steps.offline import keep_astropy_offline


def run(context: StepContext) -> Made:
    """Reconstruct the showers of one Monte Carlo file."""
    keep_astropy_offline()
    (item,) = context.inputs()
    context.run_tool(item.path, str(context.folder("out")), context.config())
    (output,) = (context.work / "out").glob("dl1_stereo_*.h5")
    return Made([output], {"events_in": hdf.events(Path(item.path)), "events_out": hdf.events(output)})
