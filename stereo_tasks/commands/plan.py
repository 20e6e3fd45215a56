"""``stereo plan``: what would be done for a night, and why, without touching anything."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from stereo_tasks.planning.plan import Plan
    from stereo_tasks.processing.chain_arrays import ChainArray
    from stereo_tasks.settings import Settings

# A pipe has no width: 80 columns would cut paths.
console = Console(width=None if sys.stdout.isatty() else 250)


@dataclass(frozen=True, slots=True)
class PlannedArray:
    """An array of jobs of a source, as it would be submitted now."""

    source: str
    stage: str
    """The stage of the elements that its jobs begin with."""
    then: tuple[str, ...]
    """The stages that they go on with."""
    elements: int
    """Those that they begin with."""
    jobs: int
    per_job: int
    """Elements of the job that has most."""
    memory_mb: int
    time_s: int
    """Limit of the elapsed time of each job."""
    partition: str

    def as_dict(self) -> dict[str, str | int | tuple[str, ...]]:
        """Return plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


def plan_command(
    night: Annotated[str, typer.Argument(help="Evening date, such as 2024-01-10.")],
    production: Annotated[
        str | None, typer.Option(help="Name of the production; the site's default if not given.")
    ] = None,
    source: Annotated[list[str] | None, typer.Option("--source", help="Only this source; may be repeated.")] = None,
    elements: Annotated[bool, typer.Option(help="List every element.")] = True,
    jobs: Annotated[bool, typer.Option("--jobs", help="List the arrays of jobs instead.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --jobs: a JSON list of objects.")] = False,
) -> None:
    """Print what would be done for a night, and why, without touching anything."""
    from stereo_tasks.processing.night_plans import plan_night
    from stereo_tasks.settings import load_settings

    if as_json and not jobs:
        raise typer.BadParameter("it belongs to --jobs", param_hint="--json")
    settings = load_settings()
    planned = plan_night(night, production=production, sources=source, settings=settings)
    if jobs:
        arrays = [array for plan in planned.plans for array in planned_arrays(plan, settings)]
        if as_json:
            typer.echo(json.dumps([array.as_dict() for array in arrays], indent=1))
        else:
            _print_arrays(arrays, night)
        return
    for problem in planned.problems:
        console.print(f"[yellow]stereo log[/yellow] {problem}")
    for text in planned.not_taken:
        console.print(f"[yellow]not taken[/yellow] {text}", highlight=False)
    for plan in planned.plans:
        _print_plan(plan, elements=elements)
    if not planned.plans:
        console.print(f"no observation of {night} is processed")


def planned_arrays(plan: Plan, settings: Settings) -> list[PlannedArray]:
    """Return the arrays of a plan as the tasks would submit them now; stages without work are left out.

    Parameters
    ----------
    plan : Plan
        The plan; it need not be saved.
    settings : Settings
        The site's.
    """
    from stereo_tasks.planning.element_state import ElementStates
    from stereo_tasks.processing.chain_arrays import chain_array
    from stereo_tasks.stages import chains_of

    states = ElementStates(plan)
    arrays = []
    for chain in chains_of(plan.stages):
        tried: set[int] = set()
        while (array := chain_array(plan, chain, tried=tried, settings=settings, states=states)).indices:
            arrays.append(_planned(plan, array, settings))
            tried |= {*array.indices}
            tried |= {index for index in array.following if plan.elements[index].stage.name in array.stages}
    return arrays


def _planned(plan: Plan, array: ChainArray, settings: Settings) -> PlannedArray:
    from airflow_slurm.chunks import JobTimes

    limit_s = partition_limit_s(settings, array.placement.get("partition"))
    longest_s = array.job_time_max_s if limit_s is None else min(array.job_time_max_s, limit_s)
    times = JobTimes(array.element_time_s, array.start_s, longest_s, limit_s, step_s=60)
    jobs, time_s = times.jobs(array.indices, array.per_job, jobs_min=array.jobs_min)
    first, *then = array.stages
    return PlannedArray(
        plan.source, first, tuple(then), len(array.indices), len(jobs), max(map(len, jobs)), array.memory_mb, time_s,
        array.placement.get("partition", ""),
    )  # fmt: skip


def partition_limit_s(settings: Settings, partition: str | None) -> float | None:
    """Return how long a job of a partition may take, in s; None if there is no limit, or it cannot be asked from here.

    The tasks ask the cluster themselves, wherever it is.
    """
    from airflow_slurm.client import SlurmClient
    from airflow_slurm.errors import NoAnswerError, NotReachedError, RejectedError
    from airflow_slurm.transport import CommandTransport

    if settings.site.runs_on != "slurm":
        return None
    private = settings.site.paths.state.resolve() / "slurm" / "slurm.conf"
    conf = str(private) if settings.site.slurm.private else None
    try:
        return SlurmClient(CommandTransport(conf), timeout_s=10.0).time_limit_s(partition)
    except (NotReachedError, NoAnswerError, RejectedError) as error:
        Console(stderr=True).print(
            f"the limit of the partition is not known here, the tasks will ask for it: {error}", highlight=False
        )
        return None


def _print_arrays(arrays: list[PlannedArray], night: str) -> None:
    if not arrays:
        console.print(f"nothing is to be done for {night}")
        return
    table = Table("source", "stage", "goes on with", box=None, pad_edge=False)
    for heading in ("elements", "jobs", "elements a job", "memory (MB)", "time (h:mm)"):
        table.add_column(heading, justify="right")
    for array in arrays:
        hours, minutes = divmod(-(-array.time_s // 60), 60)
        numbers = (array.elements, array.jobs, array.per_job, array.memory_mb)
        table.add_row(array.source, array.stage, ", ".join(array.then), *map(str, numbers), f"{hours}:{minutes:02d}")
    console.print(table)


def _print_plan(plan: Plan, *, elements: bool) -> None:
    from stereo_tasks.planning.element_state import TO_DO, ElementStates

    console.rule(f"{plan.name}  production {plan.production}  plan {plan.digest}")
    choices = Table("choice", "value", "reason", box=None, pad_edge=False)
    for choice in plan.choices:
        choices.add_row(choice.name, choice.value, choice.reason)
    console.print(choices)
    for notice in plan.notices:
        console.print(f"[yellow]missing or odd[/yellow] {notice.subject}: {notice.reason}", highlight=False)
    for blocker in plan.blockers:
        console.print(f"[red]held[/red] {blocker.subject}: {blocker.reason}", highlight=False)
    if not elements:
        return
    states = ElementStates(plan)
    table = Table("element", "state", "inputs", box=None, pad_edge=False)
    table.add_column("output", overflow="fold")
    for element in plan.elements:
        table.add_row(element.id, states.state(element) or TO_DO, str(len(element.inputs)), element.outputs[0])
    console.print(table)
