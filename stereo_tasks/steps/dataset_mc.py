"""DL2 of the test gammas of a node -> merged and mean DL2 of its showers."""

from __future__ import annotations

from pathlib import Path

from stereo_tasks.steps import dataset_tables
from stereo_tasks.steps.context import Made, StepContext
from stereo_tasks.steps.offline import keep_astropy_offline


def run(context: StepContext) -> Made:
    """Merge and average the showers of a node."""
    keep_astropy_offline()
    from stereo_tasks.datasets import files, monte_carlo

    (item,), chosen = context.inputs(), context.element.parameters
    path, output = Path(item.path), context.folder("out") / "mc.h5"
    with dataset_tables.named(path.name), files.TableWriter(output) as writer:
        images = monte_carlo.merged_images(dataset_tables.read(path, "events/parameters"))
        writer.append(images, "/events/merged")
        means = monte_carlo.mean_showers(images, chosen["weight_type"], chosen["quality_cuts"])
        writer.append(means, "/events/mean")
    return Made([output], {"images": len(images), "events_out": len(means)})
