"""Which elements each stage of a night has: what they read, and where their products go."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

from stereo_tasks.inventory import gaps
from stereo_tasks.planning.elements import product, raw
from stereo_tasks.planning.night import NightPlanner
from stereo_tasks.planning.plan import Blocker, Input, Notice
from stereo_tasks.products.models import ModelFile, Models
from stereo_tasks.stages import Engine, Stage, night_stages


def calibrate(night: NightPlanner, stage: Stage) -> None:
    """One element a subrun of M1 or M2, with the drive reports of its neighbours.

    They let the pointing be interpolated up to the edges of the subrun.
    """
    for run in night.magic_runs:
        for telescope in (1, 2):
            subruns = night.magic_subruns(telescope, run)
            for number in gaps(subruns):
                night.missing(f"MAGIC M{telescope} {run:08d}.{number:03d}")
            for place, subrun in enumerate(subruns):
                neighbours = [near for near in subruns[max(place - 1, 0) : place + 2] if near is not subrun]
                night.add(
                    stage,
                    f"M{telescope}/{run:08d}.{subrun.subrun:03d}",
                    [raw(subrun, "subrun"), *(raw(near, "drive") for near in neighbours)],
                    [night.tree.dl1_magic(telescope, run, subrun.subrun)],
                )


def merge(night: NightPlanner, stage: Stage) -> None:
    """One element a run and telescope; the other telescope tells which subruns both have."""
    for run in night.magic_runs:
        both = {telescope: night.magic_subruns(telescope, run) for telescope in (1, 2)}
        expected = max(subrun.subrun for subruns in both.values() for subrun in subruns)
        dl1 = {
            telescope: [night.tree.dl1_magic(telescope, run, subrun.subrun) for subrun in subruns]
            for telescope, subruns in both.items()
        }
        for telescope in (1, 2):
            night.add(
                stage,
                f"M{telescope}/{run:08d}",
                [
                    *(product(path, "subrun") for path in dl1[telescope]),
                    *(product(path, "partner") for path in dl1[3 - telescope]),
                ],
                [night.tree.dl1_merged(telescope, run)],
                {"telescope": telescope, "run": run, "subruns_expected": expected},
            )


def synchronise(night: NightPlanner, stage: Stage) -> None:
    """One element a run and telescope, where MAGIC's GPS was broken; LST-1's showers tell the time."""
    if (search_s := night.chosen.clock_search_s) is None:
        return
    lst = [raw(subrun, "lst") for run in night.runs for subrun in night.lst_subruns(run.lst_run)]
    for run in night.magic_runs if lst else ():
        for telescope in (1, 2):
            night.add(
                stage,
                f"M{telescope}/{run:08d}",
                [product(night.tree.dl1_merged(telescope, run), "magic"), *lst],
                list(night.tree.dl1_synchronised(telescope, run)),
                {"search_s": search_s, "offset_us": night.chosen.time_offset_us},
            )


def coincide(night: NightPlanner, stage: Stage) -> None:
    """One element a subrun of LST-1; which of MAGIC's runs belong to its time is known only from the data."""
    broken = night.chosen.clock_search_s is not None
    magic = [
        product(
            night.tree.dl1_synchronised(telescope, run)[0] if broken else night.tree.dl1_merged(telescope, run), "magic"
        )
        for run in night.magic_runs
        for telescope in (1, 2)
    ]
    for run in night.runs:
        subruns = night.lst_subruns(run.lst_run)
        if not subruns:
            reason = f"no DL1 file in {night.lst_folder}: the run is lost"
            night.missing(f"LST-1 run {run.lst_run:05d}", reason)
        for number in gaps(subruns):
            night.missing(f"LST-1 {run.lst_run:05d}.{number:04d}")
        for subrun in subruns if magic else ():
            night.add(
                stage,
                f"{run.lst_run:05d}.{subrun.subrun:04d}",
                [raw(subrun, "lst"), *magic],
                [night.tree.coincident(run.lst_run, subrun.subrun)],
            )


