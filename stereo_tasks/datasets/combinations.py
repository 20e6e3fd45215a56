"""Which telescopes saw an event: told from the telescopes themselves, since numbers of combinations changed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd

from stereo_tasks.datasets.errors import DatasetError
from stereo_tasks.datasets.files import Keep
from stereo_tasks.kernels.event_tables import group_sizes, group_starts
from stereo_tasks.kernels.telescopes import COMBINATIONS, LST1, M1, M2

ALL = "all_combo"
NAMES: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"3tel": (LST1, M1, M2), "LST1_MI": (LST1, M1), "LST1_MII": (LST1, M2), "MI_MII": (M1, M2)}
)
"""Names of the combinations in those of the files, and their telescopes."""
TELESCOPES: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"total": (LST1, M1, M2), "LST": (LST1,), "MAGIC": (M1, M2)}
)
"""Names of what is taken of the events in those of the files, and the telescopes."""
EVENT = ["obs_id", "event_id"]
INDEX = [*EVENT, "tel_id"]


def stereo_images(images: pd.DataFrame) -> pd.DataFrame:
    """Return the images of events that at least two telescopes saw, sorted, with their combination.

    Parameters
    ----------
    images : pandas.DataFrame
        With the columns obs_id, event_id and tel_id.

    Returns
    -------
    pandas.DataFrame
        With ``multiplicity`` and ``combo_type`` of the telescopes that are there, whatever they were before. Images of
        which there are two of one telescope and event are left out: it cannot be told which is the event's.

    Raises
    ------
    DatasetError
        If there are other telescopes than LST-1 (1), M1 (2) and M2 (3).
    """
    if unknown := set(images["tel_id"].unique().tolist()) - {LST1, M1, M2}:
        raise DatasetError(f"images of telescopes {sorted(unknown)}; LST-1 is 1, MAGIC-I 2, MAGIC-II 3")
    images = images[~images.duplicated(INDEX, keep=False)].sort_values(INDEX, ignore_index=True)
    starts = group_starts(*(images[name].to_numpy() for name in EVENT))
    first, sizes = np.flatnonzero(starts), group_sizes(starts)
    # Telescopes as bits: a sum says which are there.
    seen = np.add.reduceat(1 << images["tel_id"].to_numpy(), first) if len(first) else first
    images = images.assign(multiplicity=sizes, combo_type=np.repeat(_types()[seen], sizes[starts]))
    return images[images["multiplicity"] > 1].reset_index(drop=True)


def of_combination(name: str) -> Keep:
    """Return which rows are of events of a combination.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    """
    number = COMBINATIONS[NAMES[name]]
    return lambda rows: np.asarray(rows["combo_type"] == number)


def fractions(combo_type: npt.NDArray[np.int64]) -> dict[str, float]:
    """Return the fraction of events of each combination.

    Parameters
    ----------
    combo_type : numpy.ndarray
        Shape (n_events,).
    """
    return {name: float(np.mean(combo_type == COMBINATIONS[telescopes])) for name, telescopes in NAMES.items()}


def _types() -> npt.NDArray[np.int64]:
    types = np.full(1 << (M2 + 1), -1, dtype=np.int64)
    for telescopes, number in COMBINATIONS.items():
        types[sum(1 << tel_id for tel_id in telescopes)] = number
    return types
