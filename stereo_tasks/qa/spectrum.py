"""A first spectrum: one-dimensional point-like analysis with reflected OFF regions and a power law."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy.data import Observation
from gammapy.datasets import Datasets, SpectrumDataset, SpectrumDatasetOnOff
from gammapy.makers import ReflectedRegionsBackgroundMaker, SafeMaskMaker, SpectrumDatasetMaker, WobbleRegionsFinder
from gammapy.maps import MapAxis, RegionGeom, RegionNDMap
from gammapy.modeling import Fit
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel
from gammapy.stats import WStatCountsStatistic
from regions import PointSkyRegion

from stereo_tasks.qa.flux_points import FluxPoint, flux_points
from stereo_tasks.settings.qa import SpectrumSettings

_FLUX = u.Unit("TeV-1 cm-2 s-1")
_START = PowerLawSpectralModel(index=2.6, amplitude=1e-10 * _FLUX)  # somewhere near the Crab


class SpectrumError(ValueError):
    """No spectrum could be fitted; the text says why."""


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """dN/dE = flux (E / reference)^-index, with one standard deviation as errors."""

    flux: float
    """At the reference energy, in 1 / (TeV cm2 s)."""
    flux_error: float
    index: float
    index_error: float
    reference_tev: float
    sqrt_ts: float
    """Square root of the test statistic against no source, two free parameters."""
    energy_min_tev: float
    energy_max_tev: float
    """Range of reconstructed energy that the fit used."""


def fit_power_law(
    observations: Sequence[Observation], source: SkyCoord, off_regions: int, settings: SpectrumSettings
) -> PowerLaw:
    """Fit a power law to all observations together.

    Parameters
    ----------
    observations : sequence of gammapy.data.Observation
        With point-like IRFs; the theta cut comes from the RAD_MAX header or table.
    source : astropy.coordinates.SkyCoord
    off_regions : int
        Number of OFF regions; they must not overlap.
    settings : SpectrumSettings

    Raises
    ------
    SpectrumError
        If no energy bin is usable, or the fit does not converge.
    """
    return _fit(_stacked(observations, source, off_regions, settings), settings)


def measure_spectrum(
    observations: Sequence[Observation], source: SkyCoord, off_regions: int, settings: SpectrumSettings
) -> tuple[PowerLaw, tuple[FluxPoint, ...]]:
    """Fit a power law as `fit_power_law` does, and return it with flux points of its shape."""
    dataset = _stacked(observations, source, off_regions, settings)
    fit = _fit(dataset, settings)
    return fit, flux_points(dataset)


def _fit(dataset: SpectrumDatasetOnOff, settings: SpectrumSettings) -> PowerLaw:
    """Fit a power law, and leave it in the data set."""
    energy_min, energy_max = dataset.energy_range_total
    if not dataset.mask_safe.data.any():
        raise SpectrumError("no energy bin has enough effective area")
    spectral = _START.copy()
    spectral.reference.value = settings.reference_tev
    dataset.models = [SkyModel(spectral_model=spectral, name="source")]
    result = Fit().run(Datasets([dataset]))
    errors = spectral.amplitude.error, spectral.index.error
    if not (result.success and all(math.isfinite(error) and error > 0 for error in errors)):
        raise SpectrumError(f"the fit did not converge: {result.message}")
    flux = spectral.amplitude.quantity.to_value(_FLUX)
    flux_error = (spectral.amplitude.error * spectral.amplitude.unit).to_value(_FLUX)
    index, index_error = float(spectral.index.value), float(spectral.index.error)
    with_source = dataset.stat_sum()
    fitted, spectral.amplitude.value = spectral.amplitude.value, 0.0
    without_source, spectral.amplitude.value = dataset.stat_sum(), fitted
    return PowerLaw(
        flux=float(flux),
        flux_error=float(flux_error),
        index=index,
        index_error=index_error,
        reference_tev=settings.reference_tev,
        sqrt_ts=math.sqrt(max(float(without_source - with_source), 0.0)),
        energy_min_tev=float(energy_min.to_value("TeV")),
        energy_max_tev=float(energy_max.to_value("TeV")),
    )


def expected_significance(
    observations: Sequence[Observation],
    source: SkyCoord,
    off_regions: int,
    settings: SpectrumSettings,
    *,
    flux: float,
    index: float,
) -> float:
    """Return the significance in sigma that a power law promises in these observations.

    The spectrum is folded with the IRFs and the live time; the background is the measured one.

    Parameters
    ----------
    observations, source, off_regions, settings
        As for `fit_power_law`.
    flux : float
        At the reference energy of the settings, in 1 / (TeV cm2 s).
    index : float
        dN/dE is proportional to E^-index.

    Raises
    ------
    SpectrumError
        If the OFF regions overlap.
    """
    dataset = _stacked(observations, source, off_regions, settings)
    spectral = PowerLawSpectralModel(index=index, amplitude=flux * _FLUX, reference=settings.reference_tev * u.TeV)
    dataset.models = [SkyModel(spectral_model=spectral, name="source")]
    mask = dataset.mask_safe.data
    signal = float(dataset.npred_signal().data[mask].sum())
    n_off = float(dataset.counts_off.data[mask].sum())
    alpha = 1 / off_regions
    if signal + n_off == 0:
        return 0.0
    return float(WStatCountsStatistic(signal + alpha * n_off, n_off, alpha).sqrt_ts)


def _stacked(
    observations: Sequence[Observation], source: SkyCoord, off_regions: int, settings: SpectrumSettings
) -> SpectrumDatasetOnOff:
    """Make one ON-OFF data set of all observations."""
    energy = MapAxis.from_energy_bounds(
        settings.energy_min_tev, settings.energy_max_tev, settings.bins_per_decade, unit="TeV", per_decade=True
    )
    # Twice as fine as reconstructed energy, over all energies of the IRFs: events migrate in from beyond the fit range.
    true_edges = observations[0].aeff.axes["energy_true"].edges
    energy_true = MapAxis.from_energy_bounds(
        true_edges[0], true_edges[-1], 2 * settings.bins_per_decade, per_decade=True, name="energy_true"
    )
    # A point region makes gammapy take the theta cut from the IRFs, whether it is one number or a table.
    geometry = RegionGeom.create(PointSkyRegion(source), axes=[energy])
    empty = SpectrumDataset.create(geometry, energy_axis_true=energy_true)
    dataset_maker = SpectrumDatasetMaker(selection=["counts", "exposure", "edisp"], use_region_center=True)
    background_maker = ReflectedRegionsBackgroundMaker(region_finder=WobbleRegionsFinder(n_off_regions=off_regions))
    safe_mask_maker = SafeMaskMaker(methods=["aeff-max"], aeff_percent=settings.aeff_percent_min)
    stacked, counts_off = empty.copy(name="night"), RegionNDMap.from_geom(geometry)
    stacked.mask_safe = RegionNDMap.from_geom(geometry, data=False, dtype=bool)
    for observation in observations:
        dataset = dataset_maker.run(empty.copy(name=str(observation.obs_id)), observation)
        dataset = safe_mask_maker.run(dataset, observation)
        own_off, _ = background_maker.make_counts_off(dataset, observation)
        if own_off is None:
            raise SpectrumError(f"run {observation.obs_id}: {off_regions} OFF regions overlap")
        stacked.stack(dataset)
        counts_off.data += own_off.data * dataset.mask_safe.data
    # All runs have the same number of OFF regions. gammapy's own stacking of ON-OFF data sets would weight the runs by
    # their OFF counts, and short runs may have none.
    return SpectrumDatasetOnOff.from_spectrum_dataset(
        dataset=stacked,
        acceptance=RegionNDMap.from_geom(geometry, data=1.0),
        acceptance_off=RegionNDMap.from_geom(geometry, data=float(off_regions)),
        counts_off=counts_off,
    )
