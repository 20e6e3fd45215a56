"""Does a folder of DL3 keep its format? What is wrong, card by card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from stereo_tasks.gadf import format as gadf
from stereo_tasks.gadf.format import Column
from stereo_tasks.gadf.hdus import Problem, check_cards, check_columns, read
from stereo_tasks.gadf.times import Finding, check_times, reference_of

HDU_INDEX, OBS_INDEX = "hdu-index.fits.gz", "obs-index.fits.gz"


def check_folder(folder: Path) -> list[Problem]:
    """Check a folder of DL3 files with its two index files.

    Parameters
    ----------
    folder : pathlib.Path
        Folder with ``hdu-index.fits.gz``, ``obs-index.fits.gz`` and the files that they list.

    Returns
    -------
    list of Problem
        In the order of files and HDUs; empty if all is right.

    Raises
    ------
    NotADirectoryError
        If there is no such folder.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is no folder: give the one that holds {HDU_INDEX}")
    problems = [
        Problem(name, "", "", "is missing: an index is what readers begin with")
        for name in (HDU_INDEX, OBS_INDEX)
        if not (folder / name).exists()
    ]
    files, index_problems = _check_hdu_index(folder)
    problems += index_problems
    observations: dict[int, fits.Header] = {}
    for path in files:
        problems += check_file(path, observations)
    return problems + _check_obs_index(folder, observations)


def check_file(path: Path, observations: dict[int, fits.Header] | None = None) -> list[Problem]:
    """Check one DL3 file: events, good time intervals, responses, check sums.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    observations : dict of int to astropy.io.fits.Header, optional
        Given the header of the events by its ``OBS_ID``.
    """
    hdus, problems = read(path)
    if hdus is None:
        return problems
    classes: list[str] = []
    for hdu in hdus:
        kind = str(hdu.header.get("HDUCLAS1", ""))
        checks = _CHECKS.get(hdu.name) or _CHECKS.get(kind)
        findings = [*hdu.sums, *(checks(hdu) if checks else ())]
        problems += [Problem(path.name, hdu.name, card, text) for card, text in findings]
        if kind == "RESPONSE":
            classes.append(str(hdu.header.get("HDUCLAS4", "")))
    problems += [Problem(path.name, "", "", text) for text in _lacking(hdus, classes)]
    if "EVENTS" in hdus:
        events = hdus["EVENTS"]
        if "GTI" in hdus:
            problems += [Problem(path.name, "EVENTS", *finding) for finding in check_times(events, hdus["GTI"])]
        if observations is not None and isinstance(events.header.get("OBS_ID"), int):
            observations[events.header["OBS_ID"]] = events.header
    return problems


def _check_events(hdu: Any) -> Iterator[Finding]:
    yield from check_cards(hdu.header, gadf.EVENTS_CARDS)
    findings = list(check_columns(hdu, gadf.EVENTS_COLUMNS))
    yield from findings
    if findings or not len(hdu.data):
        return
    data = hdu.data
    if not (data["ENERGY"] > 0).all():
        yield "ENERGY", "has energies that are not positive"
    if not (np.abs(data["DEC"]) <= 90).all():
        yield "DEC", "has declinations beyond 90 deg"


def _check_gti(hdu: Any) -> Iterator[Finding]:
    yield from check_cards(hdu.header, gadf.GTI_CARDS)
    findings = list(check_columns(hdu, gadf.GTI_COLUMNS))
    yield from findings
    if findings:
        return
    if not len(hdu.data):
        yield "START", "there is no good time interval"
        return
    order = np.argsort(hdu.data["START"])
    start, stop = hdu.data["START"][order], hdu.data["STOP"][order]
    if not (stop > start).all():
        yield "STOP", "an interval ends before it starts"
    elif not (start[1:] >= stop[:-1]).all():
        yield "START", "intervals overlap"


def _check_pointing(hdu: Any) -> Iterator[Finding]:
    yield from check_cards(hdu.header, gadf.POINTING_CARDS)
    yield from check_columns(hdu, gadf.POINTING_COLUMNS)


def _check_response(hdu: Any) -> Iterator[Finding]:
    yield from check_cards(hdu.header, gadf.RESPONSE_CARDS)
    response = gadf.RESPONSES.get(str(hdu.header.get("HDUCLAS4")))
    if response is None:
        return
    axes = {f"{axis}_{end}": Column(unit) for axis, unit in response.axes.items() for end in ("LO", "HI")}
    findings = list(check_columns(hdu, {**axes, response.values: Column(response.unit)}))
    yield from findings
    if findings:
        return
    shape = []
    for axis in response.axes:
        low, high = (np.ravel(hdu.data[f"{axis}_{end}"][0]) for end in ("LO", "HI"))
        shape.append(len(low))
        # An axis of one point says that nothing depends on it.
        if len(low) != len(high) or not ((high >= low).all() and (np.diff(low) > 0).all()):
            yield f"{axis}_LO", "its bins do not rise"
    values = np.asarray(hdu.data[response.values][0])
    if values.shape != tuple(reversed(shape)):
        yield response.values, f"has the shape {values.shape}, and its axes {tuple(reversed(shape))}"
    elif (values < 0).any():
        yield response.values, f"has {np.count_nonzero(values < 0)} negative values"
    elif not (values > 0).any():
        yield response.values, "is zero everywhere"


