"""The demo: a short night of a boosted Crab, and the smallest Monte Carlo from which its spectrum comes back."""

from __future__ import annotations

from stereo_tasks.simulate.spec import MonteCarloSpec, NightSpec, NodeSpec, RunSpec, SourceSpec, SpectrumSpec

CRAB_RA_DEG, CRAB_DEC_DEG = 83.633212, 22.01446
CRAB_AT_HALF_TEV_PER_TEV_CM2_S = 1.7e-10
"""The Crab Nebula's differential flux at 0.5 TeV (MAGIC 2015, log-parabola, rounded)."""

BOOST = 10.0
"""Ten Crabs: a minute then has as many gammas as ten minutes of the real one."""


def demo_spec(night: str = "2024-01-10", seed: int = 1) -> NightSpec:
    """Return two short runs of the boosted Crab and one of a weak source.

    Parameters
    ----------
    night : str
        Evening date.
    seed : int
        Seed number.
    """
    amplitude = BOOST * CRAB_AT_HALF_TEV_PER_TEV_CM2_S
    return NightSpec(
        night=night,
        seed=seed,
        sources=(
            SourceSpec(
                name="CrabNebula",
                ra_deg=CRAB_RA_DEG,
                dec_deg=CRAB_DEC_DEG,
                spectrum=SpectrumSpec(amplitude_per_tev_cm2_s=amplitude),
                runs=(
                    RunSpec(zenith_deg=24.0, wobble_angle_deg=35.0),
                    RunSpec(zenith_deg=16.0, wobble_angle_deg=215.0),
                ),
            ),
            SourceSpec(
                name="1A0535+262",
                ra_deg=84.727399,
                dec_deg=26.315806,
                spectrum=SpectrumSpec(amplitude_per_tev_cm2_s=0.1 * amplitude),
                runs=(RunSpec(zenith_deg=20.0),),
            ),
        ),
    )


def demo_monte_carlo(seed: int = 1) -> MonteCarloSpec:
    """Return three nodes along the rising track of declination 22.76 deg, around the demo night's zenith angles.

    Parameters
    ----------
    seed : int
        Seed number.
    """
    nodes = (
        NodeSpec(zenith_deg=12.0, azimuth_deg=117.4),
        NodeSpec(zenith_deg=20.0, azimuth_deg=102.6),
        NodeSpec(zenith_deg=30.0, azimuth_deg=93.9),
    )
    return MonteCarloSpec(seed=seed, nodes=nodes)
