"""The Monte Carlo products of a production: forests and IRFs."""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, Param, chain, task, task_group
from stereo_arrays import chain_task, completion

from stereo_tasks.stages import MC_STAGES, chains_of

DOC = """
### Forests and IRFs of a production

Makes what `process_night` needs from Monte Carlo: stereo parameters of the simulated events, random forests, DL2 of the
test sample, and IRFs; one column for each period, NSB level and declination line. Start it by hand, once for each new
production, before its first night. What is valid already is not computed again.

`detect_nights` starts it, too, for what nights wait for (`wanted__...`): once for each period, NSB level and
declination line, as long as Monte Carlo and configuration stay the same. If such a run fails, cure the reason and clear
its failed tasks. While this DAG is paused, nothing is made.

A **red** run: the log of `completion` names what failed and why; it is an alarm, too, until it is made.
"""


with DAG(
    "prepare_mc",
    description="Random forests and IRFs that a production needs",
    doc_md=DOC,
    schedule=None,
    start_date=dt.datetime(2018, 10, 10, tzinfo=dt.UTC),
    catchup=False,
    # What one run makes, the next one finds: two that need the same never make it twice.
    max_active_runs=1,
    params={
        "production": Param(None, type=["null", "string"], description="Name of the production; empty: the default"),
        "only": Param(
            [],
            type="array",
            items={"type": "string"},
            description="Only these, such as ST0320A/NSB1.5/v01/dec_2276; empty: all that the production needs",
        ),
    },
    default_args={"retries": 1, "retry_delay": dt.timedelta(seconds=30)},
    tags=["stereo"],
):

    @task
    def plan(*, params) -> list[dict]:
        """Write the plans, one a period, NSB level and declination line."""
        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.catalog.suspensions import suspended
        from stereo_tasks.processing.night_plans import plan_monte_carlo

        only, against = params["only"], suspended(Catalog.of_site())
        plans = plan_monte_carlo(params["production"], only=only, suspended=against)
        return [{"plan": str(plan.save()), "name": plan.name} for plan in plans]

    @task_group
    def models(plan, name) -> None:
        """All stages of one set of models."""
        chain(*(chain_task(stages, plan=plan, name=name) for stages in chains_of(MC_STAGES)))

    plans = plan()
    models.expand_kwargs(plans) >> completion(plans)
