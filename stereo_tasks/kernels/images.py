"""Images of stereo events, as the tables of magic-cta-pipe hold them: one row each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from stereo_tasks.kernels.errors import NotCovered

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

INDEX = ("obs_id", "event_id", "tel_id")

COMBINATIONS = ((1, 2), (1, 2, 3), (1, 3), (2, 3))
"""Telescopes of each type of combination: 1 is LST-1, 2 and 3 are MAGIC-I and -II."""


@dataclass(slots=True)
class Images:
    """The images of stereo events, one row each, sorted by observation, event and telescope.

    Parameters
    ----------
    rows : structured array, shape (n_images,)
        As they were read.
    made : dict of str to array, shape (n_images,)
        Columns that came since, in their order; they replace those of the same name.
    """

    rows: npt.NDArray[np.void]
    made: dict[str, npt.NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.rows)

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """Return a column."""
        values: npt.NDArray[Any] = self.made[name] if name in self.made else self.rows[name]
        return values

    @property
    def names(self) -> list[str]:
        """Names of the columns, in their order."""
        read = list(self.rows.dtype.names or ())
        return read + [name for name in self.made if name not in read]

    def put(self, name: str, rows: Rows, values: Floats) -> None:
        """Put values into some rows of a column; in a new one, the others are not a number."""
        if name not in self.made:
            self.made[name] = np.full(len(self), np.nan)
        self.made[name][rows] = values


def stereo_events(rows: npt.NDArray[np.void]) -> Images:
    """Sort images, keep those of events with two or three of them, and add the type of their combination.

    Raises
    ------
    NotCovered
        If an image is there twice, or is of an unknown telescope, or if there is no such event.
    """
    order = np.lexsort((rows["tel_id"], rows["event_id"], rows["obs_id"]))
    if (np.diff(order) < 0).any():
        rows = rows[order]
    tel_id = rows["tel_id"]
    new_event = first_images(rows)
    if (np.diff(tel_id)[~new_event[1:]] == 0).any():
        raise NotCovered("an event has two images of the same telescope")
    if not np.isin(tel_id, (1, 2, 3)).all():
        raise NotCovered("images of other telescopes than LST-1, MAGIC-I and MAGIC-II")
    event = np.cumsum(new_event) - 1
    n_events = int(new_event.sum())
    multiplicity = np.bincount(event, minlength=n_events)[event]
    bits = np.bincount(event, weights=2.0**tel_id, minlength=n_events).astype(np.int64)[event]
    combo_type = np.full(len(rows), -1, np.int64)
    for number, telescopes in enumerate(COMBINATIONS):
        combo_type[bits == sum(2**telescope for telescope in telescopes)] = number
    stereo = multiplicity > 1
    if not stereo.any():
        raise NotCovered("no event has images of two telescopes")
    if not stereo.all():
        rows, multiplicity, combo_type = rows[stereo], multiplicity[stereo], combo_type[stereo]
    return Images(rows, {"multiplicity": multiplicity.astype(np.int64), "combo_type": combo_type})


def first_images(rows: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
    """Return which rows are the first of an event; they are sorted."""
    new = (np.diff(rows["obs_id"]) != 0) | (np.diff(rows["event_id"]) != 0)
    return np.append(True, new)[: len(rows)]
