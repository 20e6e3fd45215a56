"""Mean DL2: one row an event, by magic-cta-pipe's own function, with the weights and quality cuts of the IRFs."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from stereo_tasks.datasets.combinations import EVENT, INDEX, TELESCOPES, stereo_images
from stereo_tasks.datasets.directions import SourceRegions, interpolated_earth, with_theta2, with_zenith_distances

_IDS = ["obs_id_magic", "event_id_magic", "obs_id_lst", "event_id_lst"]


def selected_images(images: pd.DataFrame, quality_cuts: str | None) -> pd.DataFrame:
    """Return the images that survive quality cuts, of events that are still stereo, with what telescopes remain.

    Parameters
    ----------
    images : pandas.DataFrame
        Merged images.
    quality_cuts : str, optional
        In pandas' words, as ``create_irf.quality_cuts`` of magic-cta-pipe's configuration.
    """
    return stereo_images(images.query(quality_cuts) if quality_cuts else images)


def mean_events(
    images: pd.DataFrame, weight_type: str, telescopes: Collection[int] = TELESCOPES["total"]
) -> pd.DataFrame:
    """Return the weighted means of events over some telescopes, by ``get_dl2_mean`` of magic-cta-pipe.

    As in its own loaders, events without a mean are left out: a forest whose trees all agree gives an infinite weight.

    Parameters
    ----------
    images : pandas.DataFrame
        From `selected_images`.
    weight_type : str
        ``simple``, ``intensity`` or ``variance``.
    telescopes : collection of int, optional
        Those that are averaged; the combination is that of the event all the same.

    Returns
    -------
    pandas.DataFrame
        One row an event, sorted by obs_id and event_id, with the ids of both arrays.
    """
    from magicctapipe.io import get_dl2_mean

    images = images[images["tel_id"].isin(list(telescopes))]
    with interpolated_earth():
        means = get_dl2_mean(images.set_index(INDEX), weight_type).dropna()
    ids = [name for name in _IDS if name in images]
    ids_of_event = images.groupby(EVENT)[ids].first()
    return means.join(ids_of_event).reset_index()[[*EVENT, *ids, *means.columns]]


def complemented(means: pd.DataFrame, regions: SourceRegions) -> pd.DataFrame:
    """Return the means of a run with zenith distances and squared distances from the source and OFF positions."""
    return with_theta2(with_zenith_distances(means), regions)
