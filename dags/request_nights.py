"""Ask for a night, or for a range of nights with a backfill."""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, Asset, Param, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from stereo_portal.timetable import OnRequest

from stereo_tasks.stages import night_stages

RAW_NIGHT = Asset("raw_night")

DOC = """
### Process nights that you choose

*Trigger > Single Run* asks for the **night** of the form. *Trigger > Backfill* (or `stereo backfill`, which also shows
what becomes of the nights) asks for a range: each date is the evening of one night. Each night that has something to
process starts one run of `process_night`. Elements that are still valid are not computed again.

In a backfill, **Missing Runs** are the nights that no backfill has asked for so far, whatever became of them. To ask
for nights again, choose **All Runs**: the form shows how many there are. `stereo backfill` always does.

| parameter | meaning |
|---|---|
| `night` | the date of its evening; a backfill has its dates instead |
| `production` | which way of processing, by its name in the configuration; empty for the default one |
| `sources` | only these sources; empty for all of the night |
| `force` | compute everything again, even what is valid |
| `from_stage` | compute everything from this stage on again, even what is valid |
| `why` | what it is for; others read it on the page of the night |
| `dry_run` | only print what would be done: see the log of the task |

A night without observations is **skipped** with its reason. So is one whose files are not there yet, or that is held,
but that request waits: `detect_nights` hands the night on when it can be processed, however old it is. Nights to come
are **refused**: the run fails. The reason is in the log of the task and in `stereo status`.
"""

with DAG(
    "request_nights",
    description="Ask for nights; made for backfills over a range of dates",
    doc_md=DOC,
    # Elsewhere than at midnight of its zone a backfill would end one night early.
    schedule=OnRequest("0 0 * * *", timezone="UTC", key_format="%Y%m%d"),
    start_date=dt.datetime(2018, 10, 10, tzinfo=dt.UTC),
    catchup=False,
    max_active_runs=8,
    params={
        "night": Param(
            None, type=["null", "string"], format="date", description="Evening of the night; a backfill has its dates"
        ),
        "production": Param(None, type=["null", "string"], description="Name of the production; empty: the default"),
        "sources": Param([], type="array", items={"type": "string"}, description="Only these; empty: all"),
        "force": Param(False, type="boolean", description="Compute again what is valid, too"),
        "from_stage": Param("", enum=["", *(stage.name for stage in night_stages())], description="Again from here on"),
        "why": Param("", type="string", maxLength=1000, description="What for: others will read it"),
        "dry_run": Param(False, type="boolean", description="Only print the plan"),
    },
    default_args={"retries": 1, "retry_delay": dt.timedelta(minutes=1)},
    tags=["stereo"],
):

    @task(outlets=[RAW_NIGHT])
    def request(*, outlet_events, params, dag_run, partition_key=None) -> dict:
        """Emit the night as a partition of the asset, with what was asked for."""
        key = partition_key or params["night"]
        if not key:
            raise AirflowFailException("which night? Give the date of its evening as `night`, or start a backfill")

        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.dispatch.partitions import night_key
        from stereo_tasks.dispatch.requests import request_night
        from stereo_tasks.nights import BadNightError
        from stereo_tasks.processing.reprocessing import NoStageError
        from stereo_tasks.settings import SettingsError

        choice = {name: params[name] for name in ("production", "sources", "force", "from_stage", "why", "dry_run")}
        try:
            # The task is not told the number of its backfill; the run's id leads to it.
            answer = request_night(
                Catalog.of_site(), key, **choice, backfill=dag_run.run_id, by=dag_run.triggering_user_name or ""
            )
        except (BadNightError, NoStageError, SettingsError) as error:
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
        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.dispatch.detection import note_dispatched
        from stereo_tasks.dispatch.partitions import ReadyNight

        note_dispatched(Catalog.of_site(), ReadyNight.from_dict(night))

    remember(request())
