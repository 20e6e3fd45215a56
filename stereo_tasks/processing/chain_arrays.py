"""The elements of a chain of stages as arrays for the cluster, and what became of them.

An array is given the elements that nothing of the same chain keeps waiting. Its jobs go on with those that become
possible thereby (`stereo_tasks.steps.following`), so that one array is most often all that a chain needs. What is left
when it has ended, since an element before it was lost or needs another kind of job, is the next array.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.planning.plan import Element, Plan
from stereo_tasks.products.record import Record
from stereo_tasks.settings import Settings, load_settings
from stereo_tasks.stages import Chain, Stage
from stereo_tasks.stages import chain as chain_of

FOLLOWING_MB = 2000
"""Memory that a job may be given so that it can go on with the stages that follow, in MB."""


@dataclass(frozen=True, slots=True)
class ChainArray:
    """The elements of a chain that can be done now, as an array for the cluster."""

    name: str
    command: tuple[str, ...]
    """What one job runs; the indices of its elements are appended."""
    indices: tuple[int, ...]
    """The elements to begin with; empty if there is nothing to do."""
    following: tuple[int, ...]
    """Elements that are to be done after them, by the same jobs or by the next array."""
    total: int
    env: dict[str, str]
    log_folder: str
    memory_mb: int
    element_time_s: dict[int, float]
    """How long each element may take with what follows from it alone, without the start of its tool, in s."""
    start_s: float
    """What the start of a job costs, with what only the last job of a run goes on with, in s."""
    job_time_max_s: float
    """No job is planned longer than this, in s."""
    per_job: int
    """At most so many elements in one job."""
    jobs_min: int
    """At least so many jobs, so that as many run at a time as the site has room for."""
    labels: dict[int, str]
    placement: dict[str, str]
    """Partition, account and QOS of its jobs, as far as the site names them; the process pool has no use for it."""
    stages: tuple[str, ...]
    """The stages that its jobs work on."""
    rounds: bool = True
    """That there may be another array when this one has ended; see `airflow_slurm.array.ElementArray`."""


@dataclass(frozen=True, slots=True)
class ElementOutcome:
    """What became of an element, by its record."""

    state: str | None
    """None without a record that counts: not done, whatever the job said."""
    reason: str = ""
    group: str = ""
    """The stage."""


def chain_array(
    plan: Plan | str | Path,
    chain: Chain | str,
    *,
    force: bool = False,
    tried: Collection[int] = (),
    settings: Settings | None = None,
    states: ElementStates | None = None,
) -> ChainArray:
    """Return what is to be done of a chain, as an array.

    Parameters
    ----------
    plan : Plan or path
        The plan, or its file.
    chain : Chain or str
        The chain.
    force : bool, optional
        All elements. Their records are removed, so that only what is done from now on counts.
    tried : collection of int, optional
        Elements that have been tried: they are left out, and those after them wait for them no longer.
    settings : Settings, optional
        Loaded from the site if not given.
    states : ElementStates, optional
        What is known of the plan already; its records are read if not given.
    """
    plan = plan if isinstance(plan, Plan) else Plan.load(plan)
    chain, settings = chain_of(chain), settings or load_settings()
    elements = {index: element for stage in chain.stages for index, element in plan.of_stage(stage)}
    if force:
        for element in elements.values():
            element.record_path.unlink(missing_ok=True)
    states = states or ElementStates(plan)
    to_do = {
        index: element
        for index, element in elements.items()
        if index not in tried and (force or not states.is_valid(element))
    }
    waited_for = {element.outputs[0] for element in to_do.values()}
    first = {index: element for index, element in to_do.items() if not producers(element) & waited_for}
    stages = _worked_on(chain, first, elements, settings)
    alone_s, shared_s = _times_s(first, to_do, stages)
    costs = [settings.cost(stage, plan.engine(stage).engine) for stage in {element.stage for element in first.values()}]
    margin = settings.site.job_time_margin
    return ChainArray(
        name=f"{plan.name.replace('/', '.')}.{chain}",
        command=_command(settings, plan, chain.stages[0].environment, stages),
        indices=tuple(first),
        following=tuple(index for index in to_do if index not in first),
        total=len(elements),
        env=job_environment(settings),
        log_folder=str(Path(plan.root) / "logs" / plan.stamp),
        memory_mb=max((element.memory_mb for element in elements.values() if element.stage.name in stages), default=0),
        element_time_s={index: margin * time_s for index, time_s in alone_s.items()},
        start_s=margin * (max((cost.start_s for cost in costs), default=0.0) + shared_s),
        job_time_max_s=float(settings.site.job_time_max.to_value("s")),
        per_job=min((cost.elements_per_job for cost in costs), default=1),
        jobs_min=max(settings.site.workers, 1),
        labels={index: element.id for index, element in elements.items()},
        placement=_placement(settings, next(iter(first.values())).stage if first else chain.stages[0]),
        stages=stages,
    )


def producers(element: Element) -> set[str]:
    """Return the products among the inputs of an element."""
    return {item.producer for item in element.inputs if item.producer is not None}


def _worked_on(
    chain: Chain, first: Mapping[int, Element], elements: Mapping[int, Element], settings: Settings
) -> tuple[str, ...]:
    """Return the stages that the jobs of an array work on: up to the first that needs another kind of job."""
    begun = {element.stage for element in first.values()}
    partitions = {settings.partition(stage) for stage in begun}
    memory_mb = max((FOLLOWING_MB, *(element.memory_mb for element in first.values())))
    names: list[str] = []
    for stage in chain.stages:
        needed_mb = [element.memory_mb for element in elements.values() if element.stage is stage]
        if not needed_mb or (stage not in begun and not names):
            continue
        if stage not in begun and (max(needed_mb) > memory_mb or {settings.partition(stage)} != partitions):
            break
        names.append(stage.name)
    return tuple(names)


def _times_s(
    first: Mapping[int, Element], to_do: Mapping[int, Element], stages: Collection[str]
) -> tuple[dict[int, float], float]:
    """Return the time of each element with what follows from it alone, and of what several of them must precede."""
    began_by = {element.outputs[0]: index for index, element in first.items()}
    times_s = {index: element.time_s for index, element in first.items()}
    shared_s: dict[str, float] = {}
    waited_for = {element.outputs[0] for element in to_do.values()}
    for element in to_do.values():  # in the order of the stages
        if element.outputs[0] in began_by or element.stage.name not in stages:
            continue
        begun = {began_by.get(path) for path in producers(element) & waited_for}
        if len(begun) == 1 and (index := begun.pop()) is not None:
            began_by[element.outputs[0]] = index
            times_s[index] += element.time_s
        else:
            shared_s[element.stage.name] = max(shared_s.get(element.stage.name, 0.0), element.time_s)
    return times_s, sum(shared_s.values())


def _command(
    settings: Settings, plan: Plan, environment: Literal["science", "analysis"], stages: Collection[str]
) -> tuple[str, ...]:
    return (str(settings.site.python(environment)), "-m", "stereo_tasks.steps", str(plan.path), ",".join(stages))


def _placement(settings: Settings, stage: Stage) -> dict[str, str]:
    slurm = settings.site.slurm
    named = {"partition": settings.partition(stage), "account": slurm.account, "qos": slurm.qos}
    return {key: value for key, value in named.items() if value}


def job_environment(settings: Settings) -> dict[str, str]:
    """Return the environment variables of a job: caches that make the start of a tool quick, one thread a job."""
    cache = settings.site.paths.state / "cache"
    return {
        # Of the environment, where `make setup` has filled it; it may lie where only those who install may write.
        "NUMBA_CACHE_DIR": str(settings.site.science_python.parent.parent / "cache" / "numba"),
        "MPLCONFIGDIR": str(cache / "matplotlib"),
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "1",
        # Arrays from 1 MiB on go back to the system at once, so that an element does not hold what the one before left.
        # The C library would else raise this limit with the largest that it has seen.
        "MALLOC_MMAP_THRESHOLD_": str(1 << 20),
        "PYTHONUNBUFFERED": "1",
        "STEREO_SITE": str(settings.site.root),
        # The configuration's folder, and the mark by which `stereo down` finds every process of the site.
        **{name: os.environ[name] for name in ("STEREO_CONFIG", "STEREO_SITE_ID") if name in os.environ},
    }


def chain_outcomes(plan: Plan | str | Path, chain: Chain | str) -> dict[int, ElementOutcome]:
    """Return what became of the elements of a chain, by their records."""
    plan = plan if isinstance(plan, Plan) else Plan.load(plan)
    states = ElementStates(plan)
    return {
        index: _outcome(states.record(element), stage.name)
        for stage in chain_of(chain).stages
        for index, element in plan.of_stage(stage)
    }


def _outcome(record: Record | None, stage: str) -> ElementOutcome:
    return ElementOutcome(record.state, record.reason, stage) if record else ElementOutcome(None, group=stage)
