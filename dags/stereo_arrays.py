"""A chain of stages of a plan as one task, and the end of a run that made plans; shared by the DAGs of this folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.sdk import TriggerRule, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow_slurm.operator import SlurmArrayOperator

from stereo_tasks.stages import Chain


def chain_task(
    chain: Chain, task_id: str = "", *, plan: Any, name: Any, force: Any = False, **kwargs: Any
) -> SlurmArrayOperator:
    """Return the task that runs the elements of one chain of a plan as an array of jobs; named after it by default."""
    first = chain.stages[0]
    return SlurmArrayOperator(
        task_id=task_id or chain.name,
        array=_array,
        outcomes=_outcomes,
        backend=_backend,
        report=_report,
        op_kwargs={"plan": plan, "chain": chain.name, "force": force},
        title=name,
        fail_on=first.fail_on,
        # What has to run whatever happened before: the QA page is wanted even more then.
        trigger_rule=TriggerRule.ALL_DONE if first.always else TriggerRule.ALL_SUCCESS,
        # Of the task itself, so it is there whatever happens: a name that is not there would fail the task.
        map_index_template="{{ task.title }}",
        **kwargs,
    )


def _array(plan: str, chain: str, force: bool, tried: Sequence[int] = ()) -> Any:
    from dataclasses import replace

    from airflow.sdk import get_current_context
    from airflow_slurm.array import Placement

    from stereo_tasks.processing.chain_arrays import chain_array

    # A later try takes over what the first one has done: to force it again would remove its records.
    first = get_current_context()["ti"].try_number == 1 and not tried
    array = chain_array(plan, chain, force=force and first, tried=tried)
    return replace(array, placement=Placement(**array.placement))


def _outcomes(plan: str, chain: str, force: bool) -> Any:
    from stereo_tasks.processing.chain_arrays import chain_outcomes

    return chain_outcomes(plan, chain)


def _report(plan: str, chain: str, force: bool, jobs: list[dict[str, Any]]) -> None:
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.catalog.jobs import save_jobs

    save_jobs(Catalog.of_site(), plan, chain, jobs)


def _backend() -> Any:
    from stereo_tasks.settings import load_settings

    site = load_settings().site
    if site.runs_on == "slurm":
        from airflow_slurm.slurm import SlurmBackend

        return SlurmBackend.from_connection(site.slurm.connection)
    from airflow_slurm.local import LocalBackend

    return LocalBackend(site.paths.state, site.workers)


@task(trigger_rule="all_done")
def completion(plans: list[dict[str, Any]] | None) -> None:
    """Read what became of plans into the catalog, and decide whether all is made."""
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.catalog.records import ingest
    from stereo_tasks.processing.completion import problems_of

    if plans is None:
        raise AirflowFailException("nothing was planned: see the log of plan")
    if not plans:
        raise AirflowSkipException("nothing is to be made: see the log of plan")
    problems = []
    for item in plans:
        ingest(Catalog.of_site(), item["plan"])
        problems += problems_of(item["plan"])
    print("\n".join(problems or ["all is made"]))
    if problems:
        raise AirflowFailException("not all was made: see above")
