"""What became of an element, in one word."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """What became of an element."""

    DONE = "done"
    """The product is there and valid."""
    SKIPPED = "skipped"
    """There is nothing to make of these inputs (no coincident events, pure noise); shown in QA, no retry."""
    HELD = "held"
    """Something must come first that this pipeline cannot make by itself (Monte Carlo outside its range)."""
    FAILED = "failed"
    """An error; tried again when the night is requested again."""
