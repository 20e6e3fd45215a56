"""The elements of a stage as an array for the cluster, and what became of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.planning.plan import Plan
from stereo_tasks.settings import Settings, load_settings
from stereo_tasks.stages import Stage
from stereo_tasks.stages import stage as stage_of


@dataclass(frozen=True, slots=True)
class StageArray:
    """The elements of a stage that are to be done, as an array for the cluster."""

    name: str
    command: tuple[str, ...]
    """What one job runs; the indices of its elements are appended."""
    indices: tuple[int, ...]
    """The elements that are to be done; empty if there are none."""
    total: int
    env: dict[str, str]
    log_folder: str
    memory_mb: int
    element_time_s: dict[int, float]
    """How long each element may take, without the start of its tool, in s."""
    start_s: float
    """What the start of a job costs, in s."""
    job_time_max_s: float
    """No job is planned longer than this, in s."""
    per_job: int
    """At most so many elements in one job."""
    jobs_min: int
    """At least so many jobs, so that as many run at a time as the site has room for."""
    labels: dict[int, str]
    placement: dict[str, str]
    """Partition, account and QOS of its jobs, as far as the site names them; the process pool has no use for it."""


@dataclass(frozen=True, slots=True)
class ElementOutcome:
    """What became of an element, by its record."""

    state: str | None
    """None without a record that counts: not done, whatever the job said."""
    reason: str = ""


def stage_array(
    plan: Plan | str | Path,
    stage: Stage | str,
    *,
    force: bool = False,
    settings: Settings | None = None,
    states: ElementStates | None = None,
) -> StageArray:
    """Return what is to be done of a stage, as an array.

    Parameters
    ----------
    plan : Plan or path
        The plan, or its file.
    stage : Stage or str
        The stage.
    force : bool, optional
        All elements. Their records are removed, so that only what is done from now on counts.
    settings : Settings, optional
        Loaded from the site if not given.
    states : ElementStates, optional
        What is known of the plan already; its records are read if not given.
    """
    plan = plan if isinstance(plan, Plan) else Plan.load(plan)
    stage, settings = stage_of(stage), settings or load_settings()
    elements = dict(plan.of_stage(stage))
    indices = tuple(elements) if force else (states or ElementStates(plan)).to_do(stage)
    if force:
        for element in elements.values():
            element.record_path.unlink(missing_ok=True)
    command = [str(settings.site.science_python), "-m", "stereo_tasks.steps", str(plan.path), stage.name]
    cost, margin = settings.cost(stage), settings.site.job_time_margin
    return StageArray(
        name=f"{plan.name.replace('/', '.')}.{stage}",
        command=tuple(command),
        indices=indices,
        total=len(elements),
        env=job_environment(settings),
        log_folder=str(Path(plan.root) / "logs" / (plan.night or "mc").replace("-", "")),
        memory_mb=max((element.memory_mb for element in elements.values()), default=0),
        element_time_s={index: margin * elements[index].time_s for index in indices},
        start_s=margin * cost.start_s,
        job_time_max_s=float(settings.site.job_time_max.to_value("s")),
        per_job=cost.elements_per_job,
        jobs_min=max(settings.site.workers, 1),
        labels={index: element.id for index, element in elements.items()},
        placement=_placement(settings, stage),
    )


def _placement(settings: Settings, stage: Stage) -> dict[str, str]:
    slurm = settings.site.slurm
    named = {"partition": settings.partition(stage), "account": slurm.account, "qos": slurm.qos}
    return {key: value for key, value in named.items() if value}


def job_environment(settings: Settings) -> dict[str, str]:
    """Return the environment variables of a job: caches that make the start of a tool quick, one thread a job."""
    cache = settings.site.paths.state / "cache"
    return {
        "NUMBA_CACHE_DIR": str(cache / "numba"),
        "PYTHONPYCACHEPREFIX": str(cache / "pycache"),
        "MPLCONFIGDIR": str(cache / "matplotlib"),
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
        "STEREO_SITE": str(settings.site.root),
        # The configuration's folder, and the mark by which `stereo down` finds every process of the site.
        **{name: os.environ[name] for name in ("STEREO_CONFIG", "STEREO_SITE_ID") if name in os.environ},
    }


def stage_outcomes(plan: Plan | str | Path, stage: Stage | str) -> dict[int, ElementOutcome]:
    """Return what became of the elements of a stage, by their records."""
    plan = plan if isinstance(plan, Plan) else Plan.load(plan)
    states = ElementStates(plan)
    records = {index: states.record(element) for index, element in plan.of_stage(stage)}
    return {
        index: ElementOutcome(record.state, record.reason) if record else ElementOutcome(None)
        for index, record in records.items()
    }
