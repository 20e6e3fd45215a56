"""The intensity spectrum of LST-1's showers: how much light the telescope collects, from all of its triggers.

dR/dI = R422 (I / 422 p.e.)^index, as lstchain's ``lstchain_cosmics_intensity_spectrum`` has it (its fit range, 316 to
562 p.e., has 422 p.e. in the middle). Here both numbers follow from the counts of the two halves of that range.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PIVOT_PE = 422.0
LOW_PE, HIGH_PE = PIVOT_PE * 10**-0.125, PIVOT_PE * 10**0.125
SEED_LOG10_PE, SEED_HALF_WIDTH = 2.1, 0.1
SEED_BIN = 2.5 / 179
"""Width of a bin in log10 of the intensity, in the histogram by which runs were chosen in stereo_processing_magic_lst:
180 edges from 1 to 3.5. Here showers are counted in a wider range around 2.1, where the spectrum is flat enough."""

SHOWER_COUNTS = ("lst_showers_126_pe", "lst_showers_316_422_pe", "lst_showers_422_563_pe")
"""In the records of the coincidence."""
_HALVES = ((LOW_PE, PIVOT_PE), (PIVOT_PE, HIGH_PE))

_R422_OF_COS_ZENITH = (-0.44751321, 3.62502037, -1.43611437)
"""lstchain 0.12: R422 of good data is proportional to this polynomial in the cosine of the zenith distance."""
_INDEX_OF_COS_ZENITH = (-2.89253919, 0.99443581, -0.34013068)


@dataclass(frozen=True, slots=True)
class IntensitySpectrum:
    """What the showers of a run tell of LST-1's light."""

    rate_126_hz: float
    """Rate in a bin of 0.014 around log10(intensity / p.e.) = 2.1, as seen."""
    rate_422_per_s_pe: float
    """R422, corrected to the zenith, in 1 / (s p.e.)."""
    index_422: float
    """Index of the power law, corrected to the zenith."""


def shower_counts(intensity_pe: NDArray[np.float64]) -> dict[str, float]:
    """Return the counts for the record of a subrun.

    Parameters
    ----------
    intensity_pe : array of shape (n_showers,)
        Intensities of LST-1's showers in p.e.; NaN where no image is left.
    """
    near = np.abs(np.log10(np.where(intensity_pe > 0, intensity_pe, np.nan)) - SEED_LOG10_PE) < SEED_HALF_WIDTH
    below, above = ((intensity_pe >= first) & (intensity_pe < last) for first, last in _HALVES)
    numbers = (int(np.count_nonzero(chosen)) for chosen in (near, below, above))
    return dict(zip(SHOWER_COUNTS, numbers, strict=True))


def intensity_spectrum(counts: Mapping[str, float], live_s: float, zenith_deg: float) -> IntensitySpectrum | None:
    """Return the spectrum; None where there are too few showers, or the records are older than their counts.

    Parameters
    ----------
    counts : mapping of str to float
        Sums of `shower_counts` over the subruns of a run.
    live_s : float
        Time in which LST-1 could record showers, in s.
    zenith_deg : float
        Mean zenith distance of the run, in deg.
    """
    try:
        near, below, above = (counts[name] for name in SHOWER_COUNTS)
    except KeyError:
        return None
    if live_s <= 0 or not below or not above:
        return None
    # In bins of equal width in log I, counts of a power law go as I^(index + 1).
    index = math.log(above / below) / math.log(HIGH_PE / PIVOT_PE) - 1
    power = index + 1
    ends = [(edge / PIVOT_PE) ** power for edge in (LOW_PE, HIGH_PE)]
    shape = math.log(HIGH_PE / LOW_PE) if power == 0 else (ends[1] - ends[0]) / power
    rate = (below + above) / live_s / (PIVOT_PE * shape)
    cos_zenith = math.cos(math.radians(zenith_deg))
    return IntensitySpectrum(
        rate_126_hz=near / live_s * SEED_BIN / (2 * SEED_HALF_WIDTH),
        rate_422_per_s_pe=rate * _polynomial(_R422_OF_COS_ZENITH, 1.0) / _polynomial(_R422_OF_COS_ZENITH, cos_zenith),
        index_422=index + _polynomial(_INDEX_OF_COS_ZENITH, 1.0) - _polynomial(_INDEX_OF_COS_ZENITH, cos_zenith),
    )


def _polynomial(coefficients: tuple[float, ...], x: float) -> float:
    return sum(coefficient * x**power for power, coefficient in enumerate(coefficients))
