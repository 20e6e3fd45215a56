"""What the images and events of a run look like, from its DL2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import erfa
import numpy as np
from numpy.typing import NDArray

from stereo_tasks.settings.qa import DECILES, QaSettings, Reference
from stereo_tasks.settings.qa_metrics import COMBINATIONS, IMAGE_PARAMETERS, TELESCOPES

COLUMNS = (
    "obs_id", "event_id", "tel_id", "combo_type", "gammaness", "pointing_alt", "pointing_az", *IMAGE_PARAMETERS
)  # fmt: skip
"""Columns of DL2 that are looked at; pointings in rad, intensities in p.e., widths and lengths in m."""

GAMMA_LIKE = 0.85
_LST_1 = 1
_EVENTS_OF_A_RUN = 2**32
"""Event numbers of LST-1 and MAGIC have 32 bits."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RunImages:
    """The events of a run. None: there are too few for it."""

    events: int
    lst_events: int
    """With an image of LST-1."""
    combinations: Mapping[str, float]
    """Fraction of the events by the telescopes that have an image."""
    gamma_like: float
    """Fraction with a mean gammaness above 0.85."""
    pointing_spread_arcmin: float | None
    """Standard deviation of the distance between the pointings of LST-1 and MAGIC."""
    background: Mapping[str, Floats]
    """Values of the images of background by telescope and parameter, as in references, and the mean gammaness."""

    def values(self) -> dict[str, float | None]:
        """Return the metrics of it."""
        fractions = {f"combination_{name}": fraction for name, fraction in self.combinations.items()}
        return {
            **fractions,
            "gamma_like": self.gamma_like,
            "pointing_spread_arcmin": self.pointing_spread_arcmin,
        }


def run_images(columns: Mapping[str, NDArray[np.float64]], settings: QaSettings) -> RunImages | None:
    """Look at the images of a run.

    Parameters
    ----------
    columns : mapping of str to array of shape (n_images,)
        `COLUMNS` of DL2.
    settings : QaSettings
        Which events are background.

    Returns
    -------
    RunImages or None
        None if there is no image.
    """
    key = columns["obs_id"].astype(np.int64) * _EVENTS_OF_A_RUN + columns["event_id"].astype(np.int64)
    _, first, event = np.unique(key, return_index=True, return_inverse=True)
    if not len(first):
        return None
    telescope = columns["tel_id"]
    # An image that the forests could not judge has no gammaness; an event needs one image that has.
    judged = np.isfinite(columns["gammaness"])
    number = np.bincount(event[judged], minlength=len(first))
    total = np.bincount(event[judged], columns["gammaness"][judged], minlength=len(first))
    gammaness = np.divide(total, number, out=np.full(len(first), np.nan), where=number > 0)
    known = gammaness[np.isfinite(gammaness)]
    combination = columns["combo_type"][first]
    background = gammaness[event] < settings.background_gammaness_max
    values = {
        f"{short}_{name}": columns[name][background & (telescope == number)]
        for number, (short, _) in TELESCOPES.items()
        for name in IMAGE_PARAMETERS
    }
    return RunImages(
        events=len(first),
        lst_events=len(np.unique(event[telescope == _LST_1])),
        combinations={name: float(np.mean(combination == kind)) for kind, name in enumerate(COMBINATIONS)},
        gamma_like=float(np.mean(known > GAMMA_LIKE)) if len(known) else 0.0,
        pointing_spread_arcmin=_pointing_spread(columns, event, len(first)),
        background={**values, "gammaness": known[known < settings.background_gammaness_max]},
    )


def _pointing_spread(columns: Mapping[str, Floats], event: NDArray[np.int64], events: int) -> float | None:
    """Return the spread of the distance in arcmin between the pointings of an event's images of LST-1 and MAGIC."""
    lst = columns["tel_id"] == _LST_1
    alt, az = np.full(events, np.nan), np.full(events, np.nan)
    alt[event[lst]], az[event[lst]] = columns["pointing_alt"][lst], columns["pointing_az"][lst]
    magic = ~lst & np.isfinite(alt[event])
    if np.count_nonzero(magic) < 2:
        return None
    own = event[magic]
    apart = erfa.seps(az[own], alt[own], columns["pointing_az"][magic], columns["pointing_alt"][magic])
    return float(60 * np.degrees(apart.std()))


@dataclass(frozen=True, slots=True)
class Distance:
    """How far a distribution is from its reference."""

    value: float
    """Kolmogorov's distance at the deciles: the largest difference of the two cumulative distributions."""
    median: float
    median_expected: float


def distances(images: RunImages, reference: Reference, images_min: int) -> dict[str, Distance]:
    """Return the distances to a reference by metric, of what there are enough images for."""
    found = {}
    for name, deciles in reference.deciles.items():
        values = images.background[name]
        values = values[np.isfinite(values)]
        if len(values) >= images_min:
            below = np.searchsorted(np.sort(values), deciles) / len(values)
            expected = np.arange(1, DECILES + 1) / (DECILES + 1)
            largest = float(np.abs(below - expected).max())
            found[f"{name}_distance"] = Distance(largest, float(np.median(values)), deciles[DECILES // 2])
    return found


def deciles_of(values: Floats) -> list[float]:
    """Return the deciles of values for a reference, from 10 to 90 %."""
    finite = values[np.isfinite(values)]
    return [float(f"{value:.4g}") for value in np.quantile(finite, np.arange(1, DECILES + 1) / (DECILES + 1))]
