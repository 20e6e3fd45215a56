"""Muon files of lstchain that lie beside the DL1 of LST-1."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from stereo_tasks.planning.plan import Element, Input, Plan
from stereo_tasks.stages.night import COINCIDE
from stereo_tasks.steps.qa import _muon_efficiency


@pytest.fixture
def plan(tmp_path):
    """A plan with two subruns of a run, and one of another."""
    dl1 = tmp_path / "DL1" / "20240110" / "v0.10" / "tailcut84"
    dl1.mkdir(parents=True)
    elements = tuple(
        Element(
            f"coincide/{run:05d}.{subrun:04d}", COINCIDE,
            (Input(str(dl1 / f"dl1_LST-1.Run{run:05d}.{subrun:04d}.h5"), role="lst"),), (str(tmp_path / "out.h5"),),
        )
        for run, subrun in ((1622, 0), (1622, 1), (1623, 0))
    )  # fmt: skip
    empty = Plan(
        production="mcp062", name="20240110/Crab", source="Crab", night="2024-01-10", root=str(tmp_path), choices=(),
        notices=(), blockers=(), runs=(), elements=(), config={}, settings={}, versions={},
    )  # fmt: skip
    return replace(empty, elements=elements)


def write(path: Path, efficiency, good):
    path.parent.mkdir(parents=True, exist_ok=True)
    Table({"muon_efficiency": efficiency, "good_ring": good}).write(path)


def test_the_efficiency_is_that_of_the_good_rings_of_all_subruns(plan, tmp_path):
    folder = tmp_path / "DL1" / "20240110" / "v0.10"
    write(folder / "muons_LST-1.Run01622.0000.fits", [0.2, 0.9, np.nan], [True, False, True])
    write(folder / "muons" / "muons_LST-1.Run01622.0001.fits", [0.16, 0.18], [True, True])
    assert _muon_efficiency(plan) == {1622: pytest.approx(0.18)}


def test_a_file_that_cannot_be_read_is_left_out(plan, tmp_path):
    folder = tmp_path / "DL1" / "20240110" / "v0.10"
    (folder / "muons_LST-1.Run01622.0000.fits").write_bytes(b"nothing")
    Table({"other": [1.0]}).write(folder / "muons_LST-1.Run01623.0000.fits")
    assert _muon_efficiency(plan) == {}
