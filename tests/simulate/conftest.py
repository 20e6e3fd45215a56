"""One small night, one faulty night and one small Monte Carlo, simulated once for all tests of this folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("ctapipe", reason="the simulator runs in the science environment")

from stereo_tasks.simulate import (
    Fault,
    MonteCarloSpec,
    NightSpec,
    NodeSpec,
    RunSpec,
    SourceSpec,
    SpectrumSpec,
    simulate_monte_carlo,
    simulate_night,
)


def small_night(**changes) -> NightSpec:
    """A night of one run of two subruns of three seconds."""
    source = SourceSpec(
        name="CrabNebula",
        ra_deg=83.633212,
        dec_deg=22.01446,
        spectrum=SpectrumSpec(amplitude_per_tev_cm2_s=2e-9),
        runs=(RunSpec(zenith_deg=20.0, subruns=2, subrun_seconds=3.0),),
    )
    settings = {"night": "2024-01-10", "seed": 3, "sources": (source,), "proton_library": 50, "lst_rate_hz": 40.0}
    settings |= {"first_lst_run": 16270, "first_magic_run": 5_114_600}
    return NightSpec(**(settings | changes))


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    old = os.environ.get("STEREO_CACHE")
    os.environ["STEREO_CACHE"] = str(folder)
    yield folder
    if old is None:
        del os.environ["STEREO_CACHE"]
    else:
        os.environ["STEREO_CACHE"] = old


@pytest.fixture(scope="session")
def night(tmp_path_factory, cache) -> Path:
    """Data folder of a good night."""
    out = tmp_path_factory.mktemp("night")
    simulate_night(small_night(), out)
    return out


@pytest.fixture(scope="session")
def faulty(tmp_path_factory, cache) -> Path:
    """Data folder of a night with every fault that leaves a mark in files."""
    out = tmp_path_factory.mktemp("faulty")
    run = RunSpec(zenith_deg=20.0, subruns=4, subrun_seconds=1.0)
    other = RunSpec(zenith_deg=22.0, subruns=1, subrun_seconds=1.0)
    source = small_night().sources[0].model_copy(update={"runs": (run, other)})
    faults = (
        Fault(kind="magic_truncated", subrun=0, telescope="M2"),
        Fault(kind="magic_missing", subrun=1),
        Fault(kind="magic_noise", subrun=2),
        Fault(kind="duplicated", subrun=3),
        Fault(kind="lst_truncated", subrun=0),
        Fault(kind="lst_missing", subrun=1),
        Fault(kind="pointing_apart", run=1),
        Fault(kind="no_overlap", run=1),
        Fault(kind="broken_gps", run=1),
        Fault(kind="clock_jump", run=1, subrun=0),
        Fault(kind="low_rate", run=1),
        Fault(kind="light_loss", run=1),
        Fault(kind="noisy_telescope", run=1, telescope="M1"),
        Fault(kind="wrong_position", run=1),
        Fault(kind="lst_stall", subrun=3, begin_s=0.2, duration_s=0.5),
        Fault(kind="magic_stall", subrun=3, begin_s=0.2, duration_s=0.5, telescope="M2"),
    )
    simulate_night(small_night(sources=(source,), faults=faults), out)
    return out


MONTE_CARLO = MonteCarloSpec(
    seed=5,
    nodes=(NodeSpec(zenith_deg=20, azimuth_deg=100),),
    gamma_train_showers=150,
    gamma_test_showers=150,
    proton_train_showers=500,
)


@pytest.fixture(scope="session")
def monte_carlo(tmp_path_factory) -> Path:
    """Data folder with one node of Monte Carlo."""
    out = tmp_path_factory.mktemp("mc")
    simulate_monte_carlo(MONTE_CARLO, out)
    return out
