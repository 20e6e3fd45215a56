"""Stereo events of a night + files of LST-1 alone or MAGIC alone -> the same events as that array reconstructs them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stereo_tasks.products.record import NO_INPUT
from stereo_tasks.steps import dataset_tables
from stereo_tasks.steps.context import Made, StepContext
from stereo_tasks.steps.offline import keep_astropy_offline
from stereo_tasks.steps.outcomes import held, skipped

EFFECTIVE_TIMES = "/events/effective_time"


def lst(context: StepContext) -> Made:
    """Take lstchain's DL2 of the stereo events, and the effective time of their runs."""
    import pandas as pd

    from stereo_tasks.datasets import directions, files, standalone_lst

    table, counts = _events_of(context, standalone_lst.lst_events)
    effective, elapsed = (table.attrs[key] for key in (standalone_lst.EFFECTIVE_TIME, standalone_lst.ELAPSED_TIME))
    times = pd.DataFrame(
        {"run": list(effective), "effective_time": effective.values(), "elapsed_time": elapsed.values()}
    )
    counts |= {f"effective_time_s_{run}": time_s for run, time_s in effective.items() if math.isfinite(time_s)}
    output = context.folder("out") / "lst.h5"
    with files.TableWriter(output) as writer:
        _append(writer, context, table, directions.with_icrs)
        writer.append(times, EFFECTIVE_TIMES)
    return Made([output], counts, table.attrs["lost"])


def melibea(context: StepContext) -> Made:
    """Take what MARS's melibea made of the stereo events."""
    from stereo_tasks.datasets import directions, files, standalone_magic

    table, counts = _events_of(context, standalone_magic.magic_events)
    counts["events_with_energy"] = int(table["reco_energy"].notna().sum())
    output = context.folder("out") / "melibea.h5"
    with files.TableWriter(output) as writer:
        _append(writer, context, table, directions.with_horizon)
    return Made([output], counts, table.attrs["lost"])


def _events_of(context: StepContext, reader: Callable[..., Any]) -> tuple[Any, dict[str, float]]:
    """Return the table of the stereo events, with what is lost as an attribute, and numbers for the record."""
    keep_astropy_offline()
    from stereo_tasks.datasets import combinations, files
    from stereo_tasks.datasets.errors import DatasetError
    from stereo_tasks.datasets.standalone import MAGIC_IDS

    available, _ = dataset_tables.made(context, "events")
    images = files.columns(Path(available[0][0].path), [*combinations.EVENT, *MAGIC_IDS])
    events = images.drop_duplicates(combinations.EVENT).set_index(combinations.EVENT)
    try:
        table = reader([Path(item.path) for item in context.inputs("files")], events)
    except DatasetError as error:
        raise held(str(error)) from error
    if table.empty:
        raise skipped(f"{NO_INPUT}: {'; '.join(table.attrs['lost'][:5]) or 'no stereo events'}")
    return table, {"events_in": len(events), "events_out": len(table)}


def _append(writer: Any, context: StepContext, table: Any, other_directions: Callable[..., Any]) -> None:
    """Write the events with complementary columns, one MAGIC run and so one wobble position at a time."""
    from stereo_tasks.datasets import directions, merged

    regions = dataset_tables.regions(context)
    for _, rows in table.reset_index().groupby("obs_id_magic"):
        rows = directions.with_zenith_distances(other_directions(rows))
        writer.append(merged.uniform(directions.with_theta2(rows, regions)))
