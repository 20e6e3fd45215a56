"""All records of a night and source -> QA page."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tables
from astropy.io import fits

from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.planning.plan import Plan
from stereo_tasks.qa.elements import place_of
from stereo_tasks.stages import Stage, State
from stereo_tasks.stages.night import COINCIDE, DL2, INDEX, QA
from stereo_tasks.steps import hdf
from stereo_tasks.steps.context import Made, StepContext
from stereo_tasks.steps.offline import keep_astropy_offline

log = logging.getLogger(__name__)


def run(context: StepContext) -> Made:
    """Make the page, whatever became of the night."""
    keep_astropy_offline()
    from stereo_tasks.qa.report import make_report

    plan = context.plan
    states = ElementStates(plan)  # follows every input to its end: the page tells the whole story
    records = {element.id: states.record(element) for element in plan.elements if element.stage != QA}
    index = next((element for _, element in plan.of_stage(INDEX)), None)
    indexed = index is not None and states.state(index) == State.DONE
    folder = Path(index.outputs[0]).parent if index and indexed else None
    out = context.folder("out")
    counts = make_report(
        plan,
        records,
        folder,
        out,
        dl2={run: columns for run, path in _products(plan, states, DL2) if (columns := _columns(path)) is not None},
        muon_efficiency=_muon_efficiency(plan),
    )
    return Made([out / "report.html", out / "qa.json"], dict(counts))


def _products(plan: Plan, states: ElementStates, stage: Stage) -> Iterator[tuple[int, Path]]:
    """Yield the products of a stage with their LST-1 runs."""
    for _, element in plan.of_stage(stage):
        place = place_of(element)
        if place is not None and states.state(element) == State.DONE:
            yield place.run, Path(element.outputs[0])


def _columns(dl2: Path) -> dict[str, npt.NDArray[Any]] | None:
    """Return the columns of DL2 that the page looks at; None if the file cannot be read: the page must come."""
    from stereo_tasks.qa.images import COLUMNS

    try:
        return hdf.columns(dl2, COLUMNS)
    except (tables.NoSuchNodeError, tables.HDF5ExtError, OSError, KeyError) as error:
        log.warning("%s is not looked at: %s", dl2, error)
        return None


def _muon_efficiency(plan: Plan) -> dict[int, float]:
    """Return the mean efficiency of the good rings in lstchain's muon files that lie beside the DL1 of LST-1."""
    found: dict[int, list[float]] = defaultdict(list)
    for _, element in plan.of_stage(COINCIDE):
        place = place_of(element)
        dl1 = next((Path(item.path) for item in element.inputs if item.role == "lst"), None)
        if place is None or dl1 is None:
            continue
        name = f"muons_LST-1.Run{place.run:05d}.{place.subrun or 0:04d}.fits"
        for folder in (dl1.parent, dl1.parents[1], dl1.parents[1] / "muons"):
            if (path := folder / name).exists():
                found[place.run] += _ring_efficiencies(path)
                break
    return {run: float(np.mean(values)) for run, values in found.items() if values}


def _ring_efficiencies(path: Path) -> list[float]:
    try:
        rings = fits.getdata(path, 1)
        good = rings["good_ring"].astype(bool) & np.isfinite(rings["muon_efficiency"])
        return [float(value) for value in rings["muon_efficiency"][good]]
    except (OSError, KeyError, IndexError, TypeError) as error:
        log.warning("%s is not looked at: %s", path, error)
        return []
