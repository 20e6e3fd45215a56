"""Which elements each stage of data sets has: what they read, and where their products go."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import product as pairs
from pathlib import Path
from typing import Any

from stereo_tasks.planning.datasets import DatasetPlanner
from stereo_tasks.planning.elements import product
from stereo_tasks.planning.plan import Input
from stereo_tasks.products import dataset_tree
from stereo_tasks.products.models import ModelFile, pointing_of
from stereo_tasks.stages import Stage
from stereo_tasks.stages.datasets import (
    COINCIDENCES,
    COMMON,
    LST_ALONE,
    MAGIC_ALONE,
    MEAN,
    MERGED,
    SAMPLE,
    SIMULATED,
    TRIGGERS,
)

_COMBINATIONS = ("all_combo", "3tel", "LST1_MI", "LST1_MII", "MI_MII")
_TELESCOPES = ("total", "LST", "MAGIC")
_ZENITH_STEP_DEG = 10
"""Width of the ranges of Monte Carlo: those of the seed's notebooks, which had 40 to 50 deg."""
_EVENTS = "/events/parameters"
_LST_RUN = re.compile(r"Run(\d+)")


def merged(planner: DatasetPlanner, stage: Stage) -> None:
    """One element a night: the DL2 of its runs."""
    for night in planner.nights:
        inputs = [_found(file) for file in night.dl2.values()]
        parameters = {"runs": list(night.dl2), **(planner.regions or {})}
        date = night.night.lst_date
        planner.add(stage, date, inputs, [planner.tree.night_part("merged", date)], parameters)


def mean(planner: DatasetPlanner, stage: Stage) -> None:
    """One element a night: the means of its merged images."""
    parameters = {**planner.weights, **(planner.regions or {})}
    for night in planner.nights:
        date = night.night.lst_date
        images = product(planner.tree.night_part("merged", date))
        planner.add(stage, date, [images], [planner.tree.night_part("mean", date)], parameters)


def lst(planner: DatasetPlanner, stage: Stage) -> None:
    """One element a night: the stereo events as LST-1 alone has them; none where the site has no such files."""
    _add_standalone(planner, stage, "lst")


def melibea(planner: DatasetPlanner, stage: Stage) -> None:
    """One element a night: the stereo events as MAGIC alone has them; none where the site has no such files."""
    _add_standalone(planner, stage, "melibea")


def _add_standalone(planner: DatasetPlanner, stage: Stage, kind: str) -> None:
    if kind not in planner.standalone:
        return
    for night in planner.nights:
        date = night.night.lst_date
        events = product(planner.tree.night_part("merged", date), "events")
        inputs = [events, *(_found(file, "files") for file in planner.standalone[kind].get(night.night, ()))]
        planner.add(stage, date, inputs, [planner.tree.night_part(kind, date)], planner.regions)


def coincidences(planner: DatasetPlanner, stage: Stage) -> None:
    """One element a night: what the search for coincidences noted of each subrun."""
    for night in planner.nights:
        if not night.coincident:
            continue
        inputs = [_found(file) for file in night.coincident.values()]
        date = night.night.lst_date
        parameters = {"subruns": [list(key) for key in night.coincident]}
        planner.add(stage, date, inputs, [planner.tree.night_part("coincidences", date)], parameters)


def triggers(planner: DatasetPlanner, stage: Stage) -> None:
    """One element a night: all triggers of LST-1; none where its DL1 is not there (any more)."""
    for night in planner.nights:
        if found := planner.triggers.get(night.night):
            runs = [int(match[1]) for file in found if (match := _LST_RUN.search(file.path.name))]
            date = night.night.lst_date
            output = planner.tree.night_part("triggers", date)
            planner.add(stage, date, [_found(file) for file in found], [output], {"runs": runs})


def common(planner: DatasetPlanner, stage: Stage) -> None:
    """One element a night: the events that all chains of analysis have."""
    for night in planner.nights:
        date = night.night.lst_date
        parts = [product(planner.tree.night_part(kind, date), kind) for kind in _chains(planner)]
        planner.add(stage, date, parts, [planner.tree.night_part("common", date)])


def simulated(planner: DatasetPlanner, stage: Stage) -> None:
    """One element a node of the Monte Carlo."""
    for found in planner.simulated:
        for node, file in found.nodes.items():
            output = planner.tree.mc_part(found.key, node)
            planner.add(stage, f"{found.key}/{node}", [_found(file)], [output], planner.weights)


