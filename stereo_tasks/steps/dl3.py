"""DL2 of a run -> DL3 with IRFs, by ``lst1_magic_dl2_to_dl3``; with the time in which the array was alive.

What is changed in the tool's file stands in the HISTORY of each HDU.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tables
from astropy.io import fits
from astropy.time import Time

from stereo_tasks.gadf.amend import amend_dl3
from stereo_tasks.products.record import NO_INPUT
from stereo_tasks.stages import Correction
from stereo_tasks.stages.night import CALIBRATE
from stereo_tasks.steps import hdf
from stereo_tasks.steps.coincide import LST_TABLE
from stereo_tasks.steps.context import Made, StepContext
from stereo_tasks.steps.irf_cards import difference
from stereo_tasks.steps.live_time import (
    COSMIC_EVENT,
    LST_1,
    MAGIC_1,
    MAGIC_2,
    Intervals,
    Times,
    inside,
    live_intervals,
)
from stereo_tasks.steps.offline import keep_astropy_offline
from stereo_tasks.steps.outcomes import held, skipped


def run(context: StepContext) -> Made:
    """Make the DL3 of one run."""
    keep_astropy_offline()
    available, lost = context.upstream()
    if not available:
        raise skipped(f"{NO_INPUT}: {'; '.join(lost)}")
    item, record = available[0]
    showers_s = _showers(Path(item.path))
    intervals = live_intervals(showers_s, (_lst_showers(Path(subrun.path)) for subrun in context.inputs("lst")))
    if not len(intervals):
        raise skipped("there is no time in which all three telescopes recorded showers")

    # Whoever made the IRFs: the tool takes the cuts from them, and not from the configuration.
    asked_for = context.config()["create_irf"]
    for irf in context.inputs("irf"):
        if wrong := difference(Path(irf.path), asked_for):
            raise held(wrong)
    irfs = context.stage_inputs("irfs", context.inputs("irf"))
    cubic = context.config()["dl2_to_dl3"]["interpolation_method"] == "cubic"
    filled = fill_unknown_areas(irfs) if cubic else 0
    context.run_tool(item.path, str(irfs), str(context.folder("out")), context.config())
    (output,) = (context.work / "out").glob("dl3_*.fits.gz")
    counts = amend(output, intervals, f"magic-cta-pipe {context.plan.versions['magic-cta-pipe']}")
    if Correction.TIME_DIFFERENCE in context.plan.corrections(CALIBRATE):
        tell_of_time_differences(output)
    if filled:
        tell_of_filled_areas(output, filled)
    return Made([output], {"events_in": record.counts["events_out"], **counts})


def fill_unknown_areas(folder: Path) -> int:
    """Count no area where nothing was simulated, in copies of the IRFs of a folder of links.

    magic-cta-pipe 0.6.2 leaves 0 / 0 in energies without simulated showers, and one value that is not a number makes
    all of scipy's cubic spline so: no energy of the DL3 would have an area. In the other methods it stays where it is.

    Parameters
    ----------
    folder : pathlib.Path
        Links to the IRFs; those with such values become files.

    Returns
    -------
    int
        How many values there were.
    """
    number = 0
    for link in sorted(folder.iterdir()):
        with fits.open(link) as hdus:
            area = hdus["EFFECTIVE AREA"].data["EFFAREA"]
            if not np.isnan(area).any():
                continue
            number += int(np.count_nonzero(np.isnan(area)))
            area[np.isnan(area)] = 0.0
            filled = link.with_suffix(".filled")
            hdus.writeto(filled, checksum=False)
        filled.replace(link)
    return number


def amend(path: Path, intervals: Intervals, creator: str) -> dict[str, float]:
    """Put the live time into a DL3 file of magic-cta-pipe 0.6.2, take out what no fit survives, and mend its headers.

    The tool writes one interval from the first gamma-like event to the last. It takes ON time from gaps below 1 s
    between stereo events. Its dead-time correction, from the waiting times of the telescopes' own triggers, stays.

    Parameters
    ----------
    path : pathlib.Path
        DL3 file, changed in place: it lies in the working folder.
    intervals : array of shape (n_intervals, 2)
        When the array was alive, as unix times in s.
    creator : str
        The tool with its version.

    Returns
    -------
    dict of str to float
        Counts for the record.

    Raises
    ------
    NoProductError
        If no event is within the intervals.
    """
    with fits.open(path, mode="update") as hdus:
        _replace_gti(hdus, intervals)
        counts = _amend_events(hdus["EVENTS"], intervals)
        _amend_effective_area(hdus["EFFECTIVE AREA"])
        _amend_dispersion(hdus["ENERGY DISPERSION"])
        amend_dl3(hdus, creator)
    return counts


def tell_of_time_differences(path: Path) -> None:
    """Say in a DL3 file that MAGIC's time differences were corrected."""
    with fits.open(path, mode="update") as hdus:
        hdus["EVENTS"].header.add_history(
            "stereo-nights: DEADC stems from the time differences of MAGIC's showers themselves, where magic-cta-pipe "
            "has those of other events"
        )
        hdus["EVENTS"].add_checksum()


