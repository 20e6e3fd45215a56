"""Once a day: the data sets of the sources of which nights were published."""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, Asset, CronTriggerTimetable, chain, task, task_group
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from stereo_arrays import chain_task
from stereo_sources import PARAMS, wanted_sources

from stereo_tasks.stages import DATASET_STAGES, chains_of

STEREO_DL3 = Asset("stereo_dl3")
DOC = """
### Data sets of a source

Every day at 15:00 UTC this looks which sources had nights published in the last 7 days (asset `stereo_dl3`), and brings
their set `all` up to date: merged and mean DL2, coincidences, Monte Carlo, common sample, and two pages that summarise
them, below `{output}/{production}/{source}/datasets/all`. One run a day, so a source is never worked on twice a day.
Only nights that are new or changed are read; a season file grows by them.

By hand: `source`, and if wanted `first` and `last` evening and `production`. A range makes a set of its own, named by
its dates. `stereo dataset list` tells what there is.

- `completion` **skipped**: nothing was published, or all is up to date.
- **red**: see the log of `completion`; what failed is tried again the next day, or when the run is started by hand.
"""


with DAG(
    "build_datasets",
    description="Data sets of the sources of which nights were published",
    doc_md=DOC,
    # Airflow has no asset schedule that waits for the end of a day; the events say which sources are meant.
    schedule=CronTriggerTimetable("0 15 * * *", timezone="UTC"),
    start_date=dt.datetime(2018, 10, 10, tzinfo=dt.UTC),
    catchup=False,
    max_active_runs=1,
    params=PARAMS,
    default_args={"retries": 1, "retry_delay": dt.timedelta(minutes=1)},
    tags=["stereo"],
):

    @task(inlets=[STEREO_DL3])
    def plan(*, params, inlet_events) -> list[dict]:
        """Write the plans of the sets that are not up to date."""
        from stereo_tasks.nights import BadNightError, Night
        from stereo_tasks.processing.dataset_plans import plan_stale
        from stereo_tasks.settings import SettingsError

        wanted = wanted_sources(params, inlet_events[STEREO_DL3])
        try:
            first, last = (Night(params[name]) if params[name] else None for name in ("first", "last"))
            found = plan_stale(wanted, first, last)
        except (BadNightError, SettingsError) as error:
            raise AirflowFailException(str(error)) from None
        print(*(found.lines or ["nothing was published in the last days"]), sep="\n")
        return [{"plan": str(one.path), "name": one.name} for one in found.plans]

    @task_group
    def dataset(plan, name) -> None:
        """All stages of one set."""
        chain(*(chain_task(stages, plan=plan, name=name) for stages in chains_of(DATASET_STAGES)))

    @task(trigger_rule="all_done")
    def completion(plans) -> None:
        """Decide whether the sets are complete."""
        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.catalog.records import ingest
        from stereo_tasks.processing.dataset_plans import dataset_problems

        if plans is None:
            raise AirflowFailException("nothing was planned: see the log of plan")
        if not plans:
            raise AirflowSkipException("nothing is to be made: see the log of plan")
        problems = []
        for item in plans:
            ingest(Catalog.of_site(), item["plan"])
            problems += dataset_problems(item["plan"])
        print("\n".join(problems or ["all is made"]))
        if problems:
            raise AirflowFailException("not all was made: see above")

    plans = plan()
    dataset.expand_kwargs(plans) >> completion(plans)
