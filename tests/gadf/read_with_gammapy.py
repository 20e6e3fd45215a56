"""Read every observation of a folder of DL3 with gammapy, reduce and fit it; prints what comes out as JSON.

The same script for every version of gammapy: ``python tests/gadf/read_with_gammapy.py FOLDER RA_DEG DEC_DEG``.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from typing import Any

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.utils import iers
from gammapy.data import DataStore, Observation
from gammapy.datasets import Datasets, SpectrumDataset, SpectrumDatasetOnOff
from gammapy.makers import ReflectedRegionsBackgroundMaker, SafeMaskMaker, SpectrumDatasetMaker, WobbleRegionsFinder
from gammapy.maps import MapAxis, RegionGeom
from gammapy.modeling import Fit
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel
from regions import PointSkyRegion


def reduced(observation: Observation, source: SkyCoord) -> SpectrumDatasetOnOff:
    """Count ON and OFF events of an observation, with its responses."""
    energy = MapAxis.from_energy_bounds(0.05, 20, 5, unit="TeV", per_decade=True)
    energy_true = MapAxis.from_energy_bounds(0.02, 50, 10, unit="TeV", per_decade=True, name="energy_true")
    empty = SpectrumDataset.create(RegionGeom.create(PointSkyRegion(source), axes=[energy]), energy_true)
    maker = SpectrumDatasetMaker(selection=["counts", "exposure", "edisp"], use_region_center=True)
    dataset = maker.run(empty.copy(name=str(observation.obs_id)), observation)
    dataset = SafeMaskMaker(methods=["aeff-max"], aeff_percent=10).run(dataset, observation)
    return ReflectedRegionsBackgroundMaker(region_finder=WobbleRegionsFinder(n_off_regions=3)).run(dataset, observation)


def told(observation: Observation, dataset: SpectrumDatasetOnOff) -> dict[str, Any]:
    """Return numbers and times of one observation."""
    gti = observation.gti
    return {
        "events": len(observation.events.table),
        "on": int(dataset.counts.data.sum()),
        "off": int(dataset.counts_off.data.sum()),
        "start": gti.time_start[0].utc.isot,
        "stop": gti.time_stop[-1].utc.isot,
        "first_event": observation.events.time.min().utc.isot,
        "live_time_s": float(dataset.exposure.meta["livetime"].to_value("s")),
        "exposure_m2_s": float(dataset.exposure.quantity.to_value("m2 s").sum()),
        "pointing_deg": [float(angle) for angle in pointing(observation)],
    }


def pointing(observation: Observation) -> tuple[float, float]:
    """Return right ascension and declination of the pointing, in deg."""
    place = observation.get_pointing_icrs(observation.tmid)
    return place.ra.deg, place.dec.deg


def fitted(datasets: list[SpectrumDatasetOnOff]) -> dict[str, float]:
    """Fit a power law to all observations together."""
    stacked = Datasets(datasets).stack_reduce(name="all")
    model = PowerLawSpectralModel(index=2.5, amplitude="1e-10 TeV-1 cm-2 s-1", reference="0.5 TeV")
    stacked.models = [SkyModel(spectral_model=model, name="source")]
    result = Fit().run(Datasets([stacked]))
    assert result.success, result.message
    values = {parameter.name: parameter for parameter in stacked.models[0].spectral_model.parameters.free_parameters}
    return {
        **{name: float(one.value) for name, one in values.items()},
        **{f"{name}_error": float(one.error) for name, one in values.items()},
        "stat": float(stacked.stat_sum()),
    }


def main() -> None:
    """Print what comes out."""
    folder, ra_deg, dec_deg = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    iers.conf.auto_download, iers.conf.iers_degraded_accuracy = False, "warn"
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    source = SkyCoord(ra_deg, dec_deg, unit=u.deg)
    store = DataStore.from_dir(folder)
    observations = store.get_observations(required_irf="point-like")
    assert sorted(int(one.obs_id) for one in observations) == sorted(store.obs_table["OBS_ID"])
    datasets = [reduced(observation, source) for observation in observations]
    runs = {int(one.obs_id): told(one, dataset) for one, dataset in zip(observations, datasets, strict=True)}
    assert all(np.isfinite(run["exposure_m2_s"]) for run in runs.values())
    print(json.dumps({"runs": runs, "fit": fitted(datasets)}))


if __name__ == "__main__":
    main()