def season(planner: DatasetPlanner, stage: Stage) -> None:
    """One element a season file, of the parts of all nights."""

    def add(output: Path, of: Stage, **parameters: Any) -> None:
        if parts := [Path(element.outputs[0]) for element in planner.of_stage(of)]:
            _add_file(planner, stage, output, parts, parameters)

    tree = planner.tree
    for combination in _COMBINATIONS:
        add(tree.merged("total", combination), MERGED, combination=combination, telescopes="total")
    for telescopes, combination in pairs(_TELESCOPES[1:], _COMBINATIONS[:2]):
        add(tree.merged(telescopes, combination), MERGED, combination=combination, telescopes=telescopes)
    for telescopes, combination in pairs(_TELESCOPES, _COMBINATIONS[:2]):
        add(tree.mean(telescopes, combination), MEAN, combination=combination, table=f"/events/{telescopes}")
    add(tree.standalone("lst"), LST_ALONE)
    add(tree.effective_times, LST_ALONE, table="/events/effective_time")
    add(tree.standalone("melibea"), MAGIC_ALONE)
    add(tree.coincidences("feature"), COINCIDENCES, table="/events/feature")
    add(tree.coincidences("profile"), COINCIDENCES, table="/events/profile", summed=True)
    add(tree.coincidences("profile", "subruns"), COINCIDENCES, table="/events/profile")
    for kind in _chains(planner):
        add(tree.common(kind), COMMON, table=f"/events/{kind}")
    for line, parts in _lines(planner).items():
        for kind in ("merged", "mean"):
            _add_file(planner, stage, tree.simulated(kind, line), parts, {"table": f"/events/{kind}"})


def sample(planner: DatasetPlanner, stage: Stage) -> None:
    """One element: what the nights are of which the set is."""
    inputs = _parts(planner, MERGED, COINCIDENCES, TRIGGERS)
    indexed = [night for night in planner.nights if night.index]
    inputs += [_found(night.index, "index") for night in indexed if night.index]
    outputs = planner.tree.summary("sample", dataset_tree.SAMPLE)
    planner.add(stage, "", inputs, outputs, {"indexed": [night.night.lst_date for night in indexed]})


def performance(planner: DatasetPlanner, stage: Stage) -> None:
    """One element: how well the chains of analysis reconstruct the common sample, and the Monte Carlo."""
    inputs = _parts(planner, COMMON, SIMULATED)
    (of_sample,) = planner.of_stage(SAMPLE)
    runs = next(path for path in of_sample.outputs if path.endswith("_runs.ecsv"))
    inputs.append(Input(runs, producer=of_sample.outputs[0], role="runs"))
    names = (*dataset_tree.PERFORMANCE, *(dataset_tree.SIMULATED if planner.simulated else ()))
    # What was simulated is told by the files that the nodes were made of.
    inputs += [_found(file, "simulated") for found in planner.simulated for file in found.nodes.values()]
    outputs = planner.tree.summary("performance", names)
    planner.add(stage, "", inputs, outputs, {**(planner.regions or {}), "chains": list(_chains(planner))})


def _parts(planner: DatasetPlanner, *stages: Stage) -> list[Input]:
    """Return the products of stages as inputs; the role is the name of the stage."""
    return [product(element.outputs[0], of.name) for of in stages for element in planner.of_stage(of)]


def _add_file(
    planner: DatasetPlanner, stage: Stage, output: Path, parts: Sequence[Path], parameters: dict[str, Any]
) -> None:
    name = str(output.relative_to(planner.tree.root).with_suffix(""))
    planner.add(stage, name, [product(part) for part in parts], [output], {"table": _EVENTS, **parameters})


def _chains(planner: DatasetPlanner) -> tuple[str, ...]:
    """Return the chains of analysis that the common sample is of."""
    return ("merged", "mean", *planner.standalone)


def _lines(planner: DatasetPlanner) -> dict[str, list[Path]]:
    """Return the parts of the Monte Carlo by period, declination line and range of zenith distances."""
    lines: dict[str, list[Path]] = defaultdict(list)
    for element in planner.of_stage(SIMULATED):
        key, _, node = element.id.removeprefix(f"{SIMULATED}/").rpartition("/")
        found = pointing_of(node)
        if found is None:
            continue
        low_deg = _ZENITH_STEP_DEG * math.floor(found[1] / _ZENITH_STEP_DEG)
        lines[f"{key.replace('/', '_')}_zd_{low_deg}_{low_deg + _ZENITH_STEP_DEG}"].append(Path(element.outputs[0]))
    return lines


def _found(file: ModelFile, role: str = "") -> Input:
    return Input(str(file.path), None, file.size_bytes, file.modified_ns, role)