_CHECKS = {
    "EVENTS": _check_events,
    "GTI": _check_gti,
    "POINTING": _check_pointing,
    "RESPONSE": _check_response,
}


def _lacking(hdus: Any, classes: Sequence[str]) -> Iterator[str]:
    for name in ("EVENTS", "GTI"):
        if name not in hdus:
            yield f"has no HDU {name}"
    for name in gadf.NEEDED_RESPONSES:
        if name not in classes:
            yield f"has no response of the class {name}"
    point_like = [hdu for hdu in hdus if hdu.header.get("HDUCLAS3") == "POINT-LIKE"]
    if "RAD_MAX_2D" not in classes and any(
        "RAD_MAX" not in hdu.header for hdu in point_like if hdu.header.get("HDUCLAS4") in gadf.NEEDED_RESPONSES
    ):
        yield "its responses are point-like, and neither the card RAD_MAX nor an HDU RAD_MAX_2D says within what radius"


def _check_hdu_index(folder: Path) -> tuple[list[Path], list[Problem]]:
    """Return the files that the HDU index lists, and what is wrong with it."""
    path = folder / HDU_INDEX
    if not path.exists():
        return sorted(folder.glob("dl3_*.fits*")), []
    hdus, problems = read(path)
    if hdus is None:
        return sorted(folder.glob("dl3_*.fits*")), problems
    table = hdus[1]
    findings = [
        *table.sums, *check_cards(table.header, gadf.HDU_INDEX_CARDS),
        *check_columns(table, gadf.HDU_INDEX_COLUMNS),
    ]  # fmt: skip
    if "BASE_DIR" in table.header:
        findings.append(("BASE_DIR", f"leads readers to {table.header['BASE_DIR']}, and not to this folder"))
    problems += [Problem(path.name, table.name, card, text) for card, text in findings]
    if set(gadf.HDU_INDEX_COLUMNS) - set(table.columns.names):
        return sorted(folder.glob("dl3_*.fits*")), problems
    listed: dict[Path, set[str]] = {}
    for row in table.data:
        file = folder / str(row["FILE_DIR"]).strip() / str(row["FILE_NAME"]).strip()
        listed.setdefault(file, set()).add(str(row["HDU_NAME"]).strip())
    for file, names in listed.items():
        if file.exists():
            known, _ = read(file)
            missing = names - {hdu.name for hdu in known or ()} if known is not None else set()
            problems += [
                Problem(path.name, table.name, "HDU_NAME", f"{file.name} has no HDU {name}") for name in sorted(missing)
            ]
    return list(listed), problems


def _check_obs_index(folder: Path, observations: Mapping[int, fits.Header]) -> list[Problem]:
    path = folder / OBS_INDEX
    if not path.exists():
        return []
    hdus, problems = read(path)
    if hdus is None:
        return problems
    table = hdus[1]
    findings = [
        *table.sums, *check_cards(table.header, gadf.OBS_INDEX_CARDS),
        *check_columns(table, gadf.OBS_INDEX_COLUMNS),
    ]  # fmt: skip
    if not set(gadf.OBS_INDEX_COLUMNS) - set(table.columns.names):
        findings += _check_observations(table, observations)
    return problems + [Problem(path.name, table.name, card, text) for card, text in findings]


def _check_observations(table: Any, observations: Mapping[int, fits.Header]) -> Iterator[Finding]:
    """Check that the index says of each observation what its events say."""
    numbers = [int(number) for number in table.data["OBS_ID"]]
    if len(set(numbers)) != len(numbers):
        yield "OBS_ID", "lists an observation twice"
    for number in sorted(observations.keys() - set(numbers)):
        yield "OBS_ID", f"does not list the observation {number}"
    yield from _check_reference(table.header, observations)
    for row in table.data:
        number, header = int(row["OBS_ID"]), observations.get(int(row["OBS_ID"]))
        if header is None:
            yield "OBS_ID", f"lists the observation {number}, of which there are no events"
            continue
        if int(row["QUALITY"]) not in (gadf.UNKNOWN_QUALITY, *gadf.QUALITY.values()):
            yield "QUALITY", f"is {row['QUALITY']} for {number}; there are -1, 0, 1 and 2"
        for name in ("RA_PNT", "DEC_PNT", "TSTART", "TSTOP", "LIVETIME", "ONTIME"):
            value = header.get(name) if name in table.columns.names else None
            if isinstance(value, int | float) and not np.isclose(float(row[name]), value, rtol=1e-12, atol=1e-6):
                yield name, f"is {row[name]} for {number}, and {value} in its events"


def _check_reference(index: fits.Header, observations: Mapping[int, fits.Header]) -> Iterator[Finding]:
    """Check that the times of the index count from the same instant as those of the events."""
    reference = reference_of(index)
    for number, header in observations.items():
        of_events = reference_of(header)
        if None not in (reference, of_events) and reference != of_events:
            yield "MJDREFI", f"its times count from another instant than those of the observation {number}"
