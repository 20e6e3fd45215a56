"""DL2 of the test gammas of a node -> IRF, by ``lst1_magic_create_irf``."""

from __future__ import annotations

from stereo_tasks.steps.context import Made, StepContext
from stereo_tasks.steps.irf_cards import difference
from stereo_tasks.steps.offline import keep_astropy_offline
from stereo_tasks.steps.outcomes import failed


def run(context: StepContext) -> Made:
    """Make the point-like IRF of one node."""
    keep_astropy_offline()
    from magicctapipe.scripts.lst1_magic.lst1_magic_create_irf import create_irf

    available, lost = context.upstream()
    if lost:
        raise failed(f"not made: {'; '.join(lost)}")
    item, record = available[0]
    create_irf(item.path, None, None, str(context.folder("out")), context.config())
    (output,) = (context.work / "out").glob("irf_*.fits.gz")
    if wrong := difference(output, context.config()["create_irf"]):
        raise failed(wrong)
    return Made([output], {"events_in": record.counts["events_out"]})
