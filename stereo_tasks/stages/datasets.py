"""The stages that make the data sets of a source: a part of each night, then the season files that are put together.

Costs: measured with nights of 200,000 events (docs/performance.md).
"""

from __future__ import annotations

from stereo_tasks.stages.stage import Cost, Stage, Unit

_ELEMENTS = "stereo_tasks.planning.dataset_elements"
_STEPS = "stereo_tasks.steps"
_TABLES = f"{_STEPS}.dataset_tables:check"
NIGHT_PARTS, MC_PARTS, SUMMARIES = "dataset_nights", "dataset_mc", "dataset_summaries"
"""Chains: the parts of the nights, those of the Monte Carlo, and the summaries of the set."""

MERGED = Stage(
    name="dataset_merged",
    unit=Unit.NIGHT,
    chain=NIGHT_PARTS,
    elements=f"{_ELEMENTS}:merged",
    work=f"{_STEPS}.dataset_merged:run",
    check=_TABLES,
    cost=Cost(memory_mb=1500, element_s=10, s_per_gb=200),
)
MEAN = Stage(
    name="dataset_mean",
    unit=Unit.NIGHT,
    chain=NIGHT_PARTS,
    elements=f"{_ELEMENTS}:mean",
    work=f"{_STEPS}.dataset_mean:run",
    check=_TABLES,
    cost=Cost(memory_mb=1500, element_s=10, s_per_gb=200),
)
# Of 6 million triggers of a run (1.25 GB of lstchain's DL2): 12 s of CPU, 1.3 GB.
LST_ALONE = Stage(
    name="dataset_lst",
    unit=Unit.NIGHT,
    chain=NIGHT_PARTS,
    elements=f"{_ELEMENTS}:lst",
    work=f"{_STEPS}.dataset_standalone:lst",
    check=_TABLES,
    cost=Cost(memory_mb=2000, element_s=30, s_per_gb=40),
)
# Of 400,000 events of a run (16 MB of melibea): 1 s of CPU, 0.3 GB.
MAGIC_ALONE = Stage(
    name="dataset_melibea",
    unit=Unit.NIGHT,
    chain=NIGHT_PARTS,
    elements=f"{_ELEMENTS}:melibea",
    work=f"{_STEPS}.dataset_standalone:melibea",
    check=_TABLES,
    cost=Cost(memory_mb=1500, element_s=30, s_per_gb=40),
)
COINCIDENCES = Stage(
    name="dataset_coincidences",
    unit=Unit.NIGHT,
    chain=NIGHT_PARTS,
    elements=f"{_ELEMENTS}:coincidences",
    work=f"{_STEPS}.dataset_coincidences:run",
    check=_TABLES,
    cost=Cost(memory_mb=500, element_s=60),
)
# Of the 3.2 million triggers of 600 s (380 MB of DL1 in 60 subruns): 4 s of CPU, 0.7 GB.
TRIGGERS = Stage(
    name="dataset_triggers",
    unit=Unit.NIGHT,
    chain=NIGHT_PARTS,
    elements=f"{_ELEMENTS}:triggers",
    work=f"{_STEPS}.dataset_triggers:run",
    check=_TABLES,
    cost=Cost(memory_mb=2000, element_s=30, s_per_gb=40),
)
COMMON = Stage(
    name="dataset_common",
    unit=Unit.NIGHT,
    chain=NIGHT_PARTS,
    elements=f"{_ELEMENTS}:common",
    work=f"{_STEPS}.dataset_common:run",
    check=_TABLES,
    cost=Cost(memory_mb=1500, element_s=10, s_per_gb=100),
)
SIMULATED = Stage(
    name="dataset_mc",
    unit=Unit.MONTE_CARLO,
    chain=MC_PARTS,
    elements=f"{_ELEMENTS}:simulated",
    work=f"{_STEPS}.dataset_mc:run",
    check=_TABLES,
    cost=Cost(memory_mb=4000, element_s=30, s_per_gb=200),
)
SEASON = Stage(
    name="dataset_season",
    unit=Unit.SEASON,
    elements=f"{_ELEMENTS}:season",
    work=f"{_STEPS}.dataset_season:run",
    check=_TABLES,
    cost=Cost(memory_mb=1000, element_s=60, s_per_gb=30, elements_per_job=4),
)

SAMPLE = Stage(
    name="dataset_sample",
    unit=Unit.SEASON,
    chain=SUMMARIES,
    elements=f"{_ELEMENTS}:sample",
    work=f"{_STEPS}.dataset_summaries:sample",
    check=f"{_STEPS}.dataset_summaries:check",
    cost=Cost(memory_mb=3000, element_s=60, s_per_gb=30, elements_per_job=1),
)
PERFORMANCE = Stage(
    name="dataset_performance",
    unit=Unit.SEASON,
    chain=SUMMARIES,
    elements=f"{_ELEMENTS}:performance",
    work=f"{_STEPS}.dataset_summaries:performance",
    check=f"{_STEPS}.dataset_summaries:check",
    side_inputs=("runs", "simulated"),
    cost=Cost(memory_mb=4000, element_s=120, s_per_gb=60, elements_per_job=1),
)

STAGES = (
    MERGED, MEAN, LST_ALONE, MAGIC_ALONE, COINCIDENCES, TRIGGERS, COMMON, SIMULATED, SEASON, SAMPLE, PERFORMANCE,
)  # fmt: skip
