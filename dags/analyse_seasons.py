"""Once a day: the analyses of the sources of which nights were published."""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, Asset, CronTriggerTimetable, chain, task, task_group
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from stereo_arrays import chain_task
from stereo_sources import PARAMS, wanted_sources

from stereo_tasks.stages import SEASON_STAGES, chains_of

STEREO_DL3 = Asset("stereo_dl3")

DOC = """
### Analysis of a source over many nights

Every day at 15:30 UTC this looks which sources had nights published in the last 7 days (asset `stereo_dl3`), and brings
their analysis up to date: counts, theta2, significance map, spectrum, flux points, light curve, and the page
`season.html` with all of it, in `{output}/{production}/{source}/Season/all`. Runs that QA calls bad are left out.
Nothing is computed where nothing was published anew, and settings (`config/analysis.yaml`) and gammapy are the same.

By hand: `source`, and if wanted `first` and `last` evening and `production`. A range makes an analysis of its own, in a
folder named by its dates. On this machine: `stereo analyse --season SOURCE`.

- `completion` **skipped**: nothing was published, or all is up to date.
- **red**: see the log of `completion`; what failed is tried again the next day, or when the run is started by hand.
"""


with DAG(
    "analyse_seasons",
    description="Analyses of the sources of which nights were published",
    doc_md=DOC,
    # Airflow has no asset schedule that waits for the end of a day; the events say which sources are meant.
    schedule=CronTriggerTimetable("30 15 * * *", timezone="UTC"),
    start_date=dt.datetime(2018, 10, 10, tzinfo=dt.UTC),
    catchup=False,
    max_active_runs=1,
    params=PARAMS,
    default_args={"retries": 1, "retry_delay": dt.timedelta(minutes=1)},
    tags=["stereo"],
):

    @task(inlets=[STEREO_DL3])
    def plan(*, params, inlet_events) -> list[dict]:
        """Write the plans of the analyses that are not up to date."""
        from stereo_tasks.errors import StereoError
        from stereo_tasks.nights import Night
        from stereo_tasks.processing.season_plans import plan_stale_seasons

        wanted = wanted_sources(params, inlet_events[STEREO_DL3])
        try:
            first, last = (Night(params[name]) if params[name] else None for name in ("first", "last"))
            found = plan_stale_seasons(wanted, first, last)
        except StereoError as error:
            raise AirflowFailException(str(error)) from None
        print(*(found.lines or ["nothing was published in the last days"]), sep="\n")
        return [{"plan": str(one.path), "name": one.name} for one in found.plans]

    @task_group
    def season(plan, name) -> None:
        """All stages of one set of nights."""
        chain(*(chain_task(stages, plan=plan, name=name) for stages in chains_of(SEASON_STAGES)))

    @task(trigger_rule="all_done")
    def completion(plans) -> None:
        """Decide whether the analyses are complete."""
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
    season.expand_kwargs(plans) >> completion(plans)
