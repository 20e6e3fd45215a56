"""DL2 of a run -> DL3 with IRFs, by ``lst1_magic_dl2_to_dl3``; and good time intervals that leave out the gaps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from stereo_tasks.products.record import NO_INPUT
from stereo_tasks.steps import hdf
from stereo_tasks.steps.context import Made, StepContext
from stereo_tasks.steps.outcomes import skipped

GAP_S = 1.0  # magic-cta-pipe 0.6.2 takes a longer time without a stereo event for a gap in the ON time


def run(context: StepContext) -> Made:
    """Make the DL3 of one run."""
    available, lost = context.upstream()
    if not available:
        raise skipped(f"{NO_INPUT}: {'; '.join(lost)}")
    item, record = available[0]

    from magicctapipe.scripts.lst1_magic.lst1_magic_dl2_to_dl3 import dl2_to_dl3

    irfs = context.stage_inputs("irfs", context.inputs("irf"))
    dl2_to_dl3(item.path, str(irfs), str(context.folder("out")), context.config())
    (output,) = (context.work / "out").glob("dl3_*.fits.gz")
    times = np.unique(hdf.column(Path(item.path), "timestamp"))
    counts = set_good_time_intervals(output, times)
    return Made([output], {"events_in": record.counts["events_out"], **counts})


def good_time_intervals(times_s: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the intervals in which events follow each other without a gap.

    Parameters
    ----------
    times_s : array of shape (n_events,)
        Times of all stereo events, in s; at least two.

    Returns
    -------
    array of shape (n_intervals, 2)
        Start and stop in s. Their sum is magic-cta-pipe's ON time.
    """
    times = np.sort(times_s)
    last = np.flatnonzero(np.diff(times) >= GAP_S)
    starts = times[np.concatenate([[0], last + 1])]
    stops = times[np.concatenate([last, [len(times) - 1]])]
    keep = stops > starts
    return np.stack([starts[keep], stops[keep]], axis=1)


def set_good_time_intervals(path: Path, times_s: npt.NDArray[np.float64]) -> dict[str, float]:
    """Replace the single interval that the tool writes, from the first event to the last.

    It would count lost subruns as live time, and events are cut by gammaness before its ends are taken.

    Parameters
    ----------
    path : pathlib.Path
        DL3 file, changed in place: it lies in the working folder.
    times_s : array of shape (n_events,)
        Times of all stereo events of the run, in s since 1970 UTC.

    Returns
    -------
    dict of str to float
        Counts for the record.
    """
    intervals = good_time_intervals(times_s)
    with fits.open(path, mode="update") as hdus:
        gti, events = hdus["GTI"], hdus["EVENTS"]
        table = fits.BinTableHDU.from_columns(gti.columns, nrows=len(intervals), header=gti.header)
        table.data["START"], table.data["STOP"] = intervals[:, 0], intervals[:, 1]
        table.header["HISTORY"] = f"stereo-nights: intervals without a gap of {GAP_S} s between stereo events"
        hdus["GTI"] = table
        on_time_s = float((intervals[:, 1] - intervals[:, 0]).sum())
        header = events.header
        counts = {
            "events_out": int(header["NAXIS2"]),
            "on_time_s": on_time_s,
            "live_time_s": on_time_s * float(header["DEADC"]),
            "deadc": float(header["DEADC"]),
            "zenith_deg": 90 - float(header["ALT_PNT"]),
            "intervals": len(intervals),
        }
        header["ONTIME"], header["LIVETIME"] = counts["on_time_s"], counts["live_time_s"]
        # magic-cta-pipe writes "not a number" at energies that were not simulated, which no fit survives.
        area = hdus["EFFECTIVE AREA"].data
        area["EFFAREA"] = np.nan_to_num(area["EFFAREA"], nan=0.0)
    return counts
