"""The DAGs that follow the published nights of sources: they differ in what they plan, and in its stages."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airflow.sdk import DAG, Asset, CronTriggerTimetable, Param, chain, task, task_group
from airflow.sdk.exceptions import AirflowFailException
from stereo_arrays import chain_task, completion

from stereo_tasks.stages import Stage, chains_of

STEREO_DL3 = Asset("stereo_dl3")
LOOK_BACK = dt.timedelta(days=7)
"""A source is looked at for so long after a night of it was published: what failed is tried again the next day."""

PARAMS = {
    "source": Param(None, type=["null", "string"], description="Only this source; empty: those of the last days"),
    "first": Param(None, type=["null", "string"], format="date", description="Evening of the first night"),
    "last": Param(None, type=["null", "string"], format="date", description="Evening of the last night"),
    "production": Param(None, type=["null", "string"], description="Name of the production; empty: the default"),
}


def wanted_sources(params: Mapping[str, Any], published: Any) -> Iterable[tuple[str | None, str]]:
    """Return production and source of what is to be looked at: what a person asked for, or what was published.

    Parameters
    ----------
    params : mapping
        Values of `PARAMS`.
    published : accessor of asset events
        Of the asset of published DL3.
    """
    if params["source"]:
        return [(params["production"], params["source"])]
    if params["first"] or params["last"]:
        raise AirflowFailException("a range of nights of which source? Give the parameter source, too")
    since = dt.datetime.now(dt.UTC) - LOOK_BACK
    extras = [event.extra for event in published.after(since.isoformat())]
    return sorted({(extra.get("production") or "", extra["source"]) for extra in extras if extra})


def source_dag(
    dag_id: str, description: str, doc: str, *, cron: str, planner: str, stages: Sequence[Stage], group: str
) -> DAG:
    """Return a DAG that once a day brings up to date what is made of the published nights of sources.

    Parameters
    ----------
    dag_id, description, doc : str
        Of the DAG.
    cron : str
        When, in UTC.
    planner : str
        ``module:function`` of a `stereo_tasks.processing.source_plans.SourcePlanner`.
    stages : sequence of Stage
        Of its plans.
    group : str
        Name of the group of tasks that work on one plan.
    """
    with DAG(
        dag_id,
        description=description,
        doc_md=doc,
        # Airflow has no asset schedule that waits for the end of a day; the events say which sources are meant.
        schedule=CronTriggerTimetable(cron, timezone="UTC"),
        start_date=dt.datetime(2018, 10, 10, tzinfo=dt.UTC),
        catchup=False,
        max_active_runs=1,
        params=PARAMS,
        default_args={"retries": 1, "retry_delay": dt.timedelta(minutes=1)},
        tags=["stereo"],
    ) as dag:

        @task(inlets=[STEREO_DL3])
        def plan(*, params, inlet_events) -> list[dict]:
            """Write the plans of what is not up to date."""
            from stereo_tasks.errors import StereoError
            from stereo_tasks.nights import Night
            from stereo_tasks.processing.source_plans import plan_stale
            from stereo_tasks.stages import resolve

            wanted = wanted_sources(params, inlet_events[STEREO_DL3])
            try:
                first, last = (Night(params[name]) if params[name] else None for name in ("first", "last"))
                found = plan_stale(resolve(planner), wanted, first, last)
            except StereoError as error:
                raise AirflowFailException(str(error)) from None
            print(*(found.lines or ["nothing was published in the last days"]), sep="\n")
            return [{"plan": str(one.path), "name": one.name} for one in found.plans]

        @task_group(group_id=group)
        def one_plan(plan, name) -> None:
            """All stages of one plan."""
            chain(*(chain_task(chained, plan=plan, name=name) for chained in chains_of(stages)))

        plans = plan()
        one_plan.expand_kwargs(plans) >> completion(plans)
    return dag
