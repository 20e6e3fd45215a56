"""The stages between the calibrated files and the QA page."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """What is done to an element; the order of the members is the order of the stages."""

    MC_STEREO = "mc_stereo"
    MC_FORESTS = "mc_forests"
    MC_DL2 = "mc_dl2"
    MC_IRF = "mc_irf"
    CALIBRATE = "calibrate"
    MERGE = "merge"
    COINCIDE = "coincide"
    STEREO = "stereo"
    MERGE_STEREO = "merge_stereo"
    DL2 = "dl2"
    DL3 = "dl3"
    INDEX = "index"
    QA = "qa"


MC_STAGES = (Stage.MC_STEREO, Stage.MC_FORESTS, Stage.MC_DL2, Stage.MC_IRF)
NIGHT_STAGES = tuple(stage for stage in Stage if stage not in MC_STAGES)

RUN_STAGES = (Stage.MERGE, Stage.MERGE_STEREO, Stage.DL2, Stage.DL3, Stage.INDEX, Stage.QA)
"""Their elements are whole runs: what is lost there is more than a run survives."""
