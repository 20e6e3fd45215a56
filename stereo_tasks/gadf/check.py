"""Does a folder of DL3 keep its format? What is wrong, card by card."""

from __future__ import annotations

import gzip
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from stereo_tasks.gadf import format as gadf
from stereo_tasks.gadf.format import Card, Column
from stereo_tasks.gadf.times import Finding, check_times, reference_of

HDU_INDEX, OBS_INDEX = "hdu-index.fits.gz", "obs-index.fits.gz"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something that is not as the format demands."""

    file: str
    hdu: str
    card: str
    """Header card or column."""
    text: str

    def __str__(self) -> str:
        """Return it as a line for a person."""
        place = f"{self.file} [{self.hdu}]" if self.hdu else self.file
        return f"{place} {self.card}: {self.text}" if self.card else f"{place}: {self.text}"


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
    hdus, problems = _read(path)
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


def _read(path: Path) -> tuple[Any, list[Problem]]:
    """Return the HDUs of a file with their data, None if it cannot be read; and what is wrong with it as a file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)  # sums that do not agree: they are told as such
            content = path.read_bytes()
            if path.suffix == ".gz":  # all of it: of a file that was cut off, FITS readers take what is there
                content = gzip.decompress(content)
            with fits.open(io.BytesIO(content), memmap=False, lazy_load_hdus=False) as hdus:
                hdus.verify("exception")
                for hdu in hdus:
                    hdu.sums = list(_check_sums(hdu))  # before its data are converted
                    hdu.data  # noqa: B018 - read while the file is open
                return hdus, []
    except FileNotFoundError:
        return None, [Problem(path.name, "", "", "is missing, though the index lists it")]
    except Exception as error:  # noqa: BLE001 - whatever stops the reading, nobody else can read it either
        return None, [Problem(path.name, "", "", f"cannot be read ({type(error).__name__}: {error})")]


def _check_sums(hdu: Any) -> Iterator[Finding]:
    for card, verify in (("DATASUM", hdu.verify_datasum), ("CHECKSUM", hdu.verify_checksum)):
        state = verify()
        if state == 2:  # astropy's word for: there is none
            yield card, "is missing: nobody can tell whether the file is as it was written"
        elif not state:
            yield card, "does not agree with the content: bytes were changed after it was written"


def _check_cards(header: fits.Header, cards: Mapping[str, Card]) -> Iterator[Finding]:
    for name, card in cards.items():
        if problem := _wrong_value(header[name], card) if name in header else "is missing":
            yield name, problem


def _wrong_value(value: Any, card: Card) -> str:
    # FITS has one kind of number: 40587.0 is an integer, too.
    if card.kind is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    numbers = (int, float) if card.kind is float else (card.kind,)
    if isinstance(value, bool) or not isinstance(value, numbers):
        return f"is {value!r}, and should be a{'n' * (card.kind is int)} {card.kind.__name__}"
    if card.values and value not in card.values:
        return f"is {value!r}, and may be {', '.join(map(repr, card.values))}"
    if card.least is not None and not card.least <= float(value):
        return f"is {value}, below {card.least:g}"
    if card.most is not None and not float(value) <= card.most:
        return f"is {value}, above {card.most:g}"
    return ""


def _check_columns(hdu: Any, columns: Mapping[str, Column]) -> Iterator[Finding]:
    for name, column in columns.items():
        if name not in hdu.columns.names:
            yield name, "this column is missing"
        elif column.text:
            if hdu.data[name].dtype.kind not in "SU":
                yield name, "this column should hold text"
        elif problem := _wrong_unit(hdu.columns[name].unit, column.unit):
            yield name, problem
        elif not np.isfinite(np.asarray(hdu.data[name], dtype=float)).all():
            yield name, "has values that are not finite"


def _wrong_unit(written: str | None, wanted: str) -> str:
    if not wanted:
        return ""
    try:
        return "" if u.Unit(written or "").is_equivalent(u.Unit(wanted)) else f"is in {written!r}, and not in {wanted}"
    except ValueError:
        return f"has the unit {written!r}, which FITS does not know"


def _check_events(hdu: Any) -> Iterator[Finding]:
    yield from _check_cards(hdu.header, gadf.EVENTS_CARDS)
    findings = list(_check_columns(hdu, gadf.EVENTS_COLUMNS))
    yield from findings
    if findings or not len(hdu.data):
        return
    data = hdu.data
    if not (data["ENERGY"] > 0).all():
        yield "ENERGY", "has energies that are not positive"
    if not (np.abs(data["DEC"]) <= 90).all():
        yield "DEC", "has declinations beyond 90 deg"


def _check_gti(hdu: Any) -> Iterator[Finding]:
    yield from _check_cards(hdu.header, gadf.GTI_CARDS)
    findings = list(_check_columns(hdu, gadf.GTI_COLUMNS))
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
    yield from _check_cards(hdu.header, gadf.POINTING_CARDS)
    yield from _check_columns(hdu, gadf.POINTING_COLUMNS)


def _check_response(hdu: Any) -> Iterator[Finding]:
    yield from _check_cards(hdu.header, gadf.RESPONSE_CARDS)
    response = gadf.RESPONSES.get(str(hdu.header.get("HDUCLAS4")))
    if response is None:
        return
    axes = {f"{axis}_{end}": Column(unit) for axis, unit in response.axes.items() for end in ("LO", "HI")}
    findings = list(_check_columns(hdu, {**axes, response.values: Column(response.unit)}))
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
    hdus, problems = _read(path)
    if hdus is None:
        return sorted(folder.glob("dl3_*.fits*")), problems
    table = hdus[1]
    findings = [
        *table.sums, *_check_cards(table.header, gadf.HDU_INDEX_CARDS),
        *_check_columns(table, gadf.HDU_INDEX_COLUMNS),
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
            known, _ = _read(file)
            missing = names - {hdu.name for hdu in known or ()} if known is not None else set()
            problems += [
                Problem(path.name, table.name, "HDU_NAME", f"{file.name} has no HDU {name}") for name in sorted(missing)
            ]
    return list(listed), problems


def _check_obs_index(folder: Path, observations: Mapping[int, fits.Header]) -> list[Problem]:
    path = folder / OBS_INDEX
    if not path.exists():
        return []
    hdus, problems = _read(path)
    if hdus is None:
        return problems
    table = hdus[1]
    findings = [
        *table.sums, *_check_cards(table.header, gadf.OBS_INDEX_CARDS),
        *_check_columns(table, gadf.OBS_INDEX_COLUMNS),
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
