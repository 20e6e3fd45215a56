"""Flux points against energy and time, with upper limits.

The shape of the spectrum is frozen: each point is one norm, from the counts of its whole range of energy. Fitted bin by
bin, runs with few counts would come out too bright: where a bin has no OFF counts, W statistics take it for free of
background (an empty sky of 20 minutes reaches 5 sigma so).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from astropy import units as u
from astropy.table import QTable, vstack
from gammapy.datasets import Datasets, SpectrumDatasetOnOff
from gammapy.estimators import FluxPointsEstimator
from gammapy.modeling.models import SkyModel, SpectralModel
from numpy.typing import NDArray
from scipy.stats import chi2

from stereo_tasks.analysis.counts import count, live_time_s
from stereo_tasks.analysis.reduction import stack
from stereo_tasks.analysis.settings import AnalysisSettings
from stereo_tasks.analysis.spectrum import SOURCE
from stereo_tasks.analysis.times import by_night, start_of, stop_of

_E2DNDE = u.Unit("TeV cm-2 s-1")
_FLUX = u.Unit("cm-2 s-1")


@dataclass(frozen=True, slots=True)
class ConstantFit:
    """A constant flux through a light curve, weighted by the errors."""

    flux_per_cm2_s: float
    flux_error_per_cm2_s: float
    chi2: float
    ndf: int

    @property
    def probability(self) -> float | None:
        """Chance of a chi2 as large if the flux is constant; None with a single point."""
        return float(chi2.sf(self.chi2, self.ndf)) if self.ndf else None


def sed_table(
    dataset: SpectrumDatasetOnOff, model: SpectralModel, off_regions: int, settings: AnalysisSettings
) -> QTable:
    """Make flux points in the bins of energy that are usable.

    Returns
    -------
    astropy.table.QTable
        One row a bin: ``e_min``, ``e_max``, ``e_ref`` (TeV); ``e2dnde`` with ``_err`` and ``_ul`` (TeV / (cm2 s));
        ``dnde`` likewise; ``on``, ``off``, ``significance``; ``is_ul`` where the upper limit is to be shown.
    """
    energy_min, energy_max = dataset.energy_range_total
    edges = dataset.counts.geom.axes["energy"].edges
    edges = edges[(edges >= energy_min * (1 - 1e-6)) & (edges <= energy_max * (1 + 1e-6))]
    points = _fitted(dataset, model, edges, off_regions, settings)
    inside = [int(index) for index in np.flatnonzero(dataset.mask_safe.data)]
    on = dataset.counts.data.ravel()[inside].astype(int)
    off = dataset.counts_off.data.ravel()[inside].astype(int)
    norm = _norms(points)
    table = QTable({name: points[name].quantity.to("TeV") for name in ("e_min", "e_max", "e_ref")})
    for name, squared in (("e2dnde", 2), ("dnde", 0)):
        reference = (points["ref_dnde"].quantity * points["e_ref"].quantity ** squared).to(
            _E2DNDE if squared else u.Unit("TeV-1 cm-2 s-1")
        )
        for suffix, values in norm.items():
            table[f"{name}{suffix}"] = values * reference
    table["on"], table["off"] = on, off
    table["excess"] = on - off / off_regions
    return _finish(table, points, settings)


def light_curve(
    datasets: Sequence[SpectrumDatasetOnOff], model: SpectralModel, off_regions: int, settings: AnalysisSettings
) -> QTable:
    """Make the light curve by run, by night, and of all together: integral flux in the energies that all runs have.

    Returns
    -------
    astropy.table.QTable
        ``bin`` (``run``, ``night`` or ``all``), ``name``, ``time_min`` and ``time_max`` (UTC), ``mjd_min`` and
        ``mjd_max`` (d), ``e_min``, ``e_max`` (TeV), ``flux`` with ``_err`` and ``_ul`` (1 / (cm2 s)), ``on``, ``off``,
        ``live_time`` (s), ``significance``, ``is_ul``.
    """
    edges = common_energies(datasets)
    members = [
        *(("run", dataset.name, [dataset]) for dataset in datasets),
        *(("night", night, runs) for night, runs in by_night(datasets).items()),
        ("all", "all", list(datasets)),
    ]
    return vstack(
        [integral_flux(kind, name, runs, model, edges, off_regions, settings) for kind, name, runs in members]
    )


def common_energies(datasets: Sequence[SpectrumDatasetOnOff]) -> u.Quantity:
    """Return the lowest and highest energy that are usable in every run, of shape ``(2,)``."""
    ranges = [u.Quantity(dataset.energy_range_total).to_value("TeV") for dataset in datasets]
    return [max(low for low, _ in ranges), min(high for _, high in ranges)] * u.TeV


def constant_fit(curve: QTable, kind: str) -> ConstantFit | None:
    """Fit a constant to the points of a light curve; those given as upper limits count with their flux and error.

    Leaving them out, or taking them at their limit, would draw the mean up. None if no point has an error.
    """
    rows = curve[curve["bin"] == kind]
    flux, error = rows["flux"].to_value(_FLUX), rows["flux_err"].to_value(_FLUX)
    good = np.isfinite(flux) & np.isfinite(error) & (error > 0)
    if not good.any():
        return None
    weight = error[good] ** -2
    mean = float((flux[good] * weight).sum() / weight.sum())
    chi_square = float((((flux[good] - mean) / error[good]) ** 2).sum())
    return ConstantFit(mean, float(weight.sum() ** -0.5), chi_square, int(good.sum()) - 1)


def integral_flux(
    kind: str,
    name: str,
    runs: Sequence[SpectrumDatasetOnOff],
    model: SpectralModel,
    edges: u.Quantity,
    off_regions: int,
    settings: AnalysisSettings,
) -> QTable:
    """Make one row of a light curve.

    Parameters
    ----------
    kind, name : str
        What the row is of: a run, a night, or all runs.
    runs : sequence of gammapy.datasets.SpectrumDatasetOnOff
    model : gammapy.modeling.models.SpectralModel
        Its shape is taken, its amplitude fitted.
    edges : astropy.units.Quantity
        Lowest and highest energy, of shape ``(2,)``.
    off_regions : int
    settings : AnalysisSettings
    """
    points = _fitted(stack(runs, name), model, edges, off_regions, settings)
    reference = points["ref_flux"].quantity.to(_FLUX)
    counts = count([run.slice_by_energy(*edges, name=run.name) for run in runs], off_regions)
    start, stop = min(start_of(run) for run in runs), max(stop_of(run) for run in runs)
    row = QTable(
        {
            "bin": [kind],
            "name": [name],
            "time_min": [start.isot],
            "time_max": [stop.isot],
            "mjd_min": [start.mjd] * u.d,
            "mjd_max": [stop.mjd] * u.d,
            "e_min": edges[:1],
            "e_max": edges[1:],
            **{f"flux{suffix}": values * reference for suffix, values in _norms(points).items()},
            "on": [counts.on],
            "off": [counts.off],
            "excess": [counts.excess],
            "live_time": [sum(live_time_s(run) for run in runs)] * u.s,
        }
    )
    return _finish(row, points, settings)


def _fitted(
    dataset: SpectrumDatasetOnOff,
    model: SpectralModel,
    edges: u.Quantity,
    off_regions: int,
    settings: AnalysisSettings,
) -> QTable:
    """Fit a norm of the model to the counts between each pair of edges; one row each."""
    rows = []
    for low, high in pairwise(edges):
        one = dataset.slice_by_energy(low, high, name=dataset.name).to_image(name=dataset.name)
        # gammapy takes the acceptance of the sum from the OFF counts, and has none where there are none.
        one.acceptance.data[...], one.acceptance_off.data[...] = 1, off_regions
        one.models = [SkyModel(spectral_model=model.copy(), name=SOURCE)]
        estimator = FluxPointsEstimator(
            energy_edges=u.Quantity([low, high]),
            source=SOURCE,
            selection_optional=["ul"],
            n_sigma_ul=settings.upper_limit_sigma,
        )
        rows.append(estimator.run(Datasets([one])).to_table(sed_type="likelihood", format="gadf-sed"))
    return vstack(rows, metadata_conflicts="silent")


def _norms(points: QTable) -> dict[str, NDArray[np.float64]]:
    """Return norm, error and upper limit by the suffix of their columns.

    Where the best fit is negative, the upper limit is that of no excess at all: a flux is never below zero, and a
    downward fluctuation of the background must not rule out what cannot be measured.
    """
    norm, error = (np.asarray(points[name], dtype=float) for name in ("norm", "norm_err"))
    upper = np.asarray(points["norm_ul"], dtype=float)
    upper = np.where(norm < 0, upper - norm, upper)
    return {"": norm, "_err": error, "_ul": upper}


def _finish(table: QTable, points: QTable, settings: AnalysisSettings) -> QTable:
    """Add the significance, and which points are upper limits."""
    norm = np.asarray(points["norm"], dtype=float).ravel()
    ts = np.clip(np.asarray(points["ts"], dtype=float).ravel(), 0, None)
    table["significance"] = np.sign(norm) * np.sqrt(ts)
    table["is_ul"] = ~(table["significance"] >= settings.upper_limit_below_sigma)
    for name in table.colnames:
        if np.issubdtype(table[name].dtype, np.floating) and not name.startswith("mjd"):
            table[name].info.format = ".5g"
    return table
