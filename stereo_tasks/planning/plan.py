"""The plan of a night and source: every element of every stage, and every choice with its reason."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from stereo_tasks.errors import StereoError
from stereo_tasks.products.files import write_atomically
from stereo_tasks.products.record import RECORD_SUFFIX
from stereo_tasks.stages import Correction, Engine, EngineChoice, Stage, stage, stages

PLAN_FORMAT = 2
_READABLE = (1, PLAN_FORMAT)  # plans of 0.2 are part of the history that the catalog can be rebuilt from


class PlanError(StereoError, ValueError):
    """A plan cannot be read."""


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
    size_bytes: int = 0
    """Size of the raw files that it stems from, through whatever stages: what its time is expected from."""
    memory_mb: int = 2000
    """Limit of the resident memory of a job that works on it, in MB (10^6 bytes)."""
    time_s: float = 3600
    """Elapsed time that it is expected to need, without the start of the tool, in s."""

    @property
    def record_path(self) -> Path:
        """Where the element leaves its record."""
        return Path(self.outputs[0] + RECORD_SUFFIX)


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
class Blocker:
    """What keeps the plan from reaching DL3, and what to do about it."""

    subject: str
    reason: str
    runs: tuple[int, ...] = ()
    """The LST-1 runs that it keeps back, where the others can go on; empty for the whole plan."""


def held_runs(blockers: Iterable[Blocker]) -> frozenset[int]:
    """Return the runs that are kept back one by one."""
    return frozenset(run for blocker in blockers for run in blocker.runs)


def blocks_all(blockers: Iterable[Blocker], runs: Iterable[int]) -> bool:
    """Return whether nothing of some runs can go on."""
    blockers = tuple(blockers)
    return any(not blocker.runs for blocker in blockers) or (bool(blockers) and held_runs(blockers) >= set(runs))


@dataclass(frozen=True, slots=True)
class Run:
    """One LST-1 run and the MAGIC run that goes with it."""

    lst_run: int
    magic_runs: tuple[int, ...]
    lst_subruns_expected: int
    magic_subruns_expected: int


@dataclass(frozen=True)
class Plan:
    """One immutable plan: for (production, night, source), Monte Carlo of a production, or a set of a source's data.

    Equal contents give the same file; a plan is never changed, a new one stands beside it.
    """

    production: str
    name: str
    """``{LST date}/{source}``, ``mc/{period}/NSB{nsb}/dec_{dec}``, ``datasets/{source}/{set}`` or ``season/...``."""
    source: str
    night: str | None
    """Evening date in ISO format; None for Monte Carlo and data sets."""
    root: str
    """The folder below which everything of this plan is written."""
    choices: tuple[Choice, ...]
    notices: tuple[Notice, ...]
    blockers: tuple[Blocker, ...]
    runs: tuple[Run, ...]
    elements: tuple[Element, ...]
    config: dict[str, Any]
    """Magic-cta-pipe's configuration, with the plan's choices filled in."""
    settings: dict[str, Any]
    """What is our own and the steps read: completeness, QA limits, source position, corrections if there are any."""
    versions: dict[str, str]
    """Versions of the science environment that the plan was made for."""
    engines: dict[str, EngineChoice] = field(default_factory=dict)
    """Who makes the products of a stage; magic-cta-pipe's tools where nothing is said. No part of any fingerprint."""
    format: int = PLAN_FORMAT

    def engine(self, stage: Stage | str) -> EngineChoice:
        """Return who makes the products of a stage."""
        return self.engines.get(str(stage), EngineChoice(Engine.MCP))

    def config_of(self, element: Element) -> dict[str, Any]:
        """Return magic-cta-pipe's configuration for an element: the plan's, with sections of its own if it has any."""
        return {**self.config, **element.parameters.get("mcp", {})}

    def corrections(self, stage: Stage) -> tuple[Correction, ...]:
        """Return the defects of its tool that the kernel of a stage is to put right."""
        asked = self.settings.get("corrections", ())
        return tuple(one for one in stage.corrections if one in asked)

    def of_stage(self, stage: Stage | str) -> tuple[tuple[int, Element], ...]:
        """Return the elements of one stage, each with its index among all elements of the plan."""
        return self._by_stage.get(str(stage), ())

    @cached_property
    def _by_stage(self) -> dict[str, tuple[tuple[int, Element], ...]]:
        groups: dict[str, list[tuple[int, Element]]] = {}
        for index, element in enumerate(self.elements):
            groups.setdefault(element.stage.name, []).append((index, element))
        return {name: tuple(elements) for name, elements in groups.items()}

    @cached_property
    def producers(self) -> Mapping[str, Element]:
        """The element that answers for a product, by the path of its first output."""
        return {element.outputs[0]: element for element in self.elements}

    @cached_property
    def worked_through(self) -> frozenset[str]:
        """Raw files that an element works through, by their paths; others may read them, too."""
        return frozenset(
            item.path
            for element in self.elements
            for item in element.inputs
            if item.producer is None and item.role not in element.stage.side_inputs
        )

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages that have elements, in order."""
        return tuple(declared for declared in stages() if declared.name in self._by_stage)

    @cached_property
    def digest(self) -> str:
        """First 12 hexadecimal digits of the SHA-256 of the plan's content."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    @cached_property
    def path(self) -> Path:
        """Where the plan is kept."""
        return Path(self.root) / "plans" / self.stamp / f"plan_{self.digest}.json"

    @property
    def stamp(self) -> str:
        """Folder of its kind among plans and logs: the LST date, ``mc``, ``datasets`` or ``season``."""
        return (self.night or self.name.partition("/")[0]).replace("-", "")

    def to_json(self) -> str:
        """Serialise; equal plans give equal text."""
        content = {item.name: getattr(self, item.name) for item in fields(self)}
        for name in ("choices", "notices", "blockers", "runs"):
            content[name] = [asdict(item) for item in content[name]]
        content["engines"] = {name: asdict(choice) for name, choice in self.engines.items()}
        content["elements"] = [_element_values(element) for element in self.elements]
        return json.dumps(content, sort_keys=True)

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
        PlanError
            If the file holds something else, or was written by a version that this one does not know.
        """
        try:
            plan = cls._of_values(json.loads(Path(path).read_text()))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise PlanError(f"{path} cannot be read as a plan ({error}): plan the night again") from error
        # The name of its file is its digest: to hash it again costs as much as to read it.
        object.__setattr__(plan, "digest", Path(path).stem.removeprefix("plan_"))
        object.__setattr__(plan, "path", Path(path))
        return plan

    @classmethod
    def _of_values(cls, values: dict[str, Any]) -> Plan:
        if values["format"] not in _READABLE:
            raise ValueError(f"format {values['format']}, this is {PLAN_FORMAT}")
        blockers = values.pop("blockers", None)
        blockers = blockers or values.pop("holds", ())
        values["blockers"] = tuple(Blocker(**{**item, "runs": tuple(item.get("runs", ()))}) for item in blockers)
        values.pop("holds", None)
        values["choices"] = tuple(Choice(**item) for item in values["choices"])
        values["notices"] = tuple(Notice(**item) for item in values["notices"])
        values["runs"] = tuple(Run(**{**item, "magic_runs": tuple(item["magic_runs"])}) for item in values["runs"])
        engines = values.get("engines", {}).items()
        values["engines"] = {name: EngineChoice(Engine(choice["engine"]), choice["reason"]) for name, choice in engines}
        values["elements"] = tuple(_element(item) for item in values["elements"])
        return cls(**values)


def _element_values(element: Element) -> dict[str, Any]:
    return {
        "id": element.id,
        "stage": element.stage.name,
        "inputs": [_input_values(item) for item in element.inputs],
        "outputs": element.outputs,
        "parameters": element.parameters,
        "size_bytes": element.size_bytes,
        "memory_mb": element.memory_mb,
        "time_s": element.time_s,
    }


def _input_values(item: Input) -> dict[str, Any]:
    """Return what is said of an input: most inputs are products, and there are many of them."""
    values: dict[str, Any] = {"path": item.path}
    if item.producer is not None:
        values["producer"] = item.producer
    if item.size_bytes is not None:
        values |= {"size_bytes": item.size_bytes, "modified_ns": item.modified_ns}
    if item.role:
        values["role"] = item.role
    return values


def _element(values: dict[str, Any]) -> Element:
    return Element(
        **{
            **values,
            "stage": stage(values["stage"]),
            "inputs": tuple(Input(**item) for item in values["inputs"]),
            "outputs": tuple(values["outputs"]),
        }
    )
