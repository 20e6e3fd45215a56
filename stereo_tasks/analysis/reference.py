"""The Crab Nebula as others measured it: the field's unit of flux."""

from __future__ import annotations

import math

from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy.modeling.models import LogParabolaSpectralModel, PowerLawSpectralModel, SpectralModel

CRAB = SkyCoord(83.6331, 22.0145, unit="deg")
MAGIC_2015 = "MAGIC 2015"
"""Aleksić et al. 2015, JHEAp 5, 30, 50 GeV to 30 TeV: 3.23(3)e-11 at 1 TeV, 2.47(1), 0.24(1) with log10."""
HEGRA_2004 = "HEGRA 2004"
"""Aharonian et al. 2004, ApJ 614, 897, 500 GeV to 80 TeV: 2.83(4)e-11 at 1 TeV, 2.62(2)."""
_SAME_DEG = 0.1


def is_crab(source: SkyCoord) -> bool:
    """Say whether a position is that of the Crab Nebula."""
    return bool(source.separation(CRAB).deg < _SAME_DEG)


def crab_spectrum() -> LogParabolaSpectralModel:
    """Return the published spectrum; gammapy's curvature is for the natural logarithm."""
    return LogParabolaSpectralModel(
        amplitude=3.23e-11 * u.Unit("TeV-1 cm-2 s-1"), alpha=2.47, beta=0.24 / math.log(10), reference=1 * u.TeV
    )


def crab_references() -> dict[str, tuple[SpectralModel, tuple[float, float]]]:
    """Return published spectra of the Crab Nebula, each with the energies in TeV that it was measured at."""
    hegra = PowerLawSpectralModel(amplitude=2.83e-11 * u.Unit("TeV-1 cm-2 s-1"), index=2.62, reference=1 * u.TeV)
    return {MAGIC_2015: (crab_spectrum(), (0.05, 30.0)), HEGRA_2004: (hegra, (0.5, 80.0))}
