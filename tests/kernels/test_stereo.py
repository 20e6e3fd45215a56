"""The stereo kernel and magic-cta-pipe's own tool on the same files."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import tables

pytest.importorskip("magicctapipe", reason="the kernels are compared with magic-cta-pipe")

from same_files import differences
from toy_showers import config, stereo_table, write_stereo_input

from stereo_tasks.kernels.errors import NotCovered
from stereo_tasks.kernels.stereo import stereo_reconstruction

NAME = "dl1_MAGIC_LST-1.Run16270.0003.h5"


def mcp_stereo_reconstruction(*args):
    from magicctapipe.scripts.lst1_magic.lst1_magic_stereo_reco import stereo_reconstruction as tool

    tool(*args)


def ends(function, *args):
    """How a call ends: the type of what it raises, and the exit code."""
    try:
        function(*args)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - both must end alike
        return type(error), getattr(error, "code", None)
    return None


def both(tmp_path, table, settings=None):
    """Run both on the same file; returns how they ended and what they wrote, if it is the same."""
    path = str(write_stereo_input(tmp_path / NAME, table))
    settings = settings or config()
    theirs = ends(mcp_stereo_reconstruction, path, str(tmp_path / "mcp"), copy.deepcopy(settings))
    ours = ends(stereo_reconstruction, path, str(tmp_path / "new"), copy.deepcopy(settings))
    assert ours == theirs
    if ours is not None:
        assert not (tmp_path / "new").exists()
        return ours, None
    made = tmp_path / "mcp" / NAME.replace("dl1", "dl1_stereo")
    assert differences(made, tmp_path / "new" / made.name) == []
    with tables.open_file(str(made)) as file:
        return None, file.root.events.parameters.read()


def chosen(table, n, rng):
    return rng.choice(len(table["tel_id"]), n, replace=False)


def plain(table, rng):
    """Nothing unusual."""


def poor_images(table, rng):
    """Few pixels, no width, little light: images that do not count; NaN where it does not matter and where it does."""
    table["n_pixels"][chosen(table, 12, rng)] = 3
    table["width"][chosen(table, 5, rng)] = 0.0
    table["width"][chosen(table, 5, rng)] = np.nan
    table["intensity"][chosen(table, 8, rng)] = 50.0
    table["intensity"][chosen(table, 3, rng)] = np.nan
    for name in ("psi", "x", "length", "skewness"):
        table[name][chosen(table, 3, rng)] = np.nan


def duplicated_and_shuffled(table, rng):
    twice = chosen(table, 5, rng)
    order = rng.permutation(np.append(np.arange(len(table["tel_id"])), twice))
    for name in table:
        table[name] = table[name][order]


def mispointing(table, rng):
    apart = np.isin(table["event_id"], np.unique(table["event_id"])[::4]) & (table["tel_id"] > 1)
    table["pointing_alt"][apart] += np.radians(0.4)


def at_north(table, rng):
    """Azimuths to both sides of zero, and telescopes that point a little apart."""
    table["pointing_az"] = (table["pointing_az"] - 1.7 + rng.normal(0, 1e-4, len(table["tel_id"]))) % (2 * np.pi)


def near_zenith(table, rng):
    table["pointing_alt"] += np.pi / 2 - 1.2 - 0.001


def without_lst(table, rng):
    keep = (table["tel_id"] > 1) | (table["event_id"] > 60)
    for name in table:
        table[name] = table[name][keep]


def other_widths(table, rng):
    for name in ("x", "psi", "length", "skewness", "intensity_width_1"):
        table[name] = table[name].astype(np.float32)
    for name in ("tel_id", "n_pixels", "multiplicity"):
        table[name] = table[name].astype(np.int16)


def only_magic(table, rng):
    keep = table["tel_id"] > 1
    for name in table:
        table[name] = table[name][keep]


CASES = {
    "plain": [plain],
    "broken": [poor_images, duplicated_and_shuffled],
    "apart": [mispointing, other_widths],
    "at north": [at_north, without_lst],
    "near zenith": [near_zenith],
    "only MAGIC": [only_magic],
}


@pytest.mark.parametrize("name", CASES)
def test_same_as_the_tool(tmp_path, name):
    rng = np.random.default_rng(sorted(CASES).index(name))
    table = stereo_table(32, rng)
    for change in CASES[name]:
        change(table, rng)
    end, images = both(tmp_path, table)
    assert end is None
    assert np.isfinite(images["core_x"]).sum() > 30


@pytest.mark.parametrize("change", [plain, poor_images])
def test_monte_carlo(tmp_path, change):
    rng = np.random.default_rng(40)
    table = stereo_table(20, rng, simulated=True)
    change(table, rng)
    end, images = both(tmp_path, table)
    assert end is None
    assert images.dtype["magic_stereo"] == np.bool_
    assert images.dtype.names[-11:-9] == ("multiplicity", "combo_type")


def parallel(table, rng):
    """All images of three showers along the meridian: their axes on the ground are parallel to the last bit."""
    some = np.isin(table["event_id"], np.unique(table["event_id"])[[4, 9, 20]])
    for name in ("x", "y", "psi"):
        table[name][some] = 0.0
    table["pointing_alt"][some], table["pointing_az"][some] = 1.2, 0.0


def test_matrix_without_inverse(tmp_path, monkeypatch):
    failed = []
    inverse = np.linalg.inv
    rng = np.random.default_rng(50)
    table = stereo_table(30, rng)
    parallel(table, rng)

    def counted(matrix):
        try:
            return inverse(matrix)
        except np.linalg.LinAlgError:
            failed.append(matrix.shape)
            raise

    monkeypatch.setattr(np.linalg, "inv", counted)
    end, images = both(tmp_path, table)
    assert end is None
    assert failed
    assert np.isnan(images["is_valid"]).any()
    assert (images["is_valid"] == 1).any()


def test_no_shower_is_valid(tmp_path):
    table = stereo_table(8, np.random.default_rng(51))
    table["n_pixels"][:] = 2
    end, images = both(tmp_path, table)
    assert end is None
    assert "alt" not in images.dtype.names


@pytest.mark.parametrize("change", [
    lambda table: table["intensity"].fill(20),
    lambda table: table["tel_id"].fill(2),
    lambda table: table["pointing_alt"].__isub__(0.02 * (table["tel_id"] == 1)),
], ids=["no light", "one telescope", "apart"])  # fmt: skip
def test_same_ends(tmp_path, change):
    table = stereo_table(8, np.random.default_rng(52))
    change(table)
    end, _ = both(tmp_path, table)
    assert end in {(ZeroDivisionError, None), (SystemExit, 2)}


@pytest.mark.parametrize("cuts", [None, "intensity > 120", "(intensity >= 60) & (width > 0) & (length < 0.15)"])
def test_other_cuts(tmp_path, cuts):
    settings = config(quality_cuts=cuts, theta_uplim="0.2 deg")
    table = stereo_table(10, np.random.default_rng(53))
    table["intensity"] += 60
    assert both(tmp_path, table, settings)[0] is None


def set_column(name, values):
    return lambda table: table.update({name: values(table)})


REFUSALS = {
    "images": (config() | {"save_images": True}, plain),
    "telescopes": (config(**{"LST-2": 4}), plain),
    "limit": (config(theta_uplim="0.1 rad"), plain),
    "other cuts": (config(quality_cuts="intensity > 50 | width > 0"), plain),
    "unknown column": (config(quality_cuts="size > 50"), plain),
    "function": (config(quality_cuts="abs(x) > 50"), plain),
    "no expression": (config(quality_cuts="intensity >"), plain),
    "reconstructed": (config(), set_column("alt", lambda table: table["x"])),
    "no column": (config(), lambda table: table.pop("slope")),
    "float ids": (config(), set_column("event_id", lambda table: table["event_id"] * 1.0)),
    "float32 pointing": (config(), set_column("pointing_az", lambda table: table["pointing_az"].astype(np.float32))),
    "no weight": (config(), lambda table: table["length"].fill(0)),
    "beyond the zenith": (config(), lambda table: table["pointing_alt"].fill(1.6)),
    "far away": (config(), lambda table: table["x"].fill(60)),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(tmp_path, name):
    settings, change = REFUSALS[name]
    table = stereo_table(6, np.random.default_rng(60))
    change(table) if change is not plain else None
    path = write_stereo_input(tmp_path / NAME, table)
    with pytest.raises(NotCovered):
        stereo_reconstruction(str(path), str(tmp_path / "new"), settings)
    assert not (tmp_path / "new").exists()


def test_refuses_magic_alone(tmp_path):
    path = write_stereo_input(tmp_path / NAME, stereo_table(6, np.random.default_rng(61)))
    with pytest.raises(NotCovered):
        stereo_reconstruction(str(path), str(tmp_path / "new"), config(), magic_only_analysis=True)


def test_refuses_a_file_without_events(tmp_path):
    path = write_stereo_input(tmp_path / NAME, stereo_table(6, np.random.default_rng(62)))
    with tables.open_file(str(path), "a") as file:
        file.remove_node("/events", recursive=True)
    with pytest.raises(NotCovered):
        stereo_reconstruction(str(path), str(tmp_path / "new"), config())
