"""The stages of a night, from calibrated files to the QA page, in their order.

Costs: measured with magic-cta-pipe 0.6.2 on simulated data at real rates (MAGIC 300 Hz, LST-1 5.3 kHz): calibrate 6 ms
an event of about 6 kB; coincidence of 10 s of data 24-33 s and 1.6 GB; stereo 28 ms an event, 37 s for 10 s of data.
Where a kernel works, a tenth of that or less (docs/performance.md); what its jobs are given lets a few elements of a
job fall back to the tool.
"""

from __future__ import annotations

from stereo_tasks.stages.correction import Correction
from stereo_tasks.stages.stage import Cost, Crash, Stage, Unit
from stereo_tasks.stages.state import State

_ELEMENTS = "stereo_tasks.planning.night_elements"
_STEPS = "stereo_tasks.steps"
_TOOLS = "magicctapipe.scripts.lst1_magic"
_KERNELS = "stereo_tasks.kernels"
_TABLE = "stereo_tasks.steps.validate:event_table"
MAGIC_DL1, STEREO_DL3 = "magic_dl1", "stereo_dl3"
"""Chains: MAGIC's runs to merged DL1, and the runs of LST-1 from the coincidence to indexed DL3."""
_NO_EVENT = Crash("ZeroDivisionError", State.SKIPPED, "no event survives the quality cuts")
_NO_STEREO_EVENT = Crash(
    "ValueError",
    State.SKIPPED,
    "no event survives the quality cuts",
    message="cannot set a frame with no defined index and a scalar",
)

