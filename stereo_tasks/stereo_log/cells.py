"""Reading single cells of the log. Every cell is right or a `CellError`; nothing is guessed."""

from __future__ import annotations

import ast
import functools
import math
import re
import warnings
from typing import Any

from stereo_tasks.nights import BadNightError, Night
from stereo_tasks.products.tree import MONTE_CARLO_FOLDER

_MAX_CELL = 10_000  # characters; bounds what the Python parser is asked to look at
_NUMBER = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)
_INTEGER = re.compile(r"\d{1,9}", re.ASCII)
# A source's name becomes the name of a folder.
_SOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,39}", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]{0,39}", re.ASCII)
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,39}", re.ASCII)
"""Names of versions of lstchain: names of folders."""
_MAX_LST_RUN = 99_999  # five digits in the file names
_PLAIN_RUNS = re.compile(r"\[[1-9]\d{0,4}(, ?[1-9]\d{0,4}){0,200}\]", re.ASCII)


class CellError(ValueError):
    """A cell does not hold what its column promises."""


def night(text: str) -> Night:
    """Read an evening date."""
    try:
        return Night(text)
    except BadNightError as error:
        raise CellError(str(error)) from None


def source(text: str) -> str:
    """Read the name of a source."""
    if not _SOURCE.fullmatch(text):
        raise CellError("not a name of a source: letters, digits and + - . _ only, since folders are named after it")
    if text == MONTE_CARLO_FOLDER:
        raise CellError(f"not a name of a source: the output folder {text} is that of the Monte Carlo")
    return text


def number(text: str, *, maximum: float, unit: str) -> float:
    """Read a number from 0 to `maximum`."""
    if not _NUMBER.fullmatch(text):
        raise CellError(f"not a number of {unit}, such as 12.34")
    value = float(text)
    if not math.isfinite(value) or value > maximum:
        raise CellError(f"not between 0 and {maximum:g} {unit}")
    return value


def integer(text: str) -> int:
    """Read a run number of MAGIC."""
    if not _INTEGER.fullmatch(text):
        raise CellError("not a run number, such as 5093711")
    return int(text)


@functools.lru_cache(maxsize=1000)  # a log of thousands of rows has some tens of different cells
def words(text: str) -> tuple[str, ...]:
    """Read a list such as ``['SumT', 'L3T']``."""
    values = _items(text)
    for value in values:
        if not isinstance(value, str) or not _WORD.fullmatch(value):
            raise CellError("not a list of names, such as ['L3T']")
    return tuple(values)


@functools.lru_cache(maxsize=1000)
def flags(text: str) -> tuple[bool, ...]:
    """Read a list such as ``[True]``."""
    values = _items(text)
    if not all(isinstance(value, bool) for value in values):
        raise CellError("not a list of True and False, such as [True]")
    return tuple(values)


def lst_runs(text: str) -> tuple[int, ...]:
    """Read a list of LST-1 runs such as ``[3965, 3966]``."""
    if _PLAIN_RUNS.fullmatch(text):  # nearly all; evaluating them takes most of the time otherwise
        plain = tuple(int(part) for part in text[1:-1].split(","))
        if len(set(plain)) == len(plain) and all(plain):
            return plain
    values = _items(text)
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _MAX_LST_RUN:
            raise CellError(f"not a list of LST-1 runs from 1 to {_MAX_LST_RUN}, such as [3965, 3966]")
    return tuple(values)


def _items(text: str) -> list[Any]:
    """Evaluate a list display without running anything; its items are unique."""
    if len(text) > _MAX_CELL or not text.startswith("["):
        raise CellError("not a list in square brackets")
    try:
        # A cell broken over several lines is still one list.
        with warnings.catch_warnings(action="ignore"):  # about the style of what is no list anyway
            values = ast.literal_eval(" ".join(text.split()))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise CellError("not a list in square brackets") from None
    if not isinstance(values, list) or not values:
        raise CellError("an empty list, or none at all")
    try:
        repeated = len(set(values)) != len(values)
    except TypeError:
        raise CellError("a list within a list") from None
    if repeated:
        raise CellError("the list names something twice")
    return values
