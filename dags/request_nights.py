"""Ask for a night, or for a range of nights with a backfill."""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, Asset, CronPartitionTimetable, Param, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

RAW_NIGHT = Asset("raw_night")

DOC = """
### Process nights that you choose

Start a **backfill** of this DAG over a range of dates (*Trigger > Backfill* in the UI, `airflow backfill create`, or
`stereo backfill`): each date is the evening of one night, and each night that has something to process starts one run
of `process_night`. Elements that are still valid are not computed again.

| parameter | meaning |
|---|---|
| `production` | which way of processing, by its name in the configuration; empty for the default one |
| `sources` | only these sources; empty for all of the night |
| `force` | compute everything again, even what is valid |
| `dry_run` | only print what would be done: see the log of the task |

A night without observations is **skipped** with its reason. So is one whose files are not there yet, or that is held,
but that request waits: `detect_nights` hands the night on when it can be processed, however old it is. Nights to come
are **refused**: the run fails. The reason is in the log of the task and in `stereo status`.

The daily runs of its own schedule ask for nothing: nights are handed on by `detect_nights` when their data are
complete. The schedule is there so that a backfill knows the nights.
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
    def request(*, outlet_events, params, dag_run, partition_key=None) -> dict:
        """Emit the night as a partition of the asset, with what was asked for."""
        if dag_run.run_type == "scheduled":
            raise AirflowSkipException("nobody asked: detect_nights hands on the nights whose data are complete")
        key = partition_key or (dag_run.conf or {}).get("night")
        if not key:
            raise AirflowFailException("which night? Start a backfill, or give a partition key such as 20240110")

        from stereo_tasks.dispatch.partitions import night_key
        from stereo_tasks.dispatch.requests import request_night
        from stereo_tasks.nights import BadNightError
        from stereo_tasks.settings import SettingsError

        choice = {name: params[name] for name in ("production", "sources", "force", "dry_run")}
        try:
            # The task is not told the number of its backfill; the run's id leads to it.
            answer = request_night(key, **choice, backfill=dag_run.run_id, by=dag_run.triggering_user_name or "")
        except (BadNightError, SettingsError) as error:
            raise AirflowFailException(str(error)) from None
        print(*answer.lines, sep="\n")
        if answer.outcome == "refused":
            raise AirflowFailException(answer.reason)
        if answer.handed_on is None:
            raise AirflowSkipException(f"{answer.outcome}: {answer.reason}")
        print(answer.reason)
        outlet_events[RAW_NIGHT].add_partitions(night_key(answer.handed_on))
        outlet_events[RAW_NIGHT].extra = answer.handed_on.choice
        return answer.handed_on.as_dict()

    @task
    def remember(night) -> None:
        """Note what was handed on, so that detection does not find the same once more."""
        from stereo_tasks.dispatch.detection import note_dispatched
        from stereo_tasks.dispatch.partitions import ReadyNight

        note_dispatched(ReadyNight.from_dict(night))

    remember(request())
