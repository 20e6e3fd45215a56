"""Forms of what a person can decide: their fields, and what is wrong with what was sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_LETTERS = 1000
"""Of a field: what others read on a page, and not a book."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a form."""

    name: str
    label: str
    options: Mapping[str, str] | None = None
    """What can be chosen, with what is shown for it; None: a text."""
    needed: str = ""
    """Why it must not be empty; empty: it may."""
    example: str = ""


REASON = Field("reason", "reason", needed="give a reason: somebody else will read it")


@dataclass(frozen=True, slots=True)
class Form:
    """What is asked of a person, after it was said what will happen."""

    title: str
    what_happens: tuple[str, ...]
    fields: tuple[Field, ...] = ()
    button: str = ""
    """What the button says; empty: there is nothing to be done."""
    cost: Any = None
    """Of processing again, see `stereo_tasks.processing.reprocessing.NightCost`."""

    def problem(self, values: Mapping[str, str]) -> str:
        """Say what is wrong with what was sent; empty: nothing."""
        if values.get(""):
            return values[""]
        if not self.button:
            return "there is nothing of this kind to be done"
        for field in self.fields:
            value = values.get(field.name, "")
            if len(value) > MOST_LETTERS:
                return f"{field.label}: write at most {MOST_LETTERS} letters"
            if field.options is not None and value not in field.options:
                return f"{field.label}: {value[:50]!r} is none of {', '.join(filter(None, field.options))}"
            if field.needed and not value.strip():
                return field.needed
        return ""
