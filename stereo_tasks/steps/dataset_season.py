"""Parts of the nights -> a season file. What it has already of nights that did not change is not read again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from stereo_tasks.planning.element_state import is_made_like
from stereo_tasks.products.record import read_record
from stereo_tasks.stages import State
from stereo_tasks.steps import dataset_tables
from stereo_tasks.steps.context import Made, StepContext


def run(context: StepContext) -> Made:
    """Append to a copy of the file as it is what is new."""
    from stereo_tasks.datasets import files

    available, lost = dataset_tables.made(context)
    given = context.element.parameters
    parts = [
        files.Part(_name(record), record.outputs[0].sha256 or "", Path(item.path), given["table"])
        for item, record in available
    ]
    output = context.folder("out") / "season.h5"
    if (previous := _previous(context)) is not None:
        shutil.copyfile(previous, output)
    with dataset_tables.named("the parts"):
        if given.get("summed"):
            read, rows = files.sum_up(output, parts)
        else:
            read, rows = files.put_together(output, parts, _keep(given))
    counts: dict[str, float] = {
        "nights": len(parts),
        "nights_read": read,
        "rows": rows,
        "size_bytes": output.stat().st_size,
    }
    return Made([output], counts, lost)


def _name(record: Any) -> str:
    """Return what a part is of: the night, or the node."""
    return str(record.element.partition("/")[2])


def _previous(context: StepContext) -> Path | None:
    """Return the file as it is, if it was made in the same way and nobody has touched it since."""
    element = context.element
    record = read_record(element.record_path)
    if record is None or record.state != State.DONE or not is_made_like(record, context.plan, element):
        return None
    return Path(element.outputs[0])


def _keep(given: dict[str, Any]) -> Any:
    """Return which rows go into the file."""
    from stereo_tasks.datasets import combinations

    rules = []
    if given.get("combination", combinations.ALL) != combinations.ALL:
        rules.append(combinations.of_combination(given["combination"]))
    if given.get("telescopes", "total") != "total":
        telescopes = list(combinations.TELESCOPES[given["telescopes"]])
        rules.append(lambda rows: np.isin(rows["tel_id"], telescopes))
    return (lambda rows: np.logical_and.reduce([rule(rows) for rule in rules])) if rules else None
