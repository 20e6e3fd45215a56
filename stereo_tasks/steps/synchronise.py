"""Merged DL1 of a MAGIC run -> the same with its times by LST-1's clock, where MAGIC's GPS was broken.

The pointing stays as it was interpolated at the times as they were: 4 s are 0.02 deg of the sky's turn at most, in the
altitude and azimuth of MAGIC alone.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tables

from stereo_tasks.kernels.broken_clock import Clock, Showers, clock_of, drift_and_residuals
from stereo_tasks.kernels.lst_subruns import COSMIC_EVENT
from stereo_tasks.products.record import NO_INPUT
from stereo_tasks.stages import Stage
from stereo_tasks.steps import hdf, validate
from stereo_tasks.steps.coincide import LST_TABLE
from stereo_tasks.steps.context import Made, StepContext
from stereo_tasks.steps.outcomes import held, skipped

_NS = 1_000_000_000


def run(context: StepContext) -> Made:
    """Find how far MAGIC's clock was from LST-1's, and take that out of the times of a run."""
    available, lost = context.upstream("magic")
    if not available:
        raise skipped(f"{NO_INPUT}: {'; '.join(lost)}")
    merged = Path(available[0][0].path)
    search_s, usual_us = (context.element.parameters[name] for name in ("search_s", "offset_us"))
    magic = _magic(merged)
    lst, lost = _lst(context, magic, search_s)
    clock = clock_of(magic, lst, search_s)
    if clock.lost > len(clock.slices):
        lacking = f"{clock.lost} of {clock.lost + len(clock.slices)} slices of time"
        raise held(
            f"no common time offset within {search_s:g} s in {lacking}: search farther (config/time_offsets.yaml), or "
            "leave the run out"
        )
    if not clock.slices:
        lost.append(f"LST-1 observed during no slice of time of {merged.name}, which stays as it is")
    output, found = context.work / merged.name, context.work / f"{merged.stem}.clock.json"
    shutil.copyfile(merged, output)
    times_ns = _shift(output, clock, usual_us) if clock.slices else magic.time_ns
    slices, counts = _told(clock)
    found.write_text(json.dumps(slices))
    counts |= {
        "events_out": len(times_ns),
        "time_start_unix_s": float(times_ns.min() / _NS),
        "time_stop_unix_s": float(times_ns.max() / _NS),
    }
    return Made([output, found], counts, lost)


def check(stage: Stage, path: Path) -> str:
    """Check the table, or the slices beside it."""
    if path.suffix == ".json":
        return "" if "offset_ns" in json.loads(path.read_text()) else "has no slices"
    return validate.event_table(stage, path)


def _magic(path: Path) -> Showers:
    found = hdf.columns(path, ("time_sec", "time_nanosec", "intensity"))
    time_ns = found["time_sec"].astype(np.int64) * _NS + found["time_nanosec"].astype(np.int64)
    order = np.argsort(time_ns, kind="stable")
    return Showers(time_ns[order], found["intensity"][order])


def _lst(context: StepContext, magic: Showers, search_s: float) -> tuple[Showers, list[str]]:
    """Return LST-1's showers around the time of a MAGIC run, and the files that cannot be read."""
    timestamp = context.plan.config["event_coincidence"]["timestamp_type_lst"]
    begin_s, end_s = magic.time_ns[0] / _NS - search_s, magic.time_ns[-1] / _NS + search_s
    times, intensities, lost = [np.zeros(0, dtype=np.int64)], [np.zeros(0)], []
    for item in context.inputs("lst"):
        path = Path(item.path)
        try:
            with tables.open_file(str(path)) as file:
                node = file.get_node(LST_TABLE)
                if not node.nrows or node[0][timestamp] > end_s or node[-1][timestamp] < begin_s:
                    continue
                found = hdf.columns_of(node, (timestamp, "event_type", "intensity"))
        except (tables.NoSuchNodeError, tables.HDF5ExtError, OSError) as error:
            lost.append(f"{path.name}: truncated or damaged ({type(error).__name__})")
            continue
        good = (found["event_type"] == COSMIC_EVENT) & np.isfinite(found["intensity"]) & np.isfinite(found[timestamp])
        # The digits that a float64 has of a unix time: 240 ns, which average out.
        times.append(np.round(found[timestamp][good] * _NS).astype(np.int64))
        intensities.append(found["intensity"][good])
    time_ns = np.concatenate(times)
    order = np.argsort(time_ns, kind="stable")
    return Showers(time_ns[order], np.concatenate(intensities)[order]), lost


def _shift(path: Path, clock: Clock, usual_us: float) -> npt.NDArray[np.int64]:
    """Bring the times of a table to the usual offset, and return them in ns."""
    with tables.open_file(str(path), "r+") as file:
        table = file.get_node(hdf.EVENTS)
        columns = [table.col(name) for name in ("time_sec", "time_nanosec")]
        time_ns: npt.NDArray[np.int64] = columns[0].astype(np.int64) * _NS + columns[1].astype(np.int64)
        time_ns = time_ns - np.round(clock.offset_ns(time_ns) - usual_us * 1e3).astype(np.int64)
        for name, values, old in zip(("time_sec", "time_nanosec"), divmod(time_ns, _NS), columns, strict=True):
            table.modify_column(column=values.astype(old.dtype), colname=name)
    return time_ns


def _told(clock: Clock) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Return the slices for the file beside the product, and the counts of the record."""
    if not clock.slices:
        return {name: [] for name in ("unix_s", "offset_ns", "drift_us_per_s", "residual_ns", "pairs")}, {}
    drift, residual_ns = drift_and_residuals(clock.slices)
    slices = {
        "unix_s": [one.time_ns / _NS for one in clock.slices],
        "offset_ns": [one.offset_ns for one in clock.slices],
        "drift_us_per_s": [one.drift * 1e6 for one in clock.slices],
        "residual_ns": residual_ns.tolist(),
        "pairs": [float(one.pairs) for one in clock.slices],
    }
    counts = {
        "clock_offset_s": clock.slices[len(clock.slices) // 2].offset_ns / _NS,
        "clock_drift_us_per_s": drift * 1e6,
        "clock_slices": float(len(clock.slices)),
        "clock_slices_lost": float(clock.lost),
        "clock_residual_ns": float(np.sqrt(np.mean(residual_ns**2))),
    }
    return slices, counts
