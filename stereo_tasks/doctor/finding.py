"""One line of the doctor."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Colour(StrEnum):
    """How bad a finding is."""

    GREEN = "green"
    """As it should be."""
    YELLOW = "yellow"
    """Works, or is not in use; somebody should know."""
    RED = "red"
    """Nights cannot be processed, or not rightly, until this is mended."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found."""

    colour: Colour
    subject: str
    text: str
    what_to_do: str = ""
    """Empty if green."""


def green(subject: str, text: str) -> Finding:
    """Return a finding that is as it should be."""
    return Finding(Colour.GREEN, subject, text)


def yellow(subject: str, text: str, what_to_do: str) -> Finding:
    """Return a finding that somebody should know."""
    return Finding(Colour.YELLOW, subject, text, what_to_do)


def red(subject: str, text: str, what_to_do: str) -> Finding:
    """Return a finding that must be mended."""
    return Finding(Colour.RED, subject, text, what_to_do)
