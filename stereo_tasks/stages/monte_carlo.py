"""The stages that make forests and IRFs of Monte Carlo DL1, in their order.

Costs: measured with magic-cta-pipe 0.6.2: stereo 28 ms an event of about 0.6 kB.
"""

from __future__ import annotations

from stereo_tasks.stages.stage import Cost, Crash, Stage, Unit
from stereo_tasks.stages.state import State

_ELEMENTS = "stereo_tasks.planning.monte_carlo_elements"
_STEPS = "stereo_tasks.steps"
_TOOLS = "magicctapipe.scripts.lst1_magic"
_KERNELS = "stereo_tasks.kernels"
_TABLE = "stereo_tasks.steps.validate:event_table"
_NO_EVENT = "no Monte Carlo event survives the quality cuts"

MC_IRFS = "mc_irfs"
"""Chain: a node of test gammas, from the forests to its IRFs."""

MC_STEREO = Stage(
    name="mc_stereo",
    unit=Unit.MONTE_CARLO,
    elements=f"{_ELEMENTS}:mc_stereo",
    work=f"{_STEPS}.mc_stereo:run",
    tool=f"{_TOOLS}.lst1_magic_stereo_reco:stereo_reconstruction",
    kernel=f"{_KERNELS}.stereo:stereo_reconstruction",
    check=_TABLE,
    finite_columns=("intensity", "true_energy"),
    mcp_keys=("mc_tel_ids", "stereo_reco", "save_images"),
    crashes=(
        Crash("ZeroDivisionError", State.FAILED, _NO_EVENT),
        Crash("ValueError", State.FAILED, _NO_EVENT, message="cannot set a frame with no defined index and a scalar"),
    ),
    cost=Cost(memory_mb=4000, element_s=20, s_per_gb=50_000, elements_per_job=4),
)
MC_FORESTS = Stage(
    name="mc_forests",
    unit=Unit.MONTE_CARLO,
    elements=f"{_ELEMENTS}:mc_forests",
    work=f"{_STEPS}.mc_forests:run",
    check="stereo_tasks.steps.validate:forest",
    mcp_keys=("energy_regressor", "disp_regressor", "event_classifier"),
    # Half a set of forests is wrong; some lost files of the simulation are less statistics.
    fail_on="any",
    cost=Cost(memory_mb=16_000, element_s=600, s_per_gb=20_000, elements_per_job=1),
)
MC_PACK = Stage(
    name="mc_pack",
    unit=Unit.MONTE_CARLO,
    elements=f"{_ELEMENTS}:mc_pack",
    work=f"{_STEPS}.mc_pack:run",
    check=f"{_STEPS}.validate:packed_forests",
    cost=Cost(memory_mb=4000, element_s=10, elements_per_job=4),
)
MC_DL2 = Stage(
    name="mc_dl2",
    unit=Unit.MONTE_CARLO,
    chain=MC_IRFS,
    elements=f"{_ELEMENTS}:mc_dl2",
    work=f"{_STEPS}.mc_dl2:run",
    tool=f"{_TOOLS}.lst1_magic_dl1_stereo_to_dl2:dl1_stereo_to_dl2",
    kernel=f"{_KERNELS}.dl2:dl1_stereo_to_dl2",
    check=_TABLE,
    finite_columns=("pointing_alt", "true_energy"),
    side_inputs=("forest",),
    fail_on="any",  # IRFs of some nodes are not those that were asked for
    cost=Cost(memory_mb=8000, element_s=300, s_per_gb=2000, elements_per_job=4),
)
MC_IRF = Stage(
    name="mc_irf",
    unit=Unit.MONTE_CARLO,
    chain=MC_IRFS,
    elements=f"{_ELEMENTS}:mc_irf",
    work=f"{_STEPS}.mc_irf:run",
    check="stereo_tasks.steps.validate:irf",
    mcp_keys=("create_irf",),
    fail_on="any",
    cost=Cost(memory_mb=4000, element_s=60, s_per_gb=100),
)

STAGES = (MC_STEREO, MC_FORESTS, MC_PACK, MC_DL2, MC_IRF)
