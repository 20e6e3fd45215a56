"""Once a day: the data sets of the sources of which nights were published."""

from __future__ import annotations

from stereo_sources import source_dag

from stereo_tasks.stages import DATASET_STAGES

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

# Airflow reads only files in which its name is found.
dag = source_dag(
    "build_datasets",
    "Data sets of the sources of which nights were published",
    DOC,
    cron="0 15 * * *",
    planner="stereo_tasks.processing.dataset_plans:plan_source",
    stages=DATASET_STAGES,
    group="dataset",
)
