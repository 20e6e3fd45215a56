"""A stage of a plan as one task; shared by the DAGs of this folder."""

from __future__ import annotations

from typing import Any

from airflow_slurm.operator import SlurmArrayOperator


def stage_task(stage: str, *, plan: Any, name: Any, force: Any = False, **kwargs: Any) -> SlurmArrayOperator:
    """Return the task that runs the elements of one stage of a plan as an array of jobs."""
    return SlurmArrayOperator(
        task_id=stage,
        array=_array,
        outcomes=_outcomes,
        backend=_backend,
        op_kwargs={"plan": plan, "stage": stage, "force": force},
        title=name,
        # Of the task itself, so it is there whatever happens: a name that is not there would fail the task.
        map_index_template="{{ task.title }}",
        **kwargs,
    )


def _array(plan: str, stage: str, force: bool) -> Any:
    from stereo_tasks.night_run import stage_array

    return stage_array(plan, stage, force=force)


def _outcomes(plan: str, stage: str, force: bool) -> Any:
    from stereo_tasks.night_run import stage_outcomes

    return stage_outcomes(plan, stage)


def _backend() -> Any:
    from airflow_slurm.local import LocalBackend

    from stereo_tasks.settings import load_settings

    site = load_settings().site
    return LocalBackend(site.paths.state, site.workers)
