"""Merged DL2: all images of stereo events, with the telescopes that are there and complementary columns."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stereo_tasks.datasets.combinations import INDEX, stereo_images
from stereo_tasks.datasets.directions import SourceRegions, with_icrs, with_theta2, with_zenith_distances
from stereo_tasks.datasets.errors import DatasetError

NO_ID = -1
"""Run and event of LST-1, where it did not see the event."""
_LST_IDS = ["obs_id_lst", "event_id_lst"]
_INTEGERS = {*INDEX, "obs_id_magic", "event_id_magic", *_LST_IDS, "n_pixels", "n_islands", "multiplicity", "combo_type"}
_NEEDED = (
    *INDEX,
    "obs_id_magic",
    "event_id_magic",
    "pointing_alt",
    "pointing_az",
    "reco_alt",
    "reco_az",
    "reco_energy",
)


def check(images: pd.DataFrame, name: str) -> None:
    """Refuse a table that is no DL2.

    Raises
    ------
    DatasetError
        If columns are missing.
    """
    if missing := [column for column in _NEEDED if column not in images]:
        raise DatasetError(f"{name} has no {', '.join(missing)}: is it DL2 of magic-cta-pipe? Process the night again")


def merged_images(images: pd.DataFrame, regions: SourceRegions) -> pd.DataFrame:
    """Return the images of the stereo events of an LST-1 run.

    Parameters
    ----------
    images : pandas.DataFrame
        The DL2 of a run.
    regions : SourceRegions
        For the squared distances.

    Returns
    -------
    pandas.DataFrame
        Sorted by obs_id, event_id and tel_id; the same columns in the same types whatever the run has.
    """
    images = stereo_images(images)
    images = with_theta2(with_icrs(with_zenith_distances(images)), regions)
    return uniform(images)


def uniform(images: pd.DataFrame) -> pd.DataFrame:
    """Return images with integers as such, also where LST-1 has none, and all other numbers as float64."""
    images = images.assign(**{name: images[name].fillna(NO_ID) for name in _LST_IDS if name in images})
    types = {
        name: np.int64 if name in _INTEGERS or name == "off_regions" else np.float64
        for name, kind in images.dtypes.items()
        if kind != np.bool_
    }
    return images.astype(types)
