"""The HDUs of a file as such: whether they can be read, their sums agree, and the cards and columns are as needed."""

from __future__ import annotations

import gzip
import io
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from stereo_tasks.gadf.format import Card, Column
from stereo_tasks.gadf.times import Finding


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


def read(path: Path) -> tuple[Any, list[Problem]]:
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


def check_cards(header: fits.Header, cards: Mapping[str, Card]) -> Iterator[Finding]:
    """Yield what is wrong with the cards of a header."""
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


def check_columns(hdu: Any, columns: Mapping[str, Column]) -> Iterator[Finding]:
    """Yield what is wrong with the columns of a table: those that are missing, and their units."""
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
