"""Monte Carlo DL1: layout, truth in the configuration, and the real stereo reconstruction on it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stereo_tasks.simulate import MonteCarloSpec, simulate_monte_carlo
from tests.simulate.conftest import MONTE_CARLO

FOLDER = "mc/DL1/ST0320A/NSB1.5/v01/dec_2276"


def test_files_have_their_names(monte_carlo):
    names = sorted(p.relative_to(monte_carlo).as_posix() for p in monte_carlo.rglob("*.h5"))
    end = "_zd_20.0deg_az_100.0deg_LST1_MAGIC1_MAGIC2_run1.h5"
    assert names == [
        f"{FOLDER}/GammaTest/dl1_gamma{end}",
        f"{FOLDER}/GammaTrain/dl1_gamma{end}",
        f"{FOLDER}/ProtonTrain/dl1_proton{end}",
    ]


def test_configuration_is_what_was_thrown(monte_carlo):
    for sample, showers, cone in (("GammaTest", 150, (0.4, 0.4)), ("ProtonTrain", 500, (0.0, 3.0))):
        (path,) = (monte_carlo / FOLDER / sample).glob("*.h5")
        config = pd.read_hdf(path, "simulation/config").iloc[0]
        assert config["n_showers"] * config["shower_reuse"] == showers
        assert (config["min_viewcone_radius"], config["max_viewcone_radius"]) == cone
        assert config["max_scatter_range"] == 350.0
        assert config["spectral_index"] == -2.0
        events = pd.read_hdf(path, "events/parameters")
        assert events["true_energy"].between(config["energy_range_min"], config["energy_range_max"]).all()
        assert events["event_id"].nunique() < showers


def test_gammas_come_from_the_ring_and_disp_fits(monte_carlo):
    (path,) = (monte_carlo / FOLDER / "GammaTest").glob("*.h5")
    events = pd.read_hdf(path, "events/parameters")
    assert np.allclose(events["off_axis"], 0.4)
    assert events["magic_stereo"].all()
    assert events["true_disp"].between(0, 4).all()
    assert np.all(events["true_impact"] < 600)
    assert np.allclose(np.rad2deg(events["pointing_alt"]), 70)


def test_columns_are_those_of_the_real_tool(monte_carlo):
    from ctapipe.containers import (
        CameraHillasParametersContainer,
        ConcentrationContainer,
        LeakageContainer,
        TimingParametersContainer,
    )
    from magicctapipe.io import SimEventInfoContainer

    (path,) = (monte_carlo / FOLDER / "GammaTrain").glob("*.h5")
    expected = {f"concentration_{name}" for name in ConcentrationContainer.fields}
    for kind in (
        SimEventInfoContainer,
        CameraHillasParametersContainer,
        TimingParametersContainer,
        LeakageContainer,
    ):
        expected |= set(kind.fields)
    assert set(pd.read_hdf(path, "events/parameters").columns) == expected


def test_true_disp_agrees_with_the_real_function(monte_carlo):
    import astropy.units as u
    from magicctapipe.utils import calculate_disp

    from stereo_tasks.simulate.cameras import camera

    (path,) = (monte_carlo / FOLDER / "GammaTest").glob("*.h5")
    rows = pd.read_hdf(path, "events/parameters").query("tel_id == 1").iloc[:5]
    disp = calculate_disp(
        rows["pointing_alt"].to_numpy() * u.rad,
        rows["pointing_az"].to_numpy() * u.rad,
        rows["true_alt"].to_numpy() * u.deg,
        rows["true_az"].to_numpy() * u.deg,
        rows["x"].to_numpy() * u.m,
        rows["y"].to_numpy() * u.m,
        camera(1).geometry.frame,
    )
    assert disp.to_value("deg") == pytest.approx(rows["true_disp"].to_numpy(), abs=1e-3)


def test_real_stereo_reconstruction_finds_the_direction(monte_carlo, tmp_path):
    import magicctapipe
    import yaml
    from magicctapipe.scripts.lst1_magic.lst1_magic_stereo_reco import stereo_reconstruction

    config = yaml.safe_load((Path(magicctapipe.__file__).parent / "resources" / "config.yaml").read_text())
    (path,) = (monte_carlo / FOLDER / "GammaTest").glob("*.h5")
    stereo_reconstruction(str(path), str(tmp_path), config)
    (result,) = tmp_path.glob("*.h5")
    events = pd.read_hdf(result, "events/parameters").dropna(subset=["alt"])
    three = events.query("multiplicity == 3 and true_energy > 0.3").drop_duplicates("event_id")
    assert len(three) >= 5
    offset = np.hypot(three["alt"] - three["true_alt"], (three["az"] - three["true_az"]) * np.cos(np.deg2rad(70)))
    assert np.median(offset) < 0.1
    core = np.hypot(three["core_x"] - three["true_core_x"], three["core_y"] - three["true_core_y"])
    assert np.median(core) < 30


def test_second_call_does_nothing_and_a_new_spec_replaces(monte_carlo, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in monte_carlo.rglob("*.h5")}
    paths = simulate_monte_carlo(MONTE_CARLO, monte_carlo)
    assert len(paths) == 3
    assert before == {path: path.stat().st_mtime_ns for path in monte_carlo.rglob("*.h5")}
    tiny = MONTE_CARLO.model_copy(
        update={"gamma_train_showers": 40, "gamma_test_showers": 40, "proton_train_showers": 150}
    )
    first = simulate_monte_carlo(tiny, tmp_path)
    other = tiny.model_copy(update={"nodes": (tiny.nodes[0].model_copy(update={"zenith_deg": 30.0}),)})
    second = simulate_monte_carlo(other, tmp_path)
    assert not any(path.exists() for path in first)
    assert all(path.is_file() for path in second)


def test_two_nodes_are_refused():
    nodes = [{"zenith_deg": 20, "azimuth_deg": 100}, {"zenith_deg": 30, "azimuth_deg": 90}]
    with pytest.raises(ValueError, match="exactly two nodes"):
        MonteCarloSpec(nodes=nodes)


def test_several_processes_make_the_same_events(monte_carlo, tmp_path):
    alone = sorted(monte_carlo.rglob("*.h5"))
    together = sorted(simulate_monte_carlo(MONTE_CARLO, tmp_path, processes=2))
    assert [path.relative_to(tmp_path) for path in together] == [path.relative_to(monte_carlo) for path in alone]
    for ours, theirs in zip(together, alone, strict=True):
        pd.testing.assert_frame_equal(*(pd.read_hdf(path, "events/parameters") for path in (ours, theirs)))
