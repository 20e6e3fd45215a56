"""Coincident events of the subruns of a night -> features and profiles of the search, with run and subrun."""

from __future__ import annotations

from pathlib import Path

from stereo_tasks.steps import dataset_tables
from stereo_tasks.steps.context import Made, StepContext


def run(context: StepContext) -> Made:
    """Gather what the search noted of each subrun."""
    from stereo_tasks.datasets import coincidences, files

    output = context.folder("out") / "coincidences.h5"
    subruns = context.element.parameters["subruns"]
    with files.TableWriter(output) as writer:
        for (number, subrun), item in zip(subruns, context.inputs(), strict=True):
            path = Path(item.path)
            with dataset_tables.named(path.name):
                feature = dataset_tables.read(path, "coincidence/feature")
                profile = dataset_tables.read(path, "coincidence/profile")
                writer.append(coincidences.feature(feature, number, subrun), "/events/feature")
                writer.append(coincidences.profile(profile, number, subrun), "/events/profile")
    return Made([output], {"subruns": len(subruns)})
