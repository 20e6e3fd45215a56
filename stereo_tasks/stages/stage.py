"""What a stage is: all that the rest of the house must know of a kind of work, declared in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from typing import Any, Literal

from stereo_tasks.stages.correction import Correction
from stereo_tasks.stages.engine import Engine
from stereo_tasks.stages.state import State


class Unit(Enum):
    """What one element of a stage is made of; the value says whether its loss is more than a run survives."""

    MAGIC_SUBRUN = ("MAGIC subrun", False)
    MAGIC_RUN = ("MAGIC run", True)
    LST_SUBRUN = ("LST-1 subrun", False)
    LST_RUN = ("LST-1 run", True)
    NIGHT = ("night", True)
    SEASON = ("season", True)
    MONTE_CARLO = ("Monte Carlo", False)

    @property
    def whole_run(self) -> bool:
        """Whether an element is a whole run, or more: the night is not done without it."""
        return self.value[1]

    @property
    def telescopes(self) -> tuple[str | None, ...]:
        """Prefixes that tell apart the elements of one run: those of MAGIC's two telescopes."""
        return ("M1", "M2") if self in (Unit.MAGIC_SUBRUN, Unit.MAGIC_RUN) else (None,)


@dataclass(frozen=True, slots=True)
class Cost:
    """What an element is expected to need. A site can override each of it in ``config/resources.yaml``.

    The expected time of an element is ``element_s + s_per_gb * size``, with the size of the raw files that it stems
    from, and does not hold the start of the tool, which a job pays once.
    """

    memory_mb: int
    """Limit of a job's resident memory, in MB (10^6 bytes)."""
    element_s: float
    """Elapsed time of an element of no size, in s."""
    s_per_gb: float = 0.0
    """Elapsed time for each GB (10^9 bytes) of raw files, in s."""
    elements_per_job: int = 10
    """At most so many elements in one job."""
    start_s: float = 20.0
    """What the start of a job costs: imports on a cold file system, in s."""


@dataclass(frozen=True, slots=True)
class Crash:
    """An exception by which a tool of magic-cta-pipe 0.6.2 ends where it should have said something."""

    exception: str
    """Name of the exception's class or of one of its bases."""
    state: State
    reason: str
    message: str = ""
    """Regular expression, searched in the exception's text."""


@dataclass(frozen=True, eq=False, slots=True)
class Stage:
    """A kind of work. Functions are named as ``module:function`` and imported when they are called."""

    name: str
    unit: Unit
    elements: str
    """Gives the elements of a plan, from a `stereo_tasks.planning.night.NightPlanner`; runs where Airflow runs."""
    work: str
    """Works on one element, from a `stereo_tasks.steps.context.StepContext`; runs on the compute node."""
    check: str
    """Says what is wrong with a product, from the stage and the path; an empty text if nothing is."""
    cost: Cost
    chain: str = ""
    """Stages of the same chain stand next to each other and are worked through by one array; empty: it stands alone."""
    tool: str = ""
    """The function of magic-cta-pipe that makes the product, as ``module:function``."""
    kernel: str = ""
    """The function of ours that takes the same arguments and writes the same bytes."""
    kernel_cost: Cost | None = None
    """What an element needs where the kernel makes it."""
    corrections: tuple[Correction, ...] = ()
    """Defects of the tool that the kernel can put right, where a production asks for it."""
    finite_columns: tuple[str, ...] = ()
    """Columns that must be finite in every row of the product, for checks of tables."""
    mcp_keys: tuple[str, ...] = ()
    """Keys of magic-cta-pipe's configuration that the tool reads (tried with 0.6.2)."""
    settings_keys: tuple[str, ...] = ()
    """Settings of our own in the plan that the step reads."""
    tools: tuple[str, ...] = ()
    """Packages whose versions matter, beside those that matter for every stage."""
    revision: int = 1
    """Raised when the step writes something else than before from the same inputs."""
    crashes: tuple[Crash, ...] = ()
    selects: str = ""
    """Role of the inputs of which an element takes only some: the others do not matter for its fingerprint."""
    selected_by: str = ""
    """Which of them, from the inputs that were made (each with its record) and the counts of the element itself."""
    side_inputs: tuple[str, ...] = ()
    """Roles of inputs that an element does not work through: their size says nothing of its time."""
    needs_models: bool = False
    """Whether it needs forests and IRFs: without them, and without a known source, the plan leaves it out."""
    environment: Literal["science", "analysis"] = "science"
    """Where its elements are worked on; those of a chain share one."""
    always: bool = False
    """Whether it runs whatever became of the stages before it."""
    fail_on: Literal["all", "any"] = "all"
    """Whether its task fails when all of its elements failed, or when one did."""

    def cost_of(self, engine: Engine) -> Cost:
        """Return what an element needs where an engine makes its product."""
        return self.kernel_cost if engine is Engine.FAST and self.kernel_cost is not None else self.cost

    def __str__(self) -> str:
        """Return the name."""
        return self.name

    def __reduce__(self) -> tuple[Callable[[str], Stage], tuple[str]]:
        """Copy and pickle as what it is: the declaration of this name."""
        from stereo_tasks.stages import stage

        return stage, (self.name,)


def resolve(function: str) -> Callable[..., Any]:
    """Return the function that ``module:function`` names.

    Raises
    ------
    ValueError
        If it is not of that form.
    """
    module, _, name = function.partition(":")
    if not module or not name:
        raise ValueError(f"{function!r} does not name a function as module:function")
    resolved: Callable[..., Any] = getattr(import_module(module), name)
    return resolved
