"""DL1 of the subruns of a MAGIC run -> one file, by ``merge_hdf_files``."""

from __future__ import annotations

from pathlib import Path

from stereo_tasks.steps import hdf
from stereo_tasks.steps.completeness import check_completeness
from stereo_tasks.steps.context import Made, StepContext
from stereo_tasks.steps.live_time import alive_s


def run(context: StepContext) -> Made:
    """Merge the subruns that both telescopes have.

    A subrun of only one telescope would be live time in which the other is blind: the effective area of the IRFs would
    not hold for it.
    """
    made, lost = context.upstream("subrun")
    partners, _ = context.upstream("partner")
    partner_subruns = {_subrun(item.path) for item, _ in partners}
    used = [item for item, _ in made if _subrun(item.path) in partner_subruns]
    lost += [
        f"{Path(item.path).name}: the other telescope has no such subrun"
        for item, _ in made
        if _subrun(item.path) not in partner_subruns
    ]
    expected = context.element.parameters["subruns_expected"]
    check_completeness(len(used), expected, lost, context.plan.settings["completeness_min"])

    context.run_tool(str(context.stage_inputs("in", used)), str(context.folder("out")), run_wise=True)
    (output,) = (context.work / "out").glob("*.h5")
    stamps = hdf.columns(output, ("time_sec", "time_nanosec"))
    times = stamps["time_sec"] + 1e-9 * stamps["time_nanosec"]
    counts = {
        "events_out": float(len(times)),
        "time_start_unix_s": float(times.min()),
        "time_stop_unix_s": float(times.max()),
        "alive_s": alive_s(times),
        "subruns_used": len(used),
        "subruns_expected": expected,
    }
    return Made([output], counts, lost)


def _subrun(path: str) -> str:
    return Path(path).name.split(".")[2]
