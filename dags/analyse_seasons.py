"""Once a day: the analyses of the sources of which nights were published."""

from __future__ import annotations

from stereo_sources import source_dag

from stereo_tasks.stages import SEASON_STAGES

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

# Airflow reads only files in which its name is found.
dag = source_dag(
    "analyse_seasons",
    "Analyses of the sources of which nights were published",
    DOC,
    cron="30 15 * * *",
    planner="stereo_tasks.processing.season_plans:plan_source_season",
    stages=SEASON_STAGES,
    group="season",
)