def stereo(night: NightPlanner, stage: Stage) -> None:
    """One element a subrun of LST-1."""
    for run in night.runs:
        for subrun in night.lst_subruns(run.lst_run) if night.magic_runs else ():
            night.add(
                stage,
                f"{run.lst_run:05d}.{subrun.subrun:04d}",
                [product(night.tree.coincident(run.lst_run, subrun.subrun))],
                [night.tree.stereo(run.lst_run, subrun.subrun)],
            )


def merge_stereo(night: NightPlanner, stage: Stage) -> None:
    """One element a run of LST-1."""
    for run in _runs_with_files(night):
        subruns = night.lst_subruns(run)
        night.add(
            stage,
            f"{run:05d}",
            [product(night.tree.stereo(run, subrun.subrun)) for subrun in subruns],
            [night.tree.stereo_merged(run)],
            {"run": run, "subruns_expected": len(subruns) + len(gaps(subruns))},
        )


def dl2(night: NightPlanner, stage: Stage) -> None:
    """One element a run of LST-1, with all forests of its NSB level."""
    for run, models in _runs_with_models(night):
        forests = [_model(file, "forest") for file in models.forests]
        night.add(stage, f"{run:05d}", [product(night.tree.stereo_merged(run)), *forests], [night.tree.dl2(run)])


def dl3(night: NightPlanner, stage: Stage) -> None:
    """One element a run of LST-1, with all IRFs of its NSB level and declination line."""
    for run, models in _runs_with_models(night):
        irfs = [_model(node.file, "irf") for node in models.irfs]
        # The live time comes from all showers that LST-1 recorded; DL2 has those that MAGIC saw, too.
        lst = [raw(subrun, "lst") for subrun in night.lst_subruns(run)]
        night.add(stage, f"{run:05d}", [product(night.tree.dl2(run)), *irfs, *lst], [night.tree.dl3(run)])


def index(night: NightPlanner, stage: Stage) -> None:
    """One element for the whole night, if a run can reach DL3."""
    if runs := _runs_with_models(night):
        night.add(stage, "", [product(night.tree.dl3(run)) for run, _ in runs], list(night.tree.index))


def compare(night: NightPlanner, stage: Stage) -> None:
    """Draw a few elements of each stage that a kernel works on, by their names: always the same ones of a night.

    Each comes with others that are compared in its place should no kernel have made it, as where its files are empty.
    """
    for compared in night_stages():
        if night.engines[compared.name].engine is not Engine.FAST or night.production.corrections_of(compared):
            continue
        elements = sorted(night.of_stage(compared), key=lambda element: _draw(f"{night.night} {element.id}"))
        number = max(night.production.compared_min, math.ceil(night.production.compared_fraction * len(elements)))
        for position, element in enumerate(elements[:number]):
            candidates = elements[position :: max(number, 1)][:COMPARED_CANDIDATES]
            night.add(
                stage,
                element.id,
                [product(Path(candidate.outputs[0])) for candidate in candidates],
                [night.tree.comparison(element.id)],
                cost=night.cost_of_tool(element),
            )


COMPARED_CANDIDATES = 5
"""How many elements are drawn for one comparison: the first that a kernel has made is compared."""


def _draw(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def qa(night: NightPlanner, stage: Stage) -> None:
    """One element, which looks at all others."""
    remarks: list[Notice | Blocker] = [*night.notices, *night.blockers]
    night.add(
        stage,
        "",
        [product(Path(element.outputs[0])) for element in night.elements],
        list(night.tree.qa),
        {"notes": [f"{remark.subject}: {remark.reason}" for remark in remarks]},
    )


def _runs_with_files(night: NightPlanner) -> list[int]:
    return [run.lst_run for run in night.runs if run.lst_subruns_expected and run.magic_runs]


def _runs_with_models(night: NightPlanner) -> list[tuple[int, Models]]:
    found = ((run, night.models_of(run)) for run in _runs_with_files(night))
    return [(run, models) for run, models in found if models is not None]


def _model(file: ModelFile, role: str) -> Input:
    return Input(str(file.path), None, file.size_bytes, file.modified_ns, role)
