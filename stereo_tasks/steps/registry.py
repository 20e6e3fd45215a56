"""Which module does which stage. Modules are imported when needed: a tool's imports cost seconds."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from stereo_tasks.stages import Stage
from stereo_tasks.steps.context import Made, StepContext

_MODULES: dict[Stage, str] = {
    Stage.MC_STEREO: "mc_stereo",
    Stage.MC_FORESTS: "mc_forests",
    Stage.MC_DL2: "mc_dl2",
    Stage.MC_IRF: "mc_irf",
    Stage.CALIBRATE: "calibrate",
    Stage.MERGE: "merge",
    Stage.COINCIDE: "coincide",
    Stage.STEREO: "stereo",
    Stage.MERGE_STEREO: "merge_stereo",
    Stage.DL2: "dl2",
    Stage.DL3: "dl3",
    Stage.INDEX: "index",
    Stage.QA: "qa",
}


def step_of(stage: Stage) -> Callable[[StepContext], Made]:
    """Return the function that works on the elements of a stage."""
    module = import_module(f"stereo_tasks.steps.{_MODULES[stage]}")
    step: Callable[[StepContext], Made] = module.run
    return step
