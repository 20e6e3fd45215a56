"""Ask for a night, or for a range of nights with a backfill."""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, Asset, CronPartitionTimetable, Param, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

RAW_NIGHT = Asset("raw_night")

DOC = """
### Process nights that you choose

Start a **backfill** of this DAG over a range of dates (*Trigger > Backfill* in the UI, or `airflow backfill create`):
each date is the evening of one night, and each night starts one run of `process_night`. Elements that are still valid
are not computed again.

| parameter | meaning |
|---|---|
| `production` | which way of processing, by its name in the configuration; empty for the default one |
| `sources` | only these sources; empty for all of the night |
| `force` | compute everything again, even what is valid |
| `dry_run` | only print what would be done: see the log of the task |

Nights to come are refused. The daily runs of its own schedule ask for nothing: nights are handed on by `detect_nights`
when their data are complete. The schedule is there so that a backfill knows the nights.
"""

with DAG(
    "request_nights",
    description="Ask for nights; made for backfills over a range of dates",
    doc_md=DOC,
    # Midnight of a zone ten hours behind UTC, when every observation is over. Elsewhere than at midnight of its zone
    # a backfill would end one night early.
    schedule=CronPartitionTimetable("0 0 * * *", timezone="Etc/GMT+10", run_offset=-1, key_format="%Y%m%d"),
    start_date=dt.datetime(2018, 10, 10, tzinfo=dt.UTC),
    catchup=False,
    max_active_runs=8,
    params={
        "production": Param(None, type=["null", "string"], description="Name of the production; empty: the default"),
        "sources": Param([], type="array", items={"type": "string"}, description="Only these; empty: all"),
        "force": Param(False, type="boolean", description="Compute again what is valid, too"),
        "dry_run": Param(False, type="boolean", description="Only print the plan"),
    },
    default_args={"retries": 1, "retry_delay": dt.timedelta(minutes=1)},
    tags=["stereo"],
):

    @task(outlets=[RAW_NIGHT])
    def request(*, outlet_events, params, dag_run, partition_key=None) -> str:
        """Emit the night as a partition of the asset, with what was asked for."""
        from stereo_tasks.nights import Night

        if dag_run.run_type == "scheduled":
            raise AirflowSkipException("nobody asked: detect_nights hands on the nights whose data are complete")
        key = partition_key or (dag_run.conf or {}).get("night")
        if not key:
            raise AirflowFailException("which night? Start a backfill, or give a partition key such as 20240110")
        night = Night(key)
        if night.noon > dt.datetime.now(dt.UTC):
            raise AirflowFailException(f"the night of {night} is still to come; end the range before it")
        choice = {name: params[name] for name in ("production", "sources", "force")}
        if params["dry_run"]:
            _print_plan(night, choice)
            raise AirflowSkipException(f"dry run: nothing was requested for {night}")
        outlet_events[RAW_NIGHT].add_partitions(night.partition_key)
        outlet_events[RAW_NIGHT].extra = choice
        return night.partition_key

    request()


def _print_plan(night, choice) -> None:
    from stereo_tasks.night_run import plan_night, summary

    found = plan_night(night, production=choice["production"], sources=choice["sources"] or None)
    for plan in found.plans:
        print(f"{plan.name}, production {plan.production}, plan {plan.digest}")
        for stage, states in summary(plan).items():
            print(f"  {stage}: {', '.join(f'{number} {state}' for state, number in states.items())}")
        for hold in plan.holds:
            print(f"  held, {hold.subject}: {hold.reason}")
    for text in (*found.not_taken, *found.problems):
        print("not taken:", text)
    if not found.plans:
        print(f"nothing to process in the night of {night}")
