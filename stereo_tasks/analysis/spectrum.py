"""The spectrum: log-parabola and power law, fitted to all runs together.

The runs are stacked, with responses weighted by exposure: W statistics (Poisson counts with a measured background) are
biased in bins without OFF counts, of which a stack has the fewest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from astropy import units as u
from gammapy.datasets import Datasets, SpectrumDatasetOnOff
from gammapy.modeling import Fit
from gammapy.modeling.models import LogParabolaSpectralModel, PowerLawSpectralModel, SkyModel, SpectralModel
from scipy.stats import chi2

from stereo_tasks.analysis.settings import AnalysisSettings

FLUX = u.Unit("TeV-1 cm-2 s-1")
SOURCE = "source"
_START = 1e-11 * FLUX


@dataclass(frozen=True, slots=True)
class Spectrum:
    """What was fitted, or why nothing was."""

    model: SpectralModel | None
    """With its covariance."""
    reason: str = ""
    stat: float = math.nan
    """W statistic at the best fit: -2 ln(likelihood)."""
    bins: int = 0

    def as_dict(self) -> dict[str, float | str | int | None] | None:
        """Return the parameters with one standard deviation as errors; None if nothing was fitted."""
        if self.model is None:
            return None
        result: dict[str, float | str | int | None] = {
            "reference_tev": float(self.model.reference.quantity.to_value("TeV"))
        }
        names = {"amplitude": "amplitude_per_tev_cm2_s", "alpha": "alpha", "beta": "beta", "index": "alpha"}
        for parameter in self.model.parameters.free_parameters:
            scale = (1 * parameter.unit).to_value(FLUX) if parameter.name == "amplitude" else 1.0
            result[names[parameter.name]] = float(parameter.value * scale)
            result[f"{names[parameter.name]}_error"] = float(parameter.error * scale)
        return {**result, "stat": self.stat, "bins": self.bins, "probability": self.probability}

    @property
    def probability(self) -> float | None:
        """Chance of a statistic as large if the shape is right, which is near that of chi2; None without freedom."""
        if self.model is None or (free := self.bins - len(self.model.parameters.free_parameters)) < 1:
            return None
        return float(chi2.sf(self.stat, free))


def fit_power_law(dataset: SpectrumDatasetOnOff, settings: AnalysisSettings) -> Spectrum:
    """Fit dN/dE = amplitude (E / reference)^-alpha."""
    model = PowerLawSpectralModel(
        amplitude=_START, index=settings.assumed_index, reference=settings.reference_tev * u.TeV
    )
    return _fit(dataset, model)


def fit_log_parabola(dataset: SpectrumDatasetOnOff, power_law: Spectrum, settings: AnalysisSettings) -> Spectrum:
    """Fit dN/dE = amplitude (E / reference)^-(alpha + beta ln(E / reference)), with the *natural* logarithm.

    Parameters
    ----------
    dataset : gammapy.datasets.SpectrumDatasetOnOff
    power_law : Spectrum
        Where the fit starts.
    settings : AnalysisSettings
    """
    if power_law.model is None:
        return Spectrum(None, power_law.reason)
    start = power_law.model
    model = LogParabolaSpectralModel(
        amplitude=start.amplitude.quantity,
        alpha=start.index.value,
        beta=0.1,
        reference=settings.reference_tev * u.TeV,
    )
    return _fit(dataset, model)


def assumed_power_law(settings: AnalysisSettings) -> PowerLawSpectralModel:
    """Return the shape behind upper limits where no spectrum was fitted."""
    model = PowerLawSpectralModel(
        amplitude=_START, index=settings.assumed_index, reference=settings.reference_tev * u.TeV
    )
    model.index.frozen = True
    return model


def _fit(dataset: SpectrumDatasetOnOff, model: SpectralModel) -> Spectrum:
    dataset.models = [SkyModel(spectral_model=model, name=SOURCE)]
    result = Fit().run(Datasets([dataset]))
    stat, bins = float(dataset.stat_sum()), int(dataset.mask_safe.data.sum())
    fitted = dataset.models[SOURCE].spectral_model.copy()
    dataset.models = None
    errors = [parameter.error for parameter in fitted.parameters.free_parameters]
    if not (result.success and all(math.isfinite(error) and error > 0 for error in errors)):
        return Spectrum(None, f"the fit of the {type(model).__name__} did not converge: {result.message}")
    return Spectrum(fitted, stat=stat, bins=bins)