CALIBRATE = Stage(
    name="calibrate",
    unit=Unit.MAGIC_SUBRUN,
    chain=MAGIC_DL1,
    elements=f"{_ELEMENTS}:calibrate",
    work=f"{_STEPS}.calibrate:run",
    tool=f"{_TOOLS}.magic_calib_to_dl1:magic_calib_to_dl1",
    kernel=f"{_KERNELS}.calibrate:magic_calib_to_dl1",
    kernel_cost=Cost(memory_mb=1500, element_s=8, s_per_gb=300, elements_per_job=120, start_s=5),
    corrections=(Correction.TIME_DIFFERENCE,),
    check=_TABLE,
    finite_columns=("intensity", "width", "pointing_alt", "pointing_az", "time_sec"),
    mcp_keys=("mc_tel_ids", "MAGIC", "save_images"),
    side_inputs=("drive",),
    cost=Cost(memory_mb=3000, element_s=10, s_per_gb=1000, elements_per_job=20),
)
MERGE = Stage(
    name="merge",
    unit=Unit.MAGIC_RUN,
    chain=MAGIC_DL1,
    elements=f"{_ELEMENTS}:merge",
    work=f"{_STEPS}.merge:run",
    tool=f"{_TOOLS}.merge_hdf_files:merge_hdf_files",
    kernel=f"{_KERNELS}.merge:merge_hdf_files",
    kernel_cost=Cost(memory_mb=1000, element_s=10, s_per_gb=10, elements_per_job=20, start_s=5),
    check=_TABLE,
    finite_columns=("intensity", "pointing_alt", "time_sec"),
    settings_keys=("completeness_min",),
    side_inputs=("partner",),
    cost=Cost(memory_mb=2000, element_s=10, s_per_gb=10),
)
SYNCHRONISE = Stage(
    name="synchronise",
    unit=Unit.MAGIC_RUN,
    # Of no chain of its own: a night with a good clock has no such element, and no task for it.
    chain=MAGIC_DL1,
    elements=f"{_ELEMENTS}:synchronise",
    work=f"{_STEPS}.synchronise:run",
    check=f"{_STEPS}.synchronise:check",
    finite_columns=("intensity", "pointing_alt", "time_sec"),
    mcp_keys=("event_coincidence",),
    side_inputs=("lst",),
    cost=Cost(memory_mb=2000, element_s=120, s_per_gb=10, start_s=5),
)
COINCIDE = Stage(
    name="coincide",
    unit=Unit.LST_SUBRUN,
    chain=STEREO_DL3,
    elements=f"{_ELEMENTS}:coincide",
    work=f"{_STEPS}.coincide:run",
    tool=f"{_TOOLS}.lst1_magic_event_coincidence:event_coincidence",
    kernel=f"{_KERNELS}.coincide:event_coincidence",
    kernel_cost=Cost(memory_mb=2000, element_s=8, s_per_gb=60, elements_per_job=120, start_s=5),
    check=_TABLE,
    finite_columns=("intensity", "pointing_alt", "pointing_az"),
    mcp_keys=("mc_tel_ids", "event_coincidence", "save_images"),
    crashes=(
        Crash(
            "ZeroDivisionError",
            State.SKIPPED,
            "no coincident events: the best time offsets lie far apart, with nothing between them",
            message="Weights sum to zero",
        ),
    ),
    side_inputs=("magic",),
    selects="magic",
    selected_by="stereo_tasks.planning.selection:same_time",
    cost=Cost(memory_mb=5000, element_s=40, s_per_gb=60),
)
STEREO = Stage(
    name="stereo",
    unit=Unit.LST_SUBRUN,
    chain=STEREO_DL3,
    elements=f"{_ELEMENTS}:stereo",
    work=f"{_STEPS}.stereo:run",
    tool=f"{_TOOLS}.lst1_magic_stereo_reco:stereo_reconstruction",
    kernel=f"{_KERNELS}.stereo:stereo_reconstruction",
    kernel_cost=Cost(memory_mb=1000, element_s=8, elements_per_job=120, start_s=5),
    check=_TABLE,
    finite_columns=("intensity", "pointing_alt"),
    mcp_keys=("mc_tel_ids", "stereo_reco", "save_images"),
    crashes=(_NO_EVENT, _NO_STEREO_EVENT),
    cost=Cost(memory_mb=2000, element_s=40, elements_per_job=20),
)
MERGE_STEREO = Stage(
    name="merge_stereo",
    unit=Unit.LST_RUN,
    chain=STEREO_DL3,
    elements=f"{_ELEMENTS}:merge_stereo",
    work=f"{_STEPS}.merge_stereo:run",
    tool=f"{_TOOLS}.merge_hdf_files:merge_hdf_files",
    kernel=f"{_KERNELS}.merge:merge_hdf_files",
    kernel_cost=Cost(memory_mb=1000, element_s=20, start_s=5),
    check=_TABLE,
    finite_columns=("intensity", "pointing_alt"),
    settings_keys=("completeness_min",),
    cost=Cost(memory_mb=2000, element_s=20),
)
DL2 = Stage(
    name="dl2",
    unit=Unit.LST_RUN,
    chain=STEREO_DL3,
    elements=f"{_ELEMENTS}:dl2",
    work=f"{_STEPS}.dl2:run",
    tool=f"{_TOOLS}.lst1_magic_dl1_stereo_to_dl2:dl1_stereo_to_dl2",
    kernel=f"{_KERNELS}.dl2:dl1_stereo_to_dl2",
    kernel_cost=Cost(memory_mb=2000, element_s=120, elements_per_job=4, start_s=5),
    check=_TABLE,
    finite_columns=("pointing_alt",),
    crashes=(Crash("UnboundLocalError", State.HELD, "a kind of forest is missing: run 'stereo prepare-mc'"),),
    side_inputs=("forest",),
    needs_models=True,
    cost=Cost(memory_mb=16_000, element_s=300, elements_per_job=4),
)
DL3 = Stage(
    name="dl3",
    unit=Unit.LST_RUN,
    chain=STEREO_DL3,
    elements=f"{_ELEMENTS}:dl3",
    work=f"{_STEPS}.dl3:run",
    tool=f"{_TOOLS}.lst1_magic_dl2_to_dl3:dl2_to_dl3",
    kernel=f"{_KERNELS}.dl3:dl2_to_dl3",
    kernel_cost=Cost(memory_mb=1500, element_s=30, elements_per_job=20, start_s=5),
    check="stereo_tasks.steps.validate:dl3",
    mcp_keys=("dl2_to_dl3", "create_irf"),
    crashes=(
        _NO_EVENT,
        Crash(
            "QhullError",
            State.HELD,
            "the IRF nodes cannot be interpolated: all lie at one azimuth or zenith",
        ),
        Crash("ValueError", State.HELD, "no IRF node within max_distance of the pointing", message=r"min\(\)"),
        Crash(
            "ValueError",
            State.HELD,
            "cubic interpolation in cosZd needs 4 IRF nodes within max_distance, all at different zenith angles",
            message="derivatives at boundaries|to not have duplicates",
        ),
    ),
    side_inputs=("irf", "lst"),
    revision=4,
    needs_models=True,
    cost=Cost(memory_mb=2000, element_s=30, elements_per_job=20),
)
INDEX = Stage(
    name="index",
    unit=Unit.NIGHT,
    chain=STEREO_DL3,
    elements=f"{_ELEMENTS}:index",
    work=f"{_STEPS}.index:run",
    tool=f"{_TOOLS}.create_dl3_index_files:create_dl3_index_files",
    kernel=f"{_KERNELS}.index:create_dl3_index_files",
    kernel_cost=Cost(memory_mb=1500, element_s=30, elements_per_job=1, start_s=5),
    check="stereo_tasks.steps.validate:index",
    revision=2,
    needs_models=True,
    cost=Cost(memory_mb=2000, element_s=60, elements_per_job=1),
)
COMPARE = Stage(
    name="compare",
    unit=Unit.NIGHT,
    elements=f"{_ELEMENTS}:compare",
    work=f"{_STEPS}.compare:run",
    check=f"{_STEPS}.validate:page",
    # Whatever was lost on the way, what was made can be compared.
    always=True,
    cost=Cost(memory_mb=2000, element_s=60, elements_per_job=40),
)
QA = Stage(
    name="qa",
    unit=Unit.NIGHT,
    elements=f"{_ELEMENTS}:qa",
    work=f"{_STEPS}.qa:run",
    check="stereo_tasks.steps.validate:page",
    settings_keys=("qa", "time_offset_us", "completeness_min", "source_ra_deg", "source_dec_deg", "nsb"),
    tools=("gammapy",),
    revision=2,
    always=True,
    cost=Cost(memory_mb=4000, element_s=300, elements_per_job=1),
)

STAGES = (CALIBRATE, MERGE, SYNCHRONISE, COINCIDE, STEREO, MERGE_STEREO, DL2, DL3, INDEX, COMPARE, QA)
