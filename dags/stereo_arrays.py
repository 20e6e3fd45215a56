"""A stage of a plan as one task; shared by the DAGs of this folder."""

from __future__ import annotations

from typing import Any

from airflow.sdk import TriggerRule
from airflow_slurm.operator import SlurmArrayOperator

from stereo_tasks.stages import Stage


def stage_task(stage: Stage, *, plan: Any, name: Any, force: Any = False, **kwargs: Any) -> SlurmArrayOperator:
    """Return the task that runs the elements of one stage of a plan as an array of jobs."""
    return SlurmArrayOperator(
        task_id=stage.name,
        array=_array,
        outcomes=_outcomes,
        backend=_backend,
        report=_report,
        op_kwargs={"plan": plan, "stage": stage.name, "force": force},
        title=name,
        fail_on=stage.fail_on,
        # What has to run whatever happened before: the QA page is wanted even more then.
        trigger_rule=TriggerRule.ALL_DONE if stage.always else TriggerRule.ALL_SUCCESS,
        # Of the task itself, so it is there whatever happens: a name that is not there would fail the task.
        map_index_template="{{ task.title }}",
        **kwargs,
    )


def _array(plan: str, stage: str, force: bool) -> Any:
    from dataclasses import replace

    from airflow.sdk import get_current_context
    from airflow_slurm.array import Placement

    from stereo_tasks.processing.stage_arrays import stage_array

    # A later try takes over what the first one has done: to force it again would remove its records.
    first = get_current_context()["ti"].try_number == 1
    array = stage_array(plan, stage, force=force and first)
    return replace(array, placement=Placement(**array.placement))


def _outcomes(plan: str, stage: str, force: bool) -> Any:
    from stereo_tasks.processing.stage_arrays import stage_outcomes

    return stage_outcomes(plan, stage)


def _report(plan: str, stage: str, force: bool, jobs: list[dict[str, Any]]) -> None:
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.catalog.jobs import save_jobs

    save_jobs(Catalog.of_site(), plan, stage, jobs)


def _backend() -> Any:
    from stereo_tasks.settings import load_settings

    site = load_settings().site
    if site.runs_on == "slurm":
        from airflow_slurm.slurm import SlurmBackend

        return SlurmBackend.from_connection(site.slurm.connection)
    from airflow_slurm.local import LocalBackend

    return LocalBackend(site.paths.state, site.workers)
