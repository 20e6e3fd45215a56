"""The events of the common sample side by side: each once, with what every chain of analysis made of it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from stereo_tasks.datasets.combinations import EVENT
from stereo_tasks.datasets.errors import DatasetError
from stereo_tasks.kernels.telescopes import LST1, M1, M2

CHAINS: Mapping[str, str] = {"stereo": "MAGIC + LST-1", "lst": "LST-1 alone", "melibea": "MAGIC alone"}
"""Chains of analysis and their names: the mean of the stereo analysis, lstchain's, and MARS's."""
TABLES: Mapping[str, str] = {"stereo": "mean", "lst": "lst", "melibea": "melibea"}
"""Which data set has the events of a chain."""
TELESCOPES: Mapping[str, int] = {"LST-1": LST1, "M1": M1, "M2": M2}
OF_CHAIN = ("reco_energy", "gammaness", "theta2_on", "off_regions")
OF_POINTING = ("reco_ra", "reco_dec", "pointing_ra", "pointing_dec")
OF_IMAGE = ("reco_energy", "gammaness", "intensity", "x", "y")
OF_SHOWER = ("core_x", "core_y", "h_max")
OF_TRUTH = ("true_energy", "true_core_x", "true_core_y")


def wanted(kind: str, there: tuple[str, ...]) -> list[str]:
    """Return the columns that are read of a data set.

    Parameters
    ----------
    kind : str
        ``merged``, ``mean``, ``lst`` or ``melibea``.
    there : tuple of str
        Those that it has.

    Raises
    ------
    DatasetError
        If it lacks one that must be there.
    """
    simulated = "true_energy" in there
    needed = [*EVENT]
    if kind == "merged":
        needed += ["tel_id", *OF_IMAGE, *OF_SHOWER, *(OF_TRUTH if simulated else ())]
    else:
        needed += [name for name in OF_CHAIN if not (simulated and name == "off_regions")]
        needed += [name for name in there if name.startswith("theta2_off")]
        needed += OF_POINTING if kind == "mean" and not simulated else ()
    if kind == "mean" and simulated:
        needed.append("combo_type")
    if missing := sorted(set(needed) - set(there)):
        raise DatasetError(f"the {kind} data set lacks {', '.join(missing)}: make it again with stereo dataset build")
    return needed


def joined(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the events that all tables have, each once, whatever the order of their rows.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame
        ``merged``, ``mean`` and, where they are, ``lst`` and ``melibea``, with the columns of `wanted`. Of one night or
        one node of the Monte Carlo: ids are unique in it.

    Returns
    -------
    pandas.DataFrame
        Indexed by obs_id and event_id, sorted; ``{chain}_{column}`` and ``{telescope}_{column}``, float32.
    """
    parts = [_own(tables[kind], chain) for chain, kind in TABLES.items() if kind in tables]
    images = tables["merged"]
    for telescope, number in TELESCOPES.items():
        own = images[images["tel_id"] == number].drop(columns="tel_id")
        others = [name for name in (*OF_SHOWER, *OF_TRUTH) if name in own]
        if telescope == "LST-1":
            # What is of the shower is the same in its three images.
            parts.append(own[[*EVENT, *others]].set_index(EVENT).astype(np.float32))
        parts.append(_own(own.drop(columns=others), telescope))
    return pd.concat(parts, axis=1, join="inner").sort_index()


def _own(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    return rows.set_index(EVENT).astype(np.float32).add_prefix(f"{name}_")
