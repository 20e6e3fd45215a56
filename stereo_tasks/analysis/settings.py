"""What an analysis is made with; the values, with their sources, are in `config/analysis.yaml`."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from stereo_tasks.analysis.errors import AnalysisError

BASE_FILE = Path(__file__).parents[2] / "config" / "analysis.yaml"
"""Of this checkout; `stereo analyse` and the cluster use what a site has laid over it."""


class AnalysisSettings(BaseModel):
    """Binning, regions and thresholds of an analysis; all of it is written into its results."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    energy_min_tev: float = Field(gt=0)
    """Reconstructed energy."""
    energy_max_tev: float = Field(gt=0)
    bins_per_decade: int = Field(ge=1, le=50)
    true_energy_min_tev: float = Field(gt=0)
    true_energy_max_tev: float = Field(gt=0)
    true_bins_per_decade: int = Field(ge=1, le=100)
    off_regions_max: int = Field(ge=1, le=20)
    """No more are taken even where they fit."""
    circle_radius_deg: float = Field(gt=0, lt=2)
    """ON region where the IRFs have no theta cut of their own."""
    offset_max_deg: float = Field(gt=0, lt=10)
    """A run belongs to a source if it points closer than this."""
    aeff_percent_min: float = Field(ge=0, lt=100)
    """Energies with less effective area than this percentage of its maximum are left out."""
    reference_tev: float = Field(gt=0)
    """Energy at which the flux is given."""
    spectrum_min_sigma: float = Field(ge=0)
    """Below this significance no spectrum is fitted."""
    assumed_index: float
    """Power law behind flux points and light curve where no spectrum was fitted."""
    upper_limit_below_sigma: float
    """Points below are given as upper limits."""
    upper_limit_sigma: float = Field(gt=0)
    """How far the upper limit lies from the best fit: 2 sigma are 95 % (two-sided)."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name in ("energy", "true_energy"):
            low, high = getattr(self, f"{name}_min_tev"), getattr(self, f"{name}_max_tev")
            if low >= high:
                raise ValueError(f"{name}_min_tev {low:g} must be below {name}_max_tev {high:g}")
        return self


def read_settings(path: Path = BASE_FILE) -> AnalysisSettings:
    """Read the settings from a YAML file.

    Raises
    ------
    AnalysisError
        If it cannot be read, or a value is wrong.
    """
    try:
        return AnalysisSettings.model_validate(yaml.safe_load(path.read_text()))
    except (OSError, yaml.YAMLError) as error:
        raise AnalysisError(f"{path} cannot be read as settings of an analysis ({error})") from error
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, one['loc'])) or 'file'}: {one['msg']}" for one in error.errors()]
        raise AnalysisError(f"{path}: {'; '.join(lines)}") from None
