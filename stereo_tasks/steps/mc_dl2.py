"""Stereo parameters of the test gammas of a node -> DL2."""

from __future__ import annotations

from stereo_tasks.planning.plan import Input
from stereo_tasks.steps.context import Made, StepContext
from stereo_tasks.steps.dl2 import apply_forests
from stereo_tasks.steps.offline import keep_astropy_offline
from stereo_tasks.steps.outcomes import failed


def run(context: StepContext) -> Made:
    """Merge the files of a node and apply the forests."""
    keep_astropy_offline()
    from magicctapipe.scripts.lst1_magic.merge_hdf_files import merge_hdf_files

    for role in ("GammaTest", "forest"):
        _, lost = context.upstream(role)
        if lost:
            raise failed(f"not made: {'; '.join(lost[:5])}")
    staged = context.stage_inputs("in", context.inputs("GammaTest"))
    merge_hdf_files(str(staged), str(context.folder("merged")))
    (merged,) = (context.work / "merged").glob("*.h5")
    return apply_forests(context, Input(str(merged)))
