"""Parts of a night -> the events that every chain of analysis has, as each of them has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stereo_tasks.products.record import NO_INPUT
from stereo_tasks.steps import dataset_tables
from stereo_tasks.steps.context import Made, StepContext
from stereo_tasks.steps.outcomes import skipped

_TABLES = {"mean": "/events/total"}


def run(context: StepContext) -> Made:
    """Take the events of three telescopes that are in all parts."""
    from stereo_tasks.datasets import combinations, common, files

    paths = {}
    for item in context.element.inputs:
        available, lost = context.upstream(item.role)
        if lost:
            raise skipped(f"{NO_INPUT}, not all chains have this night: {'; '.join(lost)}")
        paths[item.role] = Path(available[0][0].path)

    three = combinations.of_combination("3tel")
    lists = {kind: _events(path, _TABLES.get(kind, files.EVENTS), three) for kind, path in paths.items()}
    events = common.common_events(lists)
    if not len(events):
        raise skipped("no event of three telescopes is in all chains")
    output = context.folder("out") / "common.h5"
    with files.TableWriter(output) as writer:
        for kind, path in paths.items():
            for block in files.blocks(path, _TABLES.get(kind, files.EVENTS)):
                writer.append(block[common.is_among(block, events)], f"/events/{kind}")
    written = {kind: _events(output, f"/events/{kind}") for kind in paths}
    with dataset_tables.named("after writing"):
        common.check_equal(written)
    return Made(
        [output], {"events_out": len(events), **{f"events_{kind}": len(found) for kind, found in lists.items()}}
    )


def _events(path: Path, table: str, keep: Any = None) -> Any:
    """Return the event list of a part, of those events that a rule takes, where the table knows the telescopes."""
    from stereo_tasks.datasets import combinations, common, files

    names = files.names_of(path, table)
    rows = files.columns(path, [name for name in (*combinations.EVENT, "combo_type") if name in names], table)
    if keep is not None and "combo_type" in rows:
        rows = rows[keep(rows)]
    return common.event_list(rows)
