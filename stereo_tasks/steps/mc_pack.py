"""Random forests -> packed forests, which jobs map into memory instead of loading them."""

from __future__ import annotations

from pathlib import Path

from stereo_tasks.kernels.errors import NotCovered
from stereo_tasks.steps.context import Made, StepContext
from stereo_tasks.steps.outcomes import failed, skipped


def run(context: StepContext) -> Made:
    """Pack one file of forests."""
    from stereo_tasks.kernels.forest_files import pack

    _, lost = context.upstream("forest")
    if lost:
        raise failed(f"not made: {'; '.join(lost)}")
    target = context.folder("out") / Path(context.element.outputs[0]).name
    try:
        pack(Path(context.inputs("forest")[0].path), target)
    except NotCovered as error:
        raise skipped(f"{error}: magic-cta-pipe's own tool applies them") from None
    return Made([target], {"size_bytes": float(target.stat().st_size)})
