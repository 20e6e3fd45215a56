"""DL2 files against those of magic-cta-pipe's own tool with forests of one thread, byte by byte."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tables
from hdf_equality import differences
from magicctapipe.scripts.lst1_magic.lst1_magic_dl1_stereo_to_dl2 import dl1_stereo_to_dl2 as mcp_dl1_stereo_to_dl2
from stereo_files import COMBINATIONS, FEATURES, draw, train, write

from stereo_tasks.kernels import dl2, forest_files
from stereo_tasks.kernels.errors import NotCovered
from stereo_tasks.kernels.images import COMBINATIONS as COMBINATION_TYPES

NAME = "dl1_stereo_MAGIC_LST-1.Run01622.h5"


def pack(folder):
    for path in folder.glob("*.joblib"):
        forest_files.pack(path)
    return folder


@pytest.fixture(scope="module")
def rfs(tmp_path_factory):
    return pack(train(tmp_path_factory.mktemp("site") / "rfs"))


def made_by_both(tmp_path, frame, rfs):
    source = write(tmp_path / NAME, frame)
    mcp_dl1_stereo_to_dl2(str(source), str(rfs), str(tmp_path / "mcp"))
    dl2.dl1_stereo_to_dl2(str(source), str(rfs), str(tmp_path / "kernel"))
    (expected,), (made,) = (list((tmp_path / name).iterdir()) for name in ("mcp", "kernel"))
    assert expected.name == made.name
    return expected, made


def column(path, name):
    with tables.open_file(str(path)) as file:
        return file.get_node("/events/parameters").col(name)


@pytest.mark.parametrize("simulated", [False, True])
def test_all_combinations_of_real_and_simulated_events(tmp_path, rfs, simulated, monkeypatch):
    monkeypatch.setattr(dl2, "ROWS_A_BLOCK", 100)
    frame = draw(1, 150, simulated=simulated).sample(frac=1, random_state=1)
    expected, made = made_by_both(tmp_path, frame, rfs)
    assert not differences(expected, made)
    assert np.isfinite(column(made, "reco_alt")).all()


def test_a_file_of_the_simulator_reconstructed_by_magic_cta_pipe(tmp_path, rfs):
    import yaml
    from magicctapipe.scripts.lst1_magic.lst1_magic_stereo_reco import stereo_reconstruction

    from stereo_tasks.simulate import MonteCarloSpec, NodeSpec, simulate_monte_carlo

    spec = MonteCarloSpec(
        nodes=(NodeSpec(zenith_deg=20, azimuth_deg=102.6),),
        gamma_train_showers=70, gamma_test_showers=1, proton_train_showers=1,
    )  # fmt: skip
    source = next(path for path in simulate_monte_carlo(spec, tmp_path) if "GammaTrain" in str(path))
    config = yaml.safe_load((Path(__file__).parents[2] / "config" / "mcp.yaml").read_text())
    stereo_reconstruction(str(source), str(tmp_path / "stereo"), config)
    (stereo,) = (tmp_path / "stereo").iterdir()
    mcp_dl1_stereo_to_dl2(str(stereo), str(rfs), str(tmp_path / "mcp"))
    dl2.dl1_stereo_to_dl2(str(stereo), str(rfs), str(tmp_path / "kernel"))
    (expected,), (made,) = (list((tmp_path / name).iterdir()) for name in ("mcp", "kernel"))
    assert not differences(expected, made)


def test_events_without_some_features_or_forests(tmp_path, rfs):
    frame = draw(2, 120)
    rng = np.random.default_rng(2)
    for name in ("h_max", "slope", "intensity", "psi", "x"):
        frame.loc[rng.random(len(frame)) < 0.05, name] = np.nan
    some = tmp_path / "some"
    some.mkdir()
    for path in rfs.iterdir():
        if "LST1_M2." not in path.name:
            (some / path.name).symlink_to(path)
    expected, made = made_by_both(tmp_path, frame, some)
    assert not differences(expected, made)
    assert 0 < np.isnan(column(made, "reco_alt")).mean() < 0.5


@pytest.mark.parametrize("kept", [(1, 2), (1, 2, 3)])
def test_events_of_one_combination(tmp_path, rfs, kept):
    expected, made = made_by_both(tmp_path, draw(3, 30, (kept,)), rfs)
    assert not differences(expected, made)


@pytest.mark.parametrize("combination", [(2, 3), (1, 2, 3)])
def test_one_event(tmp_path, rfs, combination):
    expected, made = made_by_both(tmp_path, draw(4, 1, (combination,)), rfs)
    assert not differences(expected, made)


def test_images_without_others_are_left_out(tmp_path, rfs):
    frame = draw(5, 60).drop(index=range(0, 60, 4))
    expected, made = made_by_both(tmp_path, frame, rfs)
    assert not differences(expected, made)
    assert len(column(made, "tel_id")) < len(frame)


def test_signed_and_unsigned_forests_of_other_features_and_settings(tmp_path):
    folder = train(tmp_path / "rfs", combinations=("LST1_M1_M2", "M1_M2"))
    few = ["n_pixels", "multiplicity", "intensity", "skewness", "slope"]
    settings = {"max_features": "sqrt", "min_samples_leaf": 5, "max_leaf_nodes": 9, "n_estimators": 4}
    train(folder, combinations=("LST1_M1_M2",), features=few, suffix="_unsigned", settings=settings, seed=3)
    frame = draw(6, 60)
    # The files with signs come first: their values stay where the others have none.
    frame.loc[::7, "slope"], frame.loc[::5, "h_max"] = np.nan, np.nan
    expected, made = made_by_both(tmp_path, frame, pack(folder))
    assert not differences(expected, made)


def test_events_of_magic_alone_get_one_time(tmp_path, rfs):
    frame = draw(7, 40, ((2, 3),))
    frame["time_sec"] = np.floor(frame.pop("timestamp"))
    frame["time_nanosec"] = np.random.default_rng(7).integers(10**9, size=len(frame))
    expected, made = made_by_both(tmp_path, frame, rfs)
    assert not differences(expected, made)
    assert column(made, "timestamp").mean() > 1.7e9


def test_numbers_that_floats_cannot_hold_are_rounded_as_there(tmp_path, rfs):
    frame = draw(8, 20)
    frame["event_id"] += 2**53
    frame["small"] = frame["intensity"].astype(np.float32)
    frame["count"] = np.arange(len(frame), dtype=np.uint8)
    expected, made = made_by_both(tmp_path, frame, rfs)
    assert not differences(expected, made)


@pytest.mark.parametrize("frame", [draw(9, 20).query("tel_id == 2"), draw(9, 20).iloc[:0]], ids=["single", "none"])
def test_no_event_is_left_to_magic_cta_pipe(tmp_path, rfs, frame):
    source = write(tmp_path / NAME, frame)
    with pytest.raises(NotCovered, match="no event has images of two telescopes"):
        dl2.dl1_stereo_to_dl2(str(source), str(rfs), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["energy_regressors", "disp_regressors", "event_classifiers"])
def test_without_a_kind_of_forest_it_ends_as_there(tmp_path, rfs, kind):
    some = tmp_path / "some"
    shutil.copytree(rfs, some, ignore=shutil.ignore_patterns(f"{kind}*"))
    source = write(tmp_path / NAME, draw(10, 20))
    errors = []
    for tool in (mcp_dl1_stereo_to_dl2, dl2.dl1_stereo_to_dl2):
        with pytest.raises(UnboundLocalError) as raised:
            tool(str(source), str(some), str(tmp_path / "out"))
        errors.append(str(raised.value))
    assert errors[0] == errors[1]
    assert not (tmp_path / "out").exists()


def twice(frame):
    frame.loc[1, ["obs_id", "event_id", "tel_id"]] = frame.loc[0, ["obs_id", "event_id", "tel_id"]]


def unknown_telescope(frame):
    frame.loc[frame["tel_id"] == 3, "tel_id"] = 4


def infinite(frame):
    frame.loc[5, "intensity"] = np.inf


def too_large_for_float32(frame):
    frame.loc[5, "impact"] = 1e39


def beyond_the_zenith(frame):
    frame.loc[5, "pointing_alt"] = 1.6


def there_already(frame):
    frame["reco_alt"] = 1.0


def narrow(frame):
    frame["psi"] = frame["psi"].astype(np.float32)


def no_feature(frame):
    del frame["slope"]


def all_unknown(frame):
    frame["slope"] = np.nan


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (twice, "two images of the same telescope"),
        (unknown_telescope, "other telescopes"),
        (infinite, "not finite as float32"),
        (too_large_for_float32, "not finite as float32"),
        (beyond_the_zenith, "beyond the zenith"),
        (there_already, "there already: reco_alt"),
        (narrow, "float64: psi"),
        (no_feature, "columns that are not there: slope"),
        (all_unknown, "no image has all the features"),
    ],
)
def test_what_is_left_to_magic_cta_pipe(tmp_path, rfs, change, text):
    frame = draw(11, 20)
    change(frame)
    source = write(tmp_path / NAME, frame)
    with pytest.raises(NotCovered, match=text):
        dl2.dl1_stereo_to_dl2(str(source), str(rfs), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_forests_in_the_wrong_files_are_left_to_magic_cta_pipe(tmp_path, rfs):
    source = write(tmp_path / NAME, draw(12, 20))
    some = tmp_path / "some"
    shutil.copytree(rfs, some)
    for suffix in ("joblib", "packed"):
        shutil.copy2(some / f"event_classifiers_M1_M2.{suffix}", some / f"energy_regressors_M1_M2.{suffix}")
    with pytest.raises(NotCovered, match="does not hold a regressor"):
        dl2.dl1_stereo_to_dl2(str(source), str(some), str(tmp_path / "out"))


def of_another_ctapipe(file):
    file.get_node(dl2.OPTICS)._v_attrs.SOFT_VER = "0.19.0"


def with_another_node(file):
    file.create_array("/configuration", "other", [1])


def with_optics_that_no_telescope_has(file):
    optics = file.get_node(dl2.OPTICS)
    row = optics.read(0, 1)
    row["optics_name"] = b"ZZZ"
    optics.append(row)


def with_other_focal_lengths(file):
    layout = file.get_node(dl2.LAYOUT)
    rows = layout.read()
    rows["optics_index"] = [0, 0, 1]
    layout.modify_rows(0, 3, rows=rows)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (of_another_ctapipe, "described by ctapipe"),
        (with_another_node, "other nodes"),
        (with_optics_that_no_telescope_has, "not used"),
        (with_other_focal_lengths, "other focal lengths"),
    ],
)
def test_descriptions_of_telescopes_that_are_left_to_magic_cta_pipe(tmp_path, rfs, change, text):
    source = write(tmp_path / NAME, draw(13, 20))
    with tables.open_file(str(source), "a") as file:
        change(file)
    with pytest.raises(NotCovered, match=text):
        dl2.dl1_stereo_to_dl2(str(source), str(rfs), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_the_constants_are_those_of_the_tool():
    import ctapipe
    from magicctapipe.scripts.lst1_magic import lst1_magic_dl1_stereo_to_dl2 as tool

    assert [list(telescopes) for telescopes in COMBINATION_TYPES] == list(tool.TEL_COMBINATIONS.values())
    assert ctapipe.__version__ == dl2.CTAPIPE
    assert dict.fromkeys(COMBINATIONS) == dict.fromkeys(tool.TEL_COMBINATIONS)
    assert len(FEATURES) > 8
