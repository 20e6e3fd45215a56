"""The three telescopes LST-1, MAGIC-I and MAGIC-II, and which of them saw a shower."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stereo_tasks.kernels.errors import NotCovered
from stereo_tasks.kernels.event_tables import Columns, group_sizes, group_starts, taken

LST1, M1, M2 = 1, 2, 3
NAMES = {"LST-1": LST1, "MAGIC-I": M1, "MAGIC-II": M2}

COMBINATIONS = {(LST1, M1): 0, (LST1, M1, M2): 1, (LST1, M2): 2, (M1, M2): 3}
"""``combo_type`` of each combination, in the order of magic-cta-pipe's ``telescope_combinations``."""

MULTIMATCH_EXIT = 11
MULTIMATCH_MAX = 5
"""magic-cta-pipe drops up to so many showers with two images of one telescope, and exits if there are more."""


def check_telescopes(config: dict[str, Any]) -> None:
    """Refuse a configuration with other telescopes or other numbers of them, or one that asks for images.

    Raises
    ------
    NotCovered
        If so.
    """
    used = [(name, number) for name, number in config["mc_tel_ids"].items() if number > 0]
    if used != list(NAMES.items()) or len(config["mc_tel_ids"]) != 6:
        raise NotCovered(f"telescopes other than LST-1 (1), MAGIC-I (2), MAGIC-II (3): {dict(used)}")
    if list(config["mc_tel_ids"])[4:] != ["MAGIC-I", "MAGIC-II"]:
        raise NotCovered("mc_tel_ids does not list the LSTs before the MAGICs")
    if config.get("save_images", False):
        raise NotCovered("save_images")


def stereo_images(images: Columns) -> Columns:
    """Return the images of showers that at least two telescopes saw, with ``multiplicity`` and ``combo_type``.

    ``get_stereo_events`` of magic-cta-pipe without quality cuts.

    Parameters
    ----------
    images : dict of str to numpy.ndarray
        Sorted by obs_id, event_id and tel_id.

    Raises
    ------
    SystemExit
        With code 11, if more than five times two images of one telescope belong to one shower.
    ZeroDivisionError, ValueError
        If no image is left, as in magic-cta-pipe: the second if there was no ``combo_type`` before.
    """
    images = _without_multimatches(images)
    size = group_sizes(group_starts(images["obs_id"], images["event_id"]))
    images = taken(images | {"multiplicity": size}, size > 1)
    if not len(images["tel_id"]):
        # Two ways in which magic-cta-pipe stumbles over an empty table.
        if "combo_type" in images:
            raise ZeroDivisionError("division by zero")
        raise ValueError("cannot set a frame with no defined index and a scalar")
    return images | {"combo_type": _combo_types(images)}


def _without_multimatches(images: Columns) -> Columns:
    starts = group_starts(images["obs_id"], images["event_id"], images["tel_id"])
    size = group_sizes(starts)
    matched = int(np.count_nonzero(size[starts] > 1))
    if matched > MULTIMATCH_MAX:
        raise SystemExit(MULTIMATCH_EXIT)
    return taken(images, size == 1) if matched else images


def _combo_types(images: Columns) -> NDArray[np.int64]:
    starts = group_starts(images["obs_id"], images["event_id"])
    seen = np.add.reduceat(1 << images["tel_id"].astype(np.int64), np.flatnonzero(starts))
    types = np.full(1 << (M2 + 1), -1, dtype=np.int64)
    for telescopes, combo_type in COMBINATIONS.items():
        types[sum(1 << number for number in telescopes)] = combo_type
    return np.repeat(types[seen], images["multiplicity"][starts])
