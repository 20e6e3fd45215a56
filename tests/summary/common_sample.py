"""A common sample of four data sets, in which every chain has its own energies and its own order of the events."""

from __future__ import annotations

import numpy as np
import pandas as pd
from dl2_tables import DEC_DEG, RA_DEG, make_dl2

from stereo_tasks.datasets.combinations import EVENT
from stereo_tasks.datasets.directions import SourceRegions
from stereo_tasks.datasets.mean import complemented, mean_events
from stereo_tasks.datasets.merged import merged_images

REGIONS = SourceRegions(RA_DEG, DEC_DEG, 0.2, 3)
LST_FACTOR, MAGIC_FACTOR = 1.25, 0.8
"""Of the energies of the chains of one observatory, over those of the stereo analysis."""


def common_sample(events: int = 600, **options) -> dict[str, pd.DataFrame]:
    """Return the data sets of a run of the Crab: energies of MAGIC alone are missing in every third event."""
    images = merged_images(make_dl2(events=events, **options), REGIONS)
    images = images[images["multiplicity"] == 3].reset_index(drop=True)
    means = complemented(mean_events(images, "intensity"), REGIONS)
    of_magic = means.sample(frac=1, random_state=3)
    energy = np.where(np.arange(len(means)) % 3 == 0, np.nan, of_magic["reco_energy"] * MAGIC_FACTOR)
    return {
        "merged": images,
        "mean": means,
        "lst": means.assign(reco_energy=means["reco_energy"] * LST_FACTOR),
        "melibea": of_magic.assign(reco_energy=energy),
    }


def ids(table: pd.DataFrame) -> set[tuple[int, int]]:
    """Return the events of a table."""
    return set(map(tuple, table[EVENT].to_numpy()))
