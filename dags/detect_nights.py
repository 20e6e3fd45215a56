"""Every half hour: hand on the nights that are complete and not processed yet."""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, Asset, CronTriggerTimetable, task
from airflow.sdk.exceptions import AirflowSkipException

RAW_NIGHT = Asset("raw_night")

DOC = """
### Which nights are ready?

Every 30 minutes this reads the stereo log, looks for the files of each night (MAGIC calibrated, LST-1 DL1), writes what
it finds to the readiness ledger, and hands on the nights that are **complete and new, or whose data changed**. Each of
them starts a run of `process_night`, one a night.

A skipped run means that no night became ready. To see why a night is not ready, look into the readiness ledger or at
the log of the task. To process a night again, or a range of nights, use `request_nights`.
"""

with DAG(
    "detect_nights",
    description="Hand on nights whose data are complete",
    doc_md=DOC,
    schedule=CronTriggerTimetable("*/30 * * * *", timezone="UTC"),
    start_date=dt.datetime(2018, 10, 10, tzinfo=dt.UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": dt.timedelta(minutes=1)},
    tags=["stereo"],
):

    @task(outlets=[RAW_NIGHT])
    def detect(*, outlet_events) -> list[dict]:
        """Emit ready nights as partitions of the asset."""
        from stereo_tasks.detection import detect_ready_nights

        found = detect_ready_nights()
        if not found:
            # A skipped task emits nothing; a successful one would emit an event without a night.
            raise AirflowSkipException("no night became ready")
        for one in found:
            print(f"{one.night}: {one.reason}")
        outlet_events[RAW_NIGHT].add_partitions([one.night.partition_key for one in found])
        return [{"night": one.night.partition_key, "signature": one.signature, "reason": one.reason} for one in found]

    @task
    def remember(found: list[dict]) -> None:
        """Note what was emitted; the events are written when the task before succeeds, so not earlier."""
        from stereo_tasks.detection import ReadyNight, mark_emitted
        from stereo_tasks.nights import Night

        mark_emitted([ReadyNight(Night(one["night"]), one["signature"], one["reason"]) for one in found])

    remember(detect())
