"""LST-1 DL1 subrun + MAGIC DL1 of the night -> coincident events, by ``lst1_magic_event_coincidence``."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path

import erfa
import numpy as np
import tables

from stereo_tasks.planning.selection import START, STOP, of_both_telescopes
from stereo_tasks.products.record import NO_INPUT, Record
from stereo_tasks.qa.intensity_spectrum import shower_counts
from stereo_tasks.steps import hdf
from stereo_tasks.steps.context import Made, StepContext
from stereo_tasks.steps.live_time import COSMIC_EVENT, LST_DEAD_TIME_S, alive_s
from stereo_tasks.steps.outcomes import EXIT_CODES, NoProductError, quarantined, skipped

LST_TABLE = "/dl1/event/telescope/parameters/LST_LSTCam"


def run(context: StepContext) -> Made:
    """Find the events of one LST-1 subrun that MAGIC saw too, in the MAGIC runs of its time only."""
    (lst,) = context.inputs("lst")
    counts = _showers(Path(lst.path))
    start_s, stop_s = counts[START], counts[STOP]
    context.counts.update(counts)
    available, lost = context.upstream("magic")
    both = of_both_telescopes(available)
    used = context.selected()
    if not both:
        raise skipped(f"{NO_INPUT}, no MAGIC run of both telescopes: {'; '.join(lost)}")
    if not used:
        known = _ranges([record for _, record in both])
        raise skipped(f"no overlap in time: LST-1 {_clock(start_s)}-{_clock(stop_s)}, MAGIC {known}")

    staged = context.stage_inputs("magic", used)
    try:
        context.run_tool(lst.path, str(staged), str(context.folder("out")), config=context.config())
    except SystemExit as error:
        if error.code == 3:
            raise NoProductError(
                EXIT_CODES[3][0], f"no coincident events between {_clock(start_s)} and {_clock(stop_s)}"
            ) from None
        raise
    (output,) = (context.work / "out").glob("dl1_*.h5")
    return Made([output], _counts(output), lost, [Path(item.path).name for item in used])


def _showers(path: Path) -> dict[str, float]:
    """Return first and last time (s since 1970 UTC) of an LST-1 subrun, its events and what its showers tell of it."""
    try:
        with tables.open_file(str(path)) as file:
            table = hdf.columns_of(file.get_node(LST_TABLE), ("dragon_time", "event_type", "intensity"))
    except tables.NoSuchNodeError:
        raise quarantined(path.name, f"has no table {LST_TABLE}") from None
    except (tables.HDF5ExtError, OSError) as error:
        raise quarantined(path.name, f"truncated or damaged ({type(error).__name__})") from None
    times = table["dragon_time"]
    if not len(times) or not np.isfinite(times).all():
        raise quarantined(path.name, "has no events or no finite dragon_time")
    is_shower = table["event_type"] == COSMIC_EVENT
    return {
        START: float(times.min()),
        STOP: float(times.max()),
        "events_in": len(times),
        "lst_showers": int(np.count_nonzero(is_shower)),
        "lst_live_s": alive_s(times) - len(times) * LST_DEAD_TIME_S,
        **shower_counts(table["intensity"][is_shower]),
    }


def _clock(time_s: float) -> str:
    return dt.datetime.fromtimestamp(time_s, tz=dt.UTC).strftime("%H:%M:%S")


def _ranges(records: list[Record]) -> str:
    ranges = sorted({(r.counts["time_start_unix_s"], r.counts["time_stop_unix_s"]) for r in records})
    return ", ".join(f"{_clock(start)}-{_clock(stop)}" for start, stop in ranges[::2])


def _counts(output: Path) -> dict[str, float]:
    """Return the offset found and the pointings, from the tool's own table, weighted by coincidences."""
    pointings = [f"pointing_{axis}_{who}" for who in ("lst", "magic") for axis in ("az", "alt")]
    feature = hdf.columns(output, ("n_coincidence", "average_offset", *pointings), "/coincidence/feature")
    weight = feature["n_coincidence"].astype(float)
    separation = np.degrees(erfa.seps(*(feature[name] for name in pointings)))
    counts = {
        "events_out": hdf.events(output),
        "n_coincidence": float(weight.sum()),
        "time_offset_us": float(np.average(feature["average_offset"], weights=weight)),
        "pointing_separation_deg": float(np.average(separation, weights=weight)),
        "zenith_deg": float(90 - np.degrees(np.average(feature["pointing_alt_lst"], weights=weight))),
    }
    return {key: value for key, value in counts.items() if math.isfinite(value)}
