"""Cutting the text of a log into rows, so that one damaged row does not take others with it."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass

_ROW_START = re.compile(r'"?\d{4}[_/-]\d{1,2}[_/-]\d{1,2}"?,')
_MAX_LINES = 50  # of one row; the longest of the real log has 2


@dataclass(frozen=True, slots=True)
class Row:
    """Cells of one row, or the reason why there are none."""

    line: int
    cells: tuple[str, ...]
    text: str
    damage: str = ""


def rows(text: str) -> Iterator[Row]:
    """Yield the rows of a CSV text.

    A quoted cell may contain newlines. The csv module alone would let a quote that is never closed swallow all that
    follows; here such a row ends where the next one evidently starts, with a date.

    Parameters
    ----------
    text : str
        The whole file.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    at = 0
    while at < len(lines):
        row, used = _one_row(lines, at)
        at += used
        if row is not None:
            yield row


def _one_row(lines: list[str], at: int) -> tuple[Row | None, int]:
    error = ""
    for length in range(1, min(_MAX_LINES, len(lines) - at) + 1):
        if length > 1 and _ROW_START.match(lines[at + length - 1]):
            break
        part = lines[at : at + length]
        try:
            parsed = list(csv.reader([line + "\n" for line in part], strict=True))
        except csv.Error as exception:
            error = str(exception)
            continue
        cells = tuple(cell.strip() for cell in parsed[0]) if parsed else ()
        if not any(cells):
            return None, length
        return Row(at + 1, cells, "\n".join(part)), length
    # Only the first line is given up: what follows may be a row of its own.
    return Row(at + 1, (), lines[at], f"not CSV: {error}; is a quote missing?"), 1
