"""What a step is given, and what it gives back."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import shorten
from typing import Any

from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.planning.fingerprint import selected
from stereo_tasks.planning.plan import Element, Input, Plan
from stereo_tasks.products.record import NO_INPUT, Record
from stereo_tasks.stages import Engine, State, resolve
from stereo_tasks.steps.offline import keep_astropy_offline
from stereo_tasks.steps.outcomes import held


@dataclass(slots=True)
class Made:
    """The products of a step, still in its working folder."""

    files: list[Path]
    """In the order of the element's outputs."""
    counts: dict[str, float] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    """Inputs left out, each with its reason."""
    used: list[str] = field(default_factory=list)
    """Names of the inputs that were taken, where the step had a choice."""


@dataclass(slots=True)
class EngineUse:
    """Who made the product of an element."""

    engine: Engine | None = None
    """None where no tool was called."""
    reason: str = ""
    """Why it was the tool of magic-cta-pipe, where the kernel was asked for; or what the kernel has put right."""


@dataclass(frozen=True, slots=True)
class StepContext:
    """One element to be worked on."""

    states: ElementStates
    """What became of the other elements of the plan."""
    element: Element
    work: Path
    """A private folder on the file system of the products."""
    counts: dict[str, float] = field(default_factory=dict)
    """Numbers that the record gets however the step ends; those that it selects its inputs by."""
    engine: Engine | None = None
    """Who has to make the product; None leaves it to the plan."""
    use: EngineUse = field(default_factory=EngineUse)
    """Who made it."""

    @property
    def plan(self) -> Plan:
        """The plan."""
        return self.states.plan

    def config(self) -> dict[str, Any]:
        """Return a copy of magic-cta-pipe's configuration: its tools pop keys out of what they are given."""
        return copy.deepcopy(self.plan.config_of(self.element))

    def run_tool(self, *arguments: Any, **options: Any) -> None:
        """Call the stage's tool: our kernel of it where that covers the case, else magic-cta-pipe's.

        Parameters
        ----------
        *arguments, **options
            What magic-cta-pipe's function takes. The kernel leaves the configuration as it is given.

        Raises
        ------
        NoProductError
            If the plan wants a correction, and the kernel does not cover the case.
        """
        stage, chosen = self.element.stage, self.plan.engine(self.element.stage)
        corrections = self.plan.corrections(stage)
        self.use.reason = chosen.reason
        if (self.engine or chosen.engine) is Engine.FAST:
            from stereo_tasks.kernels.errors import NotCovered

            try:
                self.use.engine = Engine.FAST
                resolve(stage.kernel)(*arguments, **options, **({"corrections": corrections} if corrections else {}))
            except NotCovered as error:
                self.use.reason = str(error)
            else:
                if corrections:
                    self.use.reason = f"corrected: {', '.join(corrections)}"
                return
        if corrections:
            raise held(
                f"magic-cta-pipe cannot make the correction {', '.join(corrections)}, and the kernel does not cover "
                f"this case: {self.use.reason}"
            )
        self.use.engine = Engine.MCP
        keep_astropy_offline()
        # Forests add their trees in the order in which threads finish, unless there is only one.
        import joblib

        with joblib.parallel_config(backend="sequential"):
            resolve(stage.tool)(*arguments, **options)

    def inputs(self, role: str = "") -> list[Input]:
        """Return the inputs of a role."""
        return [item for item in self.element.inputs if item.role == role]

    def upstream(self, role: str = "") -> tuple[list[tuple[Input, Record]], list[str]]:
        """Return the inputs of a role that were made, and the others with their reasons."""
        made, lost = [], []
        for item in self.inputs(role):
            if item.producer is None:
                continue
            record = self.states.record_of(item)
            if record is not None and record.state == State.DONE:
                made.append((item, record))
            else:
                lost.append(why_lost(item, record))
        return made, lost

    def selected(self) -> list[Input]:
        """Return which of the inputs among which the stage selects are taken, by `counts`."""
        return selected(self.element, self.states.record_of, self.counts)

    def folder(self, name: str) -> Path:
        """Make a folder in the working folder."""
        path = self.work / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def stage_inputs(self, name: str, items: list[Input]) -> Path:
        """Link inputs into a folder of their own: the tools take whole folders, and must find these files only."""
        folder = self.folder(name)
        for item in items:
            source = Path(item.path)
            (folder / source.name).symlink_to(source)
        return folder


def why_lost(item: Input, record: Record | None) -> str:
    """Say why an input could not be used: what became of it, and the reason where it is the first of the chain."""
    if record is None:
        return f"{Path(item.path).name} not made"
    reason = "" if record.reason.startswith(NO_INPUT) else f": {shorten(record.reason, 120, placeholder=' ...')}"
    return f"{record.element} {record.state}{reason}"
