"""A result of a summary: a table, the picture of it, and what to say about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from astropy.table import Table
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Result:
    """One result."""

    name: str
    """Of its files."""
    title: str
    caption: str
    table: Table
    """Every column has a unit, or none in it."""
    draw: Callable[[Figure], None]
    missing: str = ""
    """Why there is nothing to be seen, if so."""


@dataclass(frozen=True)
class Summary:
    """All results of a summary."""

    kind: str
    """``sample`` or ``performance``."""
    title: str
    numbers: dict[str, Any]
    """What is told in a few numbers; units are in the names."""
    results: tuple[Result, ...]
    notes: tuple[str, ...] = ()
    """What was left out, and definitions that a reader must know."""
