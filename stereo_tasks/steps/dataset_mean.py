"""Merged DL2 of a night -> mean DL2 over all telescopes, LST-1 alone and MAGIC alone."""

from __future__ import annotations

from pathlib import Path

from stereo_tasks.steps import dataset_tables
from stereo_tasks.steps.context import Made, StepContext
from stereo_tasks.steps.offline import keep_astropy_offline
from stereo_tasks.steps.outcomes import skipped


def run(context: StepContext) -> Made:
    """Average the images of each event, run by run."""
    keep_astropy_offline()
    from stereo_tasks.datasets import combinations, files, mean, merged

    available, _ = dataset_tables.made(context)
    path, chosen = Path(available[0][0].path), context.element.parameters
    regions, output = dataset_tables.regions(context), context.folder("out") / "mean.h5"
    counts = {"events_in": available[0][1].counts["events_out"], "events_out": 0, "events_without_mean": 0}
    with files.RunWriter(output) as writer:
        for number, images in files.runs_of(path):
            images = mean.selected_images(images, chosen["quality_cuts"])
            if images.empty:
                continue
            for name, telescopes in combinations.TELESCOPES.items():
                means = mean.mean_events(images, chosen["weight_type"], telescopes)
                means = merged.uniform(mean.complemented(means, regions))
                writer.append_run(number, means, f"/events/{name}")
                if name == "total":
                    counts["events_out"] += len(means)
                    counts["events_without_mean"] += len(images.drop_duplicates(combinations.EVENT)) - len(means)
    if not counts["events_out"]:
        raise skipped(f"no event survives the quality cuts {chosen['quality_cuts']}")
    return Made([output], counts)
