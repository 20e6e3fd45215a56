"""The plan of a night and source: every element of every stage, and every choice with its reason."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from stereo_tasks.products.files import write_atomically
from stereo_tasks.stages import Stage

PLAN_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Input:
    """One thing an element reads."""

    path: str
    """Absolute path of a file."""
    producer: str | None = None
    """Path of the product whose record answers for this input; None for raw data and Monte Carlo."""
    size_bytes: int | None = None
    """Size of a raw file when the plan was made."""
    modified_ns: int | None = None
    """Modification time of a raw file when the plan was made, in ns since 1970 UTC."""
    role: str = ""
    """What the element uses it as, where an element has inputs of several kinds (such as ``lst``, ``magic``)."""


@dataclass(frozen=True, slots=True)
class Element:
    """One unit of work: the smallest thing that can be done, skipped, held or failed by itself."""

    id: str
    """Unique in the plan and readable, such as ``calibrate/M1/05093711.001``."""
    stage: Stage
    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    """Absolute paths of the products. The record lies beside the first."""
    parameters: dict[str, Any] = field(default_factory=dict)
    """What the stage needs beyond its inputs; part of the fingerprint."""
    memory_mb: int = 2000
    time_s: int = 3600

    @property
    def record_path(self) -> Path:
        """Where the element leaves its record."""
        return Path(self.outputs[0] + ".record.json")


@dataclass(frozen=True, slots=True)
class Choice:
    """Something the plan decided, and why."""

    name: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something about the inputs that a person should see: a duplicate, a gap, a missing file."""

    subject: str
    reason: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Why the plan cannot be run yet, and what to do about it."""

    subject: str
    reason: str


@dataclass(frozen=True, slots=True)
class Run:
    """One LST-1 run and the MAGIC run that goes with it."""

    lst_run: int
    magic_runs: tuple[int, ...]
    lst_subruns_expected: int
    magic_subruns_expected: int


@dataclass(frozen=True, slots=True)
class Plan:
    """One immutable plan for (production, night, source), or for the Monte Carlo products of a production.

    Equal contents give the same file; a plan is never changed, a new one stands beside it.
    """

    production: str
    name: str
    """``{LST date}/{source}`` or ``mc/{period}/NSB{nsb}/dec_{dec}``."""
    source: str
    night: str | None
    """Evening date in ISO format; None for Monte Carlo."""
    root: str
    """The folder below which everything of this plan is written."""
    choices: tuple[Choice, ...]
    notices: tuple[Notice, ...]
    holds: tuple[Hold, ...]
    runs: tuple[Run, ...]
    elements: tuple[Element, ...]
    config: dict[str, Any]
    """Magic-cta-pipe's configuration, with the plan's choices filled in."""
    settings: dict[str, Any]
    """Limits of our own that the steps read: completeness, QA limits, source position."""
    versions: dict[str, str]
    """Versions of the science environment that the plan was made for."""
    format: int = PLAN_FORMAT

    def of_stage(self, stage: Stage) -> tuple[tuple[int, Element], ...]:
        """Return the elements of one stage with their index in the array."""
        return tuple(enumerate(element for element in self.elements if element.stage == stage))

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages that have elements, in order."""
        present = {element.stage for element in self.elements}
        return tuple(stage for stage in Stage if stage in present)

    @property
    def digest(self) -> str:
        """First 12 hexadecimal digits of the SHA-256 of the plan's content."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    @property
    def path(self) -> Path:
        """Where the plan is kept."""
        return Path(self.root) / "plans" / (self.night or "mc").replace("-", "") / f"plan_{self.digest}.json"

    def to_json(self) -> str:
        """Serialise; equal plans give equal text."""
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    def save(self) -> Path:
        """Write the plan if it is not there yet, and return its path. The plan used last has the newest time stamp."""
        path = self.path
        if path.exists():
            path.touch()
        else:
            write_atomically(path, self.to_json())
        return path

    @classmethod
    def load(cls, path: str | Path) -> Plan:
        """Read a plan.

        Raises
        ------
        ValueError
            If the file was written by another version of the format.
        """
        raw = json.loads(Path(path).read_text())
        if raw.get("format") != PLAN_FORMAT:
            raise ValueError(f"{path} has plan format {raw.get('format')}, this is {PLAN_FORMAT}: plan the night again")
        raw["choices"] = tuple(Choice(**item) for item in raw["choices"])
        raw["notices"] = tuple(Notice(**item) for item in raw["notices"])
        raw["holds"] = tuple(Hold(**item) for item in raw["holds"])
        raw["runs"] = tuple(Run(**{**item, "magic_runs": tuple(item["magic_runs"])}) for item in raw["runs"])
        raw["elements"] = tuple(
            Element(
                **{
                    **item,
                    "stage": Stage(item["stage"]),
                    "inputs": tuple(Input(**one) for one in item["inputs"]),
                    "outputs": tuple(item["outputs"]),
                }
            )
            for item in raw["elements"]
        )
        return cls(**raw)
