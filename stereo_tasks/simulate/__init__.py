"""Synthetic nights of MAGIC + LST-1 in the real file formats, with their truth."""

from __future__ import annotations

from stereo_tasks.simulate.demo import demo_monte_carlo, demo_spec
from stereo_tasks.simulate.monte_carlo import simulate_monte_carlo
from stereo_tasks.simulate.night import plan_runs, simulate_night
from stereo_tasks.simulate.spec import (
    Fault,
    FaultKind,
    MonteCarloSpec,
    NightSpec,
    NodeSpec,
    RunSpec,
    SourceSpec,
    SpectrumSpec,
    StandaloneSpec,
)

__all__ = [
    "Fault",
    "FaultKind",
    "MonteCarloSpec",
    "NightSpec",
    "NodeSpec",
    "RunSpec",
    "SourceSpec",
    "SpectrumSpec",
    "StandaloneSpec",
    "demo_monte_carlo",
    "demo_spec",
    "plan_runs",
    "simulate_monte_carlo",
    "simulate_night",
]
