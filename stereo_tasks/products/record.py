"""The record: what became of one element, written beside its product. The evidence that work was done."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from stereo_tasks.products.files import write_atomically
from stereo_tasks.stages import State

RECORD_FORMAT = 1
RECORD_SUFFIX = ".record.json"
"""What a record's name adds to that of the product."""
NO_INPUT = "no input"
"""How the reason of an element begins that has nothing to work on: the cause stands in another element's record."""


@dataclass(frozen=True, slots=True)
class FileMark:
    """A file as it was read or written."""

    path: str
    size_bytes: int
    modified_ns: int
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """What became of one element, and how."""

    element: str
    stage: str
    state: State
    reason: str
    """One line for a person: empty when done, else what happened and what to do."""
    fingerprint: str
    plan: str
    inputs: tuple[FileMark, ...] = ()
    outputs: tuple[FileMark, ...] = ()
    lost: tuple[str, ...] = ()
    """Inputs that were left out, each with its reason: the loss that the reports show."""
    used: tuple[str, ...] = ()
    """Names of the inputs that were taken, where the step had a choice, such as the MAGIC runs of its time."""
    counts: dict[str, float] = field(default_factory=dict)
    """Numbers of this element: ``events_in``, ``events_out``, ``time_offset_us``, ``live_time_s``, ..."""
    versions: dict[str, str] = field(default_factory=dict)
    configuration: str = ""
    """Hash of the configuration that the stage read."""
    revision: int = 1
    """Of the stage."""
    engine: str = ""
    """Who made it, ``fast`` or ``mcp``; empty where no tool of magic-cta-pipe has a part in it, and until 0.2."""
    engine_reason: str = ""
    """Why it was magic-cta-pipe's own tool, where our kernel could have been asked; or what the kernel corrected."""
    host: str = ""
    processor: str = ""
    """Kind of the host's processor: on another kind, numerical libraries add in another order."""
    job: str = ""
    """Job and array task that ran it, such as ``slurm 4711_3`` or ``local 4242``."""
    attempt: int = 1
    started_utc: str = ""
    ended_utc: str = ""
    elapsed_s: float = 0.0
    cpu_s: float = 0.0
    peak_memory_mb: float = 0.0
    log: str = ""
    format: int = RECORD_FORMAT

    def save(self, path: Path) -> None:
        """Write the record, whole or not at all. One that a power cut takes is an element that is made again."""
        write_atomically(path, json.dumps(asdict(self), indent=1, sort_keys=True), durable=False)


def read_record(path: Path) -> Record | None:
    """Read a record; None if there is none, or none that this version understands."""
    try:
        raw: dict[str, Any] = json.loads(path.read_text())
        if raw["format"] != RECORD_FORMAT:
            return None
        raw["state"] = State(raw["state"])
        raw["inputs"] = tuple(FileMark(**item) for item in raw["inputs"])
        raw["outputs"] = tuple(FileMark(**item) for item in raw["outputs"])
        raw["lost"] = tuple(raw["lost"])
        raw["used"] = tuple(raw.get("used", ()))
        return Record(**raw)
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError, KeyError, TypeError, ValueError):
        # A record that cannot be read proves nothing: the element is done again.
        return None
