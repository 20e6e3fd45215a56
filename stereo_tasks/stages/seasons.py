"""The stage that looks at the published DL3 of a source over many nights."""

from __future__ import annotations

from stereo_tasks.stages.stage import Cost, Stage, Unit

SEASON_ANALYSIS = Stage(
    name="season_analysis",
    unit=Unit.SEASON,
    elements="stereo_tasks.planning.seasons:season_analysis",
    work="stereo_tasks.steps.season_analysis:run",
    check="stereo_tasks.steps.season_analysis:check",
    environment="analysis",
    settings_keys=("analysis",),
    tools=("gammapy", "regions", "iminuit", "astropy", "numpy", "scipy"),
    # Of 60 runs of 20 minutes (28 MB of DL3, 10,000 events each): 58 s of CPU, 0.3 GB.
    cost=Cost(memory_mb=2000, element_s=60, s_per_gb=2000, elements_per_job=1),
)

STAGES = (SEASON_ANALYSIS,)