def tell_of_filled_areas(path: Path, number: int) -> None:
    """Say in a DL3 file that areas of the IRFs were set to 0 before they were interpolated."""
    with fits.open(path, mode="update") as hdus:
        hdus["EFFECTIVE AREA"].header.add_history(
            f"stereo-nights: {number} areas of the IRFs that were not a number were set to 0 before the interpolation"
        )
        hdus["EFFECTIVE AREA"].add_checksum()


def _replace_gti(hdus: fits.HDUList, intervals: Intervals) -> None:
    gti = hdus["GTI"]
    table = fits.BinTableHDU.from_columns(gti.columns, nrows=len(intervals), header=gti.header)
    table.data["START"], table.data["STOP"] = intervals.T
    table.header.add_history(
        "stereo-nights: replaced the interval from the first to the last gamma-like event by those in which all "
        "three telescopes recorded showers"
    )
    hdus["GTI"] = table


def _amend_events(events: fits.BinTableHDU, intervals: Intervals) -> dict[str, float]:
    alive = inside(events.data["TIME"], intervals)
    if not alive.any():
        raise skipped("no event that survives the cuts lies in the time in which all three telescopes recorded showers")
    events.data = events.data[alive]
    header = events.header
    on_time_s = float((intervals[:, 1] - intervals[:, 0]).sum())
    start_s, stop_s = float(intervals[0, 0]), float(intervals[-1, 1])
    start, stop = (Time(time_s, format="unix", scale="utc").iso.split() for time_s in (start_s, stop_s))
    header.add_history(
        f"stereo-nights: ONTIME ({header['ONTIME']:.3f} s before), LIVETIME, start, end and TELAPSE follow the GTI; "
        f"{np.count_nonzero(~alive)} events outside of it removed"
    )
    header["ONTIME"], header["LIVETIME"] = on_time_s, on_time_s * header["DEADC"]
    header["TSTART"], header["TSTOP"], header["TELAPSE"] = start_s, stop_s, stop_s - start_s
    (header["DATE-OBS"], header["TIME-OBS"]), (header["DATE-END"], header["TIME-END"]) = start, stop
    return {
        "events_out": int(np.count_nonzero(alive)),
        "events_outside_gti": int(np.count_nonzero(~alive)),
        "on_time_s": on_time_s,
        "live_time_s": float(header["LIVETIME"]),
        "deadc": float(header["DEADC"]),
        "zenith_deg": 90 - float(header["ALT_PNT"]),
        "intervals": len(intervals),
    }


def _amend_effective_area(hdu: fits.BinTableHDU) -> None:
    """Count no area where nothing was simulated: magic-cta-pipe leaves 0 / 0 there, which spreads into the exposure."""
    area = hdu.data["EFFAREA"]
    unknown = np.isnan(area)
    if unknown.any():
        area[unknown] = 0.0
        hdu.header.add_history(f"stereo-nights: {np.count_nonzero(unknown)} areas set to 0 that were not a number")


def _amend_dispersion(hdu: fits.BinTableHDU) -> None:
    """Leave no negative probability: a cubic spline between the matrices of nodes goes below 0 beside their peaks."""
    row = hdu.data[0]
    matrix = row["MATRIX"]  # shape (n_offsets, n_migrations, n_energies)
    negative = matrix < 0
    if not negative.any():
        return
    matrix[negative] = 0.0
    widths = (row["MIGRA_HI"] - row["MIGRA_LO"])[:, np.newaxis]
    integral = (matrix * widths).sum(axis=1, keepdims=True)
    hdu.data["MATRIX"][0] = np.divide(matrix, integral, out=np.zeros_like(matrix), where=integral > 0)
    hdu.header.add_history(
        f"stereo-nights: {np.count_nonzero(negative)} negative values set to 0; the integral of each energy stays 1"
    )


def _showers(dl2: Path) -> dict[int, Times]:
    images = hdf.columns(dl2, ("tel_id", "timestamp"))
    return {tel_id: images["timestamp"][images["tel_id"] == tel_id] for tel_id in (LST_1, MAGIC_1, MAGIC_2)}


def _lst_showers(dl1: Path) -> Times:
    """Return the times of the showers of an LST-1 subrun; none if the file is damaged, as nothing of it is in DL2."""
    try:
        with tables.open_file(str(dl1)) as file:
            events = file.get_node(LST_TABLE).read()
    except (tables.NoSuchNodeError, tables.HDF5ExtError, OSError):
        return np.zeros(0)
    times: Times = events["dragon_time"][events["event_type"] == COSMIC_EVENT]
    return times[np.isfinite(times)]
