"""What an analysis is made with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AnalysisSettings:
    """Binning, regions and thresholds of an analysis; all of it is written into its results."""

    energy_min_tev: float = 0.04
    """Reconstructed energy, as in the analyses of MAGIC + LST-1 so far."""
    energy_max_tev: float = 25.0
    bins_per_decade: int = 5
    """Twice the energy resolution of 15 to 20 %."""
    true_energy_min_tev: float = 0.01
    true_energy_max_tev: float = 100.0
    true_bins_per_decade: int = 10
    off_regions_max: int = 5
    """No more are taken even where they fit: a sixth one tells little more of the background."""
    circle_radius_deg: float = 0.14
    """ON region where the IRFs have no theta cut of their own; theta2 below 0.02 deg2."""
    offset_max_deg: float = 1.5
    """A run belongs to a source if it points closer than this."""
    aeff_percent_min: float = 10.0
    """Energies with less effective area than this percentage of its maximum are left out."""
    reference_tev: float = 1.0
    """Energy at which the flux is given."""
    spectrum_min_sigma: float = 5.0
    """Below this significance no spectrum is fitted: three parameters are more than the excess can tell."""
    assumed_index: float = 2.5
    """Power law behind flux points and light curve where no spectrum was fitted."""
    upper_limit_below_sigma: float = 2.0
    """Points below are given as upper limits."""
    upper_limit_sigma: float = 2.0
    """How far the upper limit lies from the best fit: 2 sigma are 95 % (two-sided)."""
