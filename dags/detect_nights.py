"""Every half hour: hand on the nights that are complete and not processed yet."""

from __future__ import annotations

import datetime as dt

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, Asset, CronTriggerTimetable, task, task_group
from airflow.sdk.exceptions import AirflowSkipException

RAW_NIGHT = Asset("raw_night")

DOC = """
### Which nights are ready?

Every 30 minutes this reads the stereo log, looks for the files of each night (MAGIC calibrated, LST-1 DL1), writes what
it finds to the catalog, and hands on what is **complete and new, or whose data changed**. Each night starts a
run of `process_night`. What a person holds, or what lacks forests, IRFs or an entry in a table of the configuration, is
left out, and goes out when that is cured. Forests and IRFs that lack are made by `prepare_mc`, which this starts, if
their Monte Carlo is there. What never reached a run that planned it goes out again. After
`partial_night_age_h` a night goes on with what there is, and again when more files come.

A skipped run means that no night became ready. To see why a night is not ready, use `stereo status NIGHT` or look at
the log of the task `detect`. To process a night again, or a range of nights, use `request_nights`.
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

    @task
    def detect(*, ti) -> list[dict]:
        """Find the nights that are ready, in groups for which the same is asked."""
        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.dispatch.detection import detect_ready_nights, grouped

        # Only then can nothing of what went out before be on its way to a run.
        idle = ti.get_dr_count("process_night", states=["queued", "running"]) == 0
        found = detect_ready_nights(Catalog.of_site(), idle=idle)
        if not found:
            raise AirflowSkipException("no night became ready")
        for one in found:
            print(f"{one.night}, {one.production}: {one.reason}")
        return grouped(found)

    @task_group
    def hand_on(group) -> None:
        """Nights for which the same is asked."""
        remember(emit(group))

    @task(outlets=[RAW_NIGHT])
    def emit(group, *, outlet_events) -> list[dict]:
        """Emit nights as partitions of the asset."""
        outlet_events[RAW_NIGHT].add_partitions(group["keys"])
        outlet_events[RAW_NIGHT].extra = group["choice"]
        return group["nights"]

    @task
    def remember(nights) -> None:
        """Note what was handed on; the events are written when the task before succeeds, so not earlier."""
        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.dispatch.detection import note_dispatched
        from stereo_tasks.dispatch.partitions import ReadyNight

        note_dispatched(Catalog.of_site(), [ReadyNight.from_dict(one) for one in nights])

    @task
    def lacking() -> list[dict]:
        """Find forests and IRFs that nights wait for and that can be made."""
        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.dispatch.wanted_models import wanted_models
        from stereo_tasks.settings import load_settings

        wanted = wanted_models(Catalog.of_site(), load_settings())
        if not wanted:
            raise AirflowSkipException("no night waits for forests or IRFs that can be made")
        return [{"trigger_run_id": one.run_id, "conf": one.conf} for one in wanted]

    hand_on.expand(group=detect())
    TriggerDagRunOperator.partial(
        task_id="make_models", trigger_dag_id="prepare_mc", skip_when_already_exists=True, logical_date=None
    ).expand_kwargs(lacking())
