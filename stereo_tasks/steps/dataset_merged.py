"""DL2 of the runs of a night -> merged DL2 of the night, with complementary columns."""

from __future__ import annotations

from pathlib import Path

from stereo_tasks.steps import dataset_tables
from stereo_tasks.steps.context import Made, StepContext
from stereo_tasks.steps.offline import keep_astropy_offline
from stereo_tasks.steps.outcomes import skipped


def run(context: StepContext) -> Made:
    """Merge the runs of a night, one after the other."""
    keep_astropy_offline()
    from stereo_tasks.datasets import combinations, files, merged

    regions, output = dataset_tables.regions(context), context.folder("out") / "merged.h5"
    events, counted = 0, dict.fromkeys(combinations.NAMES, 0.0)
    with files.RunWriter(output) as writer:
        for number, item in zip(context.element.parameters["runs"], context.inputs(), strict=True):
            path = Path(item.path)
            with dataset_tables.named(path.name):
                images = dataset_tables.read(path, "events/parameters")
                merged.check(images, path.name)
                images = merged.merged_images(images, regions)
                writer.append_run(number, images)
            types = images.drop_duplicates(combinations.EVENT)["combo_type"].to_numpy()
            events += len(types)
            for name, fraction in combinations.fractions(types).items() if len(types) else ():
                counted[name] += fraction * len(types)
    if not events:
        raise skipped("no stereo event in the DL2 of the night")
    fractions = {f"fraction_{name}": number / events for name, number in counted.items()}
    return Made([output], {"events_out": events, "runs": len(context.inputs()), **fractions})
