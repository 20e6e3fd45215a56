"""Flux points of a night: how much the source shines in each range of energy, if its spectrum has the fitted shape."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from astropy import units as u
from gammapy.datasets import SpectrumDatasetOnOff
from gammapy.stats import WStatCountsStatistic

_SED = u.Unit("TeV cm-2 s-1")
_JOINED = 2
"""Bins of the fit that make one point: four points a decade, each with more events than the fit needs."""
_UPPER_LIMIT_BELOW_SIGMA = 2.0
"""The field's convention, and that of the analysis of seasons."""
_UPPER_LIMIT_SIGMA = 2.0
"""A confidence of 95 %."""


@dataclass(frozen=True, slots=True)
class FluxPoint:
    """E^2 dN/dE in one range of energy, with one standard deviation as error."""

    energy_tev: float
    energy_min_tev: float
    energy_max_tev: float
    sed: float
    """In TeV / (cm2 s); the upper limit (95 %) where it is one."""
    sed_error: float
    is_upper_limit: bool


def flux_points(dataset: SpectrumDatasetOnOff) -> tuple[FluxPoint, ...]:
    """Return the flux points of a data set with a fitted model.

    The excess over the predicted one scales the model, as in the analysis of seasons: one norm from all counts of a
    point, since where single bins have no OFF counts, W statistics take them for free of background.

    Parameters
    ----------
    dataset : gammapy.datasets.SpectrumDatasetOnOff
        Its energies with a safe mask are used.
    """
    usable = np.flatnonzero(dataset.mask_safe.data)
    edges = dataset.counts.geom.axes["energy"].edges.to_value("TeV")
    predicted = dataset.npred_signal().data.ravel()
    on, off = dataset.counts.data.ravel(), dataset.counts_off.data.ravel()
    alpha = float(dataset.alpha.data.ravel()[usable[0]])
    model = dataset.models[0].spectral_model
    found = []
    for bins in (usable[first : first + _JOINED] for first in range(0, len(usable), _JOINED)):
        expected = float(predicted[bins].sum())
        counts = WStatCountsStatistic(float(on[bins].sum()), float(off[bins].sum()), alpha)
        if expected <= 0 or counts.n_on + counts.n_off == 0:
            continue
        low, high = float(edges[bins[0]]), float(edges[bins[-1] + 1])
        energy = math.sqrt(low * high)
        scale = float((energy**2 * u.TeV**2 * model(energy * u.TeV)).to_value(_SED)) / expected
        weak = not float(counts.sqrt_ts) >= _UPPER_LIMIT_BELOW_SIGMA
        number = upper_limit(counts) if weak else float(counts.n_sig)
        found.append(FluxPoint(energy, low, high, number * scale, float(counts.error) * scale, weak))
    return tuple(found)


def upper_limit(counts: WStatCountsStatistic) -> float:
    """Return the upper limit (95 %) of the number of events from the source.

    With fewer events than the background it is that of no excess at all, as in the analysis of seasons: a flux is never
    below zero, and a downward fluctuation must not rule out what cannot be measured.
    """
    return float(counts.compute_upper_limit(_UPPER_LIMIT_SIGMA)) - min(float(counts.n_sig), 0.0)
