"""Stereo parameters of the training Monte Carlo -> random forests, by ``lst1_magic_train_rfs``."""

from __future__ import annotations

from pathlib import Path

from stereo_tasks.steps.context import Made, StepContext
from stereo_tasks.steps.offline import keep_astropy_offline
from stereo_tasks.steps.outcomes import failed


def run(context: StepContext) -> Made:
    """Train the forests of one kind (energy, disp or classifier) for every combination of telescopes."""
    keep_astropy_offline()
    from magicctapipe.scripts.lst1_magic import lst1_magic_train_rfs as tool

    samples = {}
    for sample in ("GammaTrain", "ProtonTrain"):
        available, lost = context.upstream(sample)
        if lost:
            raise failed(f"training needs every file: {'; '.join(lost[:5])}")
        samples[sample] = str(context.stage_inputs(sample, [item for item, _ in available]))
    out, config = str(context.folder("out")), context.config()
    kind = context.element.parameters["kind"]
    if kind == "energy":
        tool.train_energy_regressor(samples["GammaTrain"], out, config)
    elif kind == "disp":
        tool.train_disp_regressor(samples["GammaTrain"], out, config)
    else:
        tool.train_event_classifier(samples["GammaTrain"], samples["ProtonTrain"], out, config)
    outputs = [context.work / "out" / Path(path).name for path in context.element.outputs]
    if missing := [path.name for path in outputs if not path.exists()]:
        raise failed(f"too few Monte Carlo events for {', '.join(missing)}: simulate more")
    return Made(outputs, {"files_in": len(context.element.inputs)})
