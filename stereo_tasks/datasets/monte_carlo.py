"""Simulated events, merged and mean. Runs repeat from pointing to pointing: a shower is one of a pointing, too."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from stereo_tasks.datasets.combinations import stereo_images
from stereo_tasks.datasets.directions import with_true_theta2, with_zenith_distances
from stereo_tasks.datasets.mean import mean_events, selected_images
from stereo_tasks.datasets.merged import uniform

_POINTING_DIGITS = 5
"""Of a pointing in rad that still count: 2 arcsec."""


def merged_images(images: pd.DataFrame) -> pd.DataFrame:
    """Return the images of simulated stereo events, with the telescopes that are there and complementary columns.

    Parameters
    ----------
    images : pandas.DataFrame
        DL2 of test gammas, of one or several pointings.

    Returns
    -------
    pandas.DataFrame
        Sorted by pointing, obs_id, event_id and tel_id: together they are unique.
    """
    images, obs_ids = _numbered(images)
    images = stereo_images(images)
    images = images.assign(obs_id=obs_ids[images["obs_id"]])
    return uniform(with_true_theta2(with_zenith_distances(images)))


def mean_showers(images: pd.DataFrame, weight_type: str, quality_cuts: str | None) -> pd.DataFrame:
    """Return the weighted means of simulated showers.

    Parameters
    ----------
    images : pandas.DataFrame
        From `merged_images`.
    weight_type, quality_cuts
        As for data.
    """
    images, obs_ids = _numbered(images)
    means = mean_events(selected_images(images, quality_cuts), weight_type)
    means = means.assign(obs_id=obs_ids[means["obs_id"]])
    return uniform(with_true_theta2(with_zenith_distances(means)))


def _numbered(images: pd.DataFrame) -> tuple[pd.DataFrame, npt.NDArray[np.int64]]:
    """Return images with a number for each run and pointing in place of the run, and the runs by these numbers."""
    pointing = [images[name].round(_POINTING_DIGITS) for name in ("pointing_alt", "pointing_az")]
    codes, runs = pd.MultiIndex.from_arrays([*pointing, images["obs_id"]]).factorize(sort=True)
    return images.assign(obs_id=codes.astype(np.int64)), runs.get_level_values(2).to_numpy().astype(np.int64)
