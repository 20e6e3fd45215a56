"""The stages between the raw files and the QA page, each declared once. Nothing of the science stack is imported here.

How to add one is in ``docs/add-a-stage.md``.
"""

from __future__ import annotations

from stereo_tasks.stages import datasets, monte_carlo, night, seasons
from stereo_tasks.stages.chain import Chain, chains_of
from stereo_tasks.stages.correction import Correction
from stereo_tasks.stages.engine import Engine, EngineChoice
from stereo_tasks.stages.stage import Cost, Crash, Stage, Unit, resolve
from stereo_tasks.stages.state import State

__all__ = [
    "DATASET_STAGES", "MC_STAGES", "SEASON_STAGES", "Chain", "Correction", "Cost", "Crash", "Engine", "EngineChoice",
    "Stage", "State", "Unit", "chain", "chains_of", "night_stages", "resolve", "run_stages", "stage", "stages",
]  # fmt: skip

MC_STAGES = monte_carlo.STAGES
DATASET_STAGES = datasets.STAGES
SEASON_STAGES = seasons.STAGES


def night_stages() -> tuple[Stage, ...]:
    """Return the stages of a night, in their order."""
    return night.STAGES


def run_stages() -> tuple[str, ...]:
    """Return the names of the stages whose elements are whole runs: a night is not done without one of them."""
    return tuple(declared.name for declared in night_stages() if declared.unit.whole_run)


def stages() -> tuple[Stage, ...]:
    """Return all stages: those of Monte Carlo, of a night, of data sets, and of seasons."""
    return (*MC_STAGES, *night_stages(), *DATASET_STAGES, *SEASON_STAGES)


def stage(name: str | Stage) -> Stage:
    """Return the stage of a name.

    Raises
    ------
    ValueError
        If there is none.
    """
    for declared in stages():
        if declared.name == str(name):
            return declared
    raise ValueError(f"there is no stage {name!r}; there are {', '.join(map(str, stages()))}")


def chain(name: str | Chain) -> Chain:
    """Return the chain of a name.

    Raises
    ------
    ValueError
        If there is none.
    """
    declared = chains_of(stages())
    for candidate in declared:
        if candidate.name == str(name):
            return candidate
    raise ValueError(f"there is no chain {name!r}; there are {', '.join(map(str, declared))}")
