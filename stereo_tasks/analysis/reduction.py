"""Reduction: counts in the ON and OFF regions, exposure and energy dispersion of each run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy.data import Observation
from gammapy.datasets import Datasets, SpectrumDataset, SpectrumDatasetOnOff
from gammapy.makers import ReflectedRegionsBackgroundMaker, SafeMaskMaker, SpectrumDatasetMaker, WobbleRegionsFinder
from gammapy.maps import MapAxis, RegionGeom
from regions import CircleSkyRegion, PointSkyRegion

from stereo_tasks.analysis.errors import AnalysisError, NothingToAnalyseError
from stereo_tasks.analysis.off_regions import offset_deg, on_radius_deg, regions_that_fit
from stereo_tasks.analysis.settings import AnalysisSettings


@dataclass(frozen=True, slots=True)
class Reduction:
    """The runs of a source, reduced to counts and responses against energy."""

    observations: tuple[Observation, ...]
    """Those that are used, in the order of time."""
    datasets: tuple[SpectrumDatasetOnOff, ...]
    """One an observation; energies without enough effective area are masked."""
    off_regions: int
    """The same number in all runs, so that ON over OFF acceptance is the same everywhere."""
    point_like: bool
    on_radius_deg: float
    """The largest one, where it depends on energy."""
    left_out: Mapping[int, str]
    """Observations that cannot be used, with the reason."""


def reduce(observations: Sequence[Observation], source: SkyCoord, settings: AnalysisSettings) -> Reduction:
    """Count ON and OFF events of each run, and make its responses.

    With point-like IRFs, the ON region is that of their theta cut (``RAD_MAX``), event by event. With full-enclosure
    IRFs it is a circle, and the effective area is corrected for what the point spread function loses outside of it.

    Raises
    ------
    AnalysisError
        If point-like and full-enclosure IRFs are mixed.
    NothingToAnalyseError
        If no run can be used: none has room for an OFF region and effective area at the energies of the analysis.
    """
    kinds = {bool(observation.aeff.is_pointlike) for observation in observations}
    if len(kinds) > 1:
        raise AnalysisError("some IRFs are point-like and some full-enclosure: analyse these runs apart")
    usable, left_out, number = [], {}, settings.off_regions_max
    for observation in observations:
        offset, radius = offset_deg(observation, source), on_radius_deg(observation, settings)
        fit = regions_that_fit(offset, radius, settings.off_regions_max)
        if fit == 0:
            left_out[int(observation.obs_id)] = (
                f"no room for an OFF region: the source is {offset:.2f} deg off, the ON region {radius:.2f} deg wide"
            )
            continue
        usable.append(observation)
        number = min(number, fit)
    (point_like,) = kinds
    reduced = []
    for observation, dataset in zip(
        usable, _datasets(usable, source, number, settings, point_like=point_like), strict=True
    ):
        if dataset.mask_safe.data.any():
            reduced.append((observation, dataset))
        else:
            left_out[int(observation.obs_id)] = (
                f"no effective area between {settings.energy_min_tev:g} and {settings.energy_max_tev:g} TeV"
            )
    if not reduced:
        reasons = "; ".join(f"{obs_id}: {reason}" for obs_id, reason in left_out.items())
        raise NothingToAnalyseError(f"no run can be used. {reasons}")
    observations, datasets = zip(*reduced, strict=True)
    radius = max(on_radius_deg(observation, settings) for observation in observations)
    return Reduction(observations, datasets, number, point_like, radius, left_out)


def stack(datasets: Sequence[SpectrumDatasetOnOff], name: str) -> SpectrumDatasetOnOff:
    """Add up runs: counts, exposure and good time intervals; the energy dispersion is weighted by exposure."""
    return Datasets(list(datasets)).stack_reduce(name=name)


def _datasets(
    observations: Sequence[Observation],
    source: SkyCoord,
    off_regions: int,
    settings: AnalysisSettings,
    *,
    point_like: bool,
) -> list[SpectrumDatasetOnOff]:
    energy = MapAxis.from_energy_bounds(
        settings.energy_min_tev, settings.energy_max_tev, settings.bins_per_decade, unit="TeV", per_decade=True
    )
    energy_true = MapAxis.from_energy_bounds(
        settings.true_energy_min_tev,
        settings.true_energy_max_tev,
        settings.true_bins_per_decade,
        unit="TeV",
        per_decade=True,
        name="energy_true",
    )
    region = PointSkyRegion(source) if point_like else CircleSkyRegion(source, settings.circle_radius_deg * u.deg)
    empty = SpectrumDataset.create(RegionGeom.create(region, axes=[energy]), energy_axis_true=energy_true)
    maker = SpectrumDatasetMaker(
        selection=["counts", "exposure", "edisp"], use_region_center=True, containment_correction=not point_like
    )
    background = ReflectedRegionsBackgroundMaker(region_finder=WobbleRegionsFinder(n_off_regions=off_regions))
    safe = SafeMaskMaker(methods=["aeff-max"], aeff_percent=settings.aeff_percent_min)
    datasets = []
    for observation in observations:
        dataset = maker.run(empty.copy(name=str(observation.obs_id)), observation)
        dataset = background.run(safe.run(dataset, observation), observation)
        if dataset.counts_off is None:
            raise AnalysisError(f"run {observation.obs_id}: gammapy finds that {off_regions} OFF regions overlap")
        datasets.append(dataset)
    return datasets
