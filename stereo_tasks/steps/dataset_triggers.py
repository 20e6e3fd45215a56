"""DL1 of LST-1 of the runs of a night -> intensities of all triggers, and the effective time of the runs."""

from __future__ import annotations

import math
from pathlib import Path

from stereo_tasks.steps.context import Made, StepContext
from stereo_tasks.steps.outcomes import held

SPECTRUM, TIMES = "/events/intensity_spectrum", "/events/effective_time"


def run(context: StepContext) -> Made:
    """Count the showers of each run, subrun after subrun."""
    import numpy as np
    import pandas as pd

    from stereo_tasks.datasets import files, triggers
    from stereo_tasks.datasets.errors import DatasetError

    by_run: dict[int, list[Path]] = {}
    for number, item in zip(context.element.parameters["runs"], context.inputs(), strict=True):
        by_run.setdefault(number, []).append(Path(item.path))
    output, lost, runs = context.folder("out") / "triggers.h5", [], 0
    with files.TableWriter(output) as writer:
        for number, paths in by_run.items():
            read = []
            for path in paths:
                try:
                    read.append(triggers.read_triggers(path))
                except DatasetError as error:
                    lost.append(str(error))
            if not read:
                continue
            found = triggers.run_triggers(*(np.concatenate(columns) for columns in zip(*read, strict=True)))
            if math.isnan(found.effective_s):
                lost.append(f"LST-1 run {number}: no effective time, too few triggers a second")
            runs += 1
            times = {"run": [number], "effective_time": found.effective_s, "elapsed_time": found.elapsed_s}
            writer.append(pd.DataFrame({**times, "n_showers": found.showers}), TIMES)
            edges = {"log10_intensity_min": triggers.EDGES[:-1], "log10_intensity_max": triggers.EDGES[1:]}
            spectrum = {"run": np.full(len(found.counts), number), **edges, "n_showers": found.counts}
            writer.append(pd.DataFrame(spectrum), SPECTRUM)
    if not runs:
        raise held("; ".join(lost[:5]))
    return Made([output], {"runs": runs}, lost)
