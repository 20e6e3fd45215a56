"""MAGIC calibrated subrun -> DL1, by ``magic_calib_to_dl1``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import uproot

from stereo_tasks.planning.plan import Input
from stereo_tasks.steps import hdf
from stereo_tasks.steps.context import Made, StepContext
from stereo_tasks.steps.outcomes import quarantined, skipped

_TREES = ("RunHeaders", "Events", "Drive", "Trigger")
_PEDESTAL = 8  # MTriggerPattern.fPrescaled of a pedestal event


def run(context: StepContext) -> Made:
    """Process one subrun. The drive reports of its neighbours are read, too, where these are whole."""
    (subrun,) = context.inputs("subrun")
    if damage := damage_of(Path(subrun.path)):
        raise quarantined(Path(subrun.path).name, damage)
    lost, used = [], [subrun]
    for neighbour in context.inputs("drive"):
        if damage := damage_of(Path(neighbour.path)):
            lost.append(f"drive reports of {Path(neighbour.path).name}: {damage}")
        else:
            used.append(neighbour)

    staged = context.stage_inputs("in", used)
    context.run_tool(
        input_file=str(staged / Path(subrun.path).name),
        output_dir=str(context.folder("out")),
        config=context.config(),
        max_events=None,
    )
    (made,) = (context.work / "out").glob("dl1_*.h5")
    events_out = hdf.rows(made)
    if not events_out:
        # The tool ends with 0 and leaves a file without a table, which merge_hdf_files cannot read.
        raise skipped("no event survives the image cleaning")
    return Made([made], {"events_in": _shower_events(subrun), "events_out": events_out}, lost)


def damage_of(path: Path) -> str:
    """Return what is wrong with a calibrated file; an empty text if it opens and has its trees.

    A ROOT file ends with the list of its trees: one that was cut off does not open.
    """
    try:
        with uproot.open(path) as file:
            if file.file.fEND > path.stat().st_size:
                return f"truncated: {path.stat().st_size} of {file.file.fEND} bytes"
            found = {str(name) for name in file.keys(cycle=False)}
            if missing := [name for name in _TREES if name not in found]:
                return f"lacks the trees {', '.join(missing)}"
            if not file["Events"].num_entries:
                return "has no events"
    except Exception as error:  # noqa: BLE001 - uproot has no common base of its errors
        return f"truncated or damaged ({type(error).__name__})"
    return ""


def _shower_events(subrun: Input) -> int:
    with uproot.open(subrun.path) as file:
        pattern = file["Events"]["MTriggerPattern.fPrescaled"].array(library="np")
    return int(np.count_nonzero(pattern != _PEDESTAL))
