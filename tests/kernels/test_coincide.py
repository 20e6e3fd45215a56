"""The coincidence kernel and magic-cta-pipe's own tool on the same files."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import tables

pytest.importorskip("magicctapipe", reason="the kernels are compared with magic-cta-pipe")

from same_files import differences
from toy_showers import Coincident, coincident, config

from stereo_tasks.kernels import magic_runs
from stereo_tasks.kernels.coincide import event_coincidence
from stereo_tasks.kernels.errors import NotCovered


def mcp_event_coincidence(*args, **kwargs):
    from magicctapipe.scripts.lst1_magic.lst1_magic_event_coincidence import event_coincidence as tool

    tool(*args, **kwargs)


def ends(function, *args, **kwargs):
    """How a call ends: the type of what it raises, and the exit code."""
    try:
        function(*args, **kwargs)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - both must end alike
        return type(error), getattr(error, "code", None)
    return None


def both(tmp_path, data: Coincident, settings=None, *, split=False, older=False):
    """Run both on the same files, and return how they ended."""
    settings = settings or config()
    lst, magic = data.write(tmp_path, split=split)
    if older:
        as_of_an_older_ctapipe(lst)
    theirs = ends(mcp_event_coincidence, lst, magic, str(tmp_path / "mcp"), config=copy.deepcopy(settings))
    ours = ends(event_coincidence, lst, magic, str(tmp_path / "new"), config=copy.deepcopy(settings))
    assert ours == theirs
    return ours


def as_of_an_older_ctapipe(path):
    """Write the instrument anew as ctapipe 0.19 did, with which lstchain 0.10 works; and with an attribute more."""
    with tables.open_file(path, "a") as file:
        old = file.get_node("/configuration/instrument/subarray/layout")
        attributes = {key: old.attrs[key] for key in old.attrs._f_list("user")}
        rows = old.read()
        old.remove()
        types = {"tel_id": "<i2", "tel_description": "S40", "name": "S9"}
        rows = rows.astype([(name, types.get(name, rows.dtype[name])) for name in rows.dtype.names])
        table = file.create_table("/configuration/instrument/subarray", "layout", obj=rows)
        for key, value in (attributes | {"SOFT_VER": "0.19.2", "CTAFIELD_10_MAXLEN": 40}).items():
            table.attrs[key] = value
        for node in ("geometry_0", "readout_0"):
            file.get_node(f"/configuration/instrument/telescope/camera/{node}").attrs["SOURCE"] = "elsewhere"


def assert_same(tmp_path):
    (made,) = (tmp_path / "mcp").iterdir()
    assert differences(made, tmp_path / "new" / made.name) == []
    with tables.open_file(str(made)) as file:
        return file.root.events.parameters.read(), file.root.coincidence.feature.read()


def plain(data):
    """Nothing unusual."""


def nan(data):
    for key in ("intensity", "time_gradient", "alt_tel", "az_tel", "x", "skewness"):
        data.lst[key][data.rng.choice(len(data.lst[key]), 9, replace=False)] = np.nan
    for key in ("intensity", "width", "pointing_alt", "slope"):
        data.magic[key][data.rng.choice(len(data.magic[key]), 5, replace=False)] = np.nan


def duplicates(data):
    data.lst["event_id"][50:55] = data.lst["event_id"][100:105]
    data.magic["event_id"][20:24] = data.magic["event_id"][30:34]


def shuffled(data):
    order = data.rng.permutation(len(data.magic["tel_id"]))
    data.magic = {key: values[order] for key, values in data.magic.items()}


def lst_in_disorder(data):
    data.lst["event_id"][200:240] = data.lst["event_id"][200:240][::-1]


def double_matches(data):
    # Twice two LST-1 showers within one MAGIC image's window, and once two MAGIC showers within one of LST-1.
    time_s, nanoseconds = data.lst["dragon_time"], data.magic["time_nanosec"]
    times = (data.magic["time_sec"] - int(time_s[0])) + nanoseconds * 1e-9
    matched = [np.abs(times - (t - int(time_s[0])) - 3.2e-6).argmin() for t in time_s[:-1]]
    near = [i for i, j in enumerate(matched) if abs(times[j] - (time_s[i] - int(time_s[0])) + 3.2e-6) < 3e-7][:2]
    for i in near:
        time_s[i + 1] = time_s[i] + 1e-7
    first = data.magic["tel_id"] == 2
    for i in np.flatnonzero(first)[[40]]:
        data.magic["time_sec"][i + 1], nanoseconds[i + 1] = data.magic["time_sec"][i], nanoseconds[i] + 100


def equal_rows(data):
    # Images of other showers with all the same values: drop_duplicates does not look at the ids.
    i = np.flatnonzero(data.magic["tel_id"] == 2)[-1]
    for key, values in data.magic.items():
        if key not in ("event_id", "tel_id"):
            values[i - 1] = values[i]
    data.magic["x"][i - 1], data.magic["x"][i] = 0.0, -0.0
    data.magic["y"][[i - 1, i]] = np.nan


def m2_missing(data):
    keep = data.magic["tel_id"] == 2
    data.magic = {key: values[keep] for key, values in data.magic.items()}


def m2_in_part(data):
    keep = (data.magic["tel_id"] == 2) | (data.magic["event_id"] > 70)
    data.magic = {key: values[keep] for key, values in data.magic.items()}


def other_m2_clock(data):
    data.magic["time_nanosec"][data.magic["tel_id"] == 3] += 1_000


def other_widths(data):
    for key in ("intensity_width_1", "intensity_width_2", "pixels_width_1"):
        data.lst[f"leakage_{key}"] = data.lst[f"leakage_{key}"].astype(np.float32)
    for key in ("length", "width", "psi", "intensity", "skewness"):
        data.lst[key] = data.lst[key].astype(np.float32)
    data.magic["pixels_width_2"] = data.magic["pixels_width_2"].astype(np.float32)
    data.magic["skewness"] = data.magic["skewness"].astype(np.float32)
    data.magic |= {
        "n_pixels": data.magic["n_pixels"].astype(np.int32),
        "tel_id": data.magic["tel_id"].astype(np.uint16),
    }
    data.lst |= {"n_pixels": data.lst["n_pixels"].astype(np.int16), "n_islands": data.lst["n_islands"].astype(np.uint8)}
    data.magic["obs_id"] = data.magic["obs_id"].astype(np.int32)
    data.lst["obs_id"] = data.lst["obs_id"].astype(np.uint32)


def more_columns(data):
    n = len(data.lst["event_id"])
    data.lst |= {"log_intensity": np.ones(n), "is_good": np.ones(n, dtype=bool), "concentration_cog": np.ones(n)}
    data.magic["psi_uncertainty"] = np.ones(len(data.magic["tel_id"]))


CASES = {
    "plain": [plain],
    "broken": [nan, duplicates, shuffled, lst_in_disorder],
    "equal": [double_matches, equal_rows],
    "M2 missing": [m2_missing],
    "M2 apart": [m2_in_part, other_m2_clock],
    "other columns": [other_widths, more_columns],
}


@pytest.mark.parametrize("name", CASES)
def test_same_as_the_tool(tmp_path, name):
    data = coincident(seed=sorted(CASES).index(name))
    for change in CASES[name]:
        change(data)
    assert both(tmp_path, data, split=name == "broken", older=name == "other columns") is None
    images, feature = assert_same(tmp_path)
    assert feature["n_coincidence"].min() > 20
    assert len(images) > 60


@pytest.mark.parametrize("settings", [
    {"window_half_width": "1500 ns"}, {"window_half_width": "0.2 us", "n_pre_offset_search_events": 40},
    {"window_half_width": "100 ns", "n_pre_offset_search_events": 3},
])  # fmt: skip
def test_other_windows(tmp_path, settings):
    assert both(tmp_path, coincident(seed=21), config(**settings)) is None
    assert_same(tmp_path)


def test_other_offset(tmp_path):
    data = coincident(seed=22)
    data.magic["time_nanosec"] += 118_800 + 3_200
    assert both(tmp_path, data) is None
    _, feature = assert_same(tmp_path)
    assert feature["average_offset"] == pytest.approx(118.8, abs=0.1)


def nothing_at_the_time(data):
    data.magic["time_sec"] += 60


def nothing_coincident(data):
    data.magic["time_nanosec"] = data.rng.integers(0, 1_000_000_000, len(data.magic["tel_id"]))
    keep = np.arange(len(data.magic["tel_id"])) < 1
    data.magic = {key: values[keep] for key, values in data.magic.items()}
    data.lst = {key: values[:1] for key, values in data.lst.items()}
    data.lst["event_type"][:] = 32


def many_double_matches(data):
    data.lst["dragon_time"][1::2] = data.lst["dragon_time"][:-1:2] + 1e-7


def test_no_magic_at_the_time(tmp_path):
    data = coincident(seed=23)
    nothing_at_the_time(data)
    assert both(tmp_path, data) == (SystemExit, 3)
    assert not (tmp_path / "new").exists()


def test_too_many_double_matches(tmp_path):
    data = coincident(seed=24)
    many_double_matches(data)
    assert both(tmp_path, data) == (SystemExit, 11)
    assert not (tmp_path / "new").exists()


def test_no_file_of_magic(tmp_path):
    data = coincident(seed=25)
    lst, magic = data.write(tmp_path)
    for path in tmp_path.glob("magic/*.h5"):
        path.unlink()
    for function in (mcp_event_coincidence, event_coincidence):
        assert ends(function, lst, magic, str(tmp_path / "out"), config=config()) == (FileNotFoundError, None)


def test_files_of_magic_without_events(tmp_path):
    data = coincident(seed=26)
    lst, magic = data.write(tmp_path, split=True)
    paths = sorted(tmp_path.glob("magic/*.h5"))
    with tables.open_file(str(paths[0]), "a") as file:
        file.remove_node("/events", recursive=True)
    mcp_event_coincidence(lst, magic, str(tmp_path / "mcp"), config=config())
    event_coincidence(lst, magic, str(tmp_path / "new"), config=config())
    assert_same(tmp_path)
    with tables.open_file(str(paths[1]), "a") as file:
        file.remove_node("/events", recursive=True)
    for function in (mcp_event_coincidence, event_coincidence):
        assert ends(function, lst, magic, str(tmp_path / "none"), config=config()) == (SystemExit, 7)


REFUSALS = {
    "offset": (config(pre_offset_search=False), plain),
    "images": (config() | {"save_images": True}, plain),
    "telescopes": (config(**{"LST-2": 4}), plain),
    "no LST": (config(**{"LST-1": 0}), plain),
    "window": (config(window_half_width="3 parsec"), plain),
    "narrow window": (config(window_half_width="0 ns"), plain),
    "odd window": (config(window_half_width="250 ns"), plain),
    "no time": (config(timestamp_type_lst="ucts_time"), plain),
    "no column": (config(), lambda data: data.lst.pop("az_tel")),
    "text": (config(), lambda data: data.lst.update(x=data.lst["x"].astype("S4"))),
    "vectors": (config(), lambda data: data.magic.update(x=np.ones((len(data.magic["x"]), 2)))),
    "float ids": (config(), lambda data: data.magic.update(event_id=data.magic["event_id"] * 1.0)),
    "float32 pointing": (config(), lambda data: data.lst.update(alt_tel=data.lst["alt_tel"].astype(np.float32))),
    "times": (config(), lambda data: data.lst["dragon_time"].__setitem__(3, np.nan)),
    "no showers": (config(), lambda data: data.lst["event_type"].fill(2)),
    "other telescope": (config(), lambda data: data.lst["tel_id"].fill(4)),
    "other MAGIC": (config(), lambda data: data.magic["tel_id"].__setitem__(3, 4)),
    "own timestamp": (config(), lambda data: data.lst.update(timestamp=data.lst["dragon_time"])),
    "bool": (
        config(),
        lambda data: (data.lst.update(good=data.lst["x"] > 0), data.magic.update(good=data.magic["x"] > 0)),
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(tmp_path, name):
    settings, change = REFUSALS[name]
    data = coincident(seed=30, n_lst=120, n_magic=60)
    change(data)
    lst, magic = data.write(tmp_path)
    with pytest.raises(NotCovered):
        event_coincidence(lst, magic, str(tmp_path / "new"), config=settings)
    assert not (tmp_path / "new").exists()


def test_refuses_offsets_from_elsewhere(tmp_path):
    with pytest.raises(NotCovered):
        event_coincidence("lst", "magic", str(tmp_path / "new"), "offsets", config=config())


def change_attribute(path, node, key, value):
    with tables.open_file(str(path), "a") as file:
        file.get_node(node).attrs[key] = value


CAMERA = "/configuration/instrument/telescope/camera"


@pytest.mark.parametrize(("which", "node", "key", "value"), [
    ("lst", "/configuration/instrument/subarray/layout", "TAB_VER", "1.0"),
    ("lst", f"{CAMERA}/geometry_0", "CAM_ROT", 3.0),
    ("lst", f"{CAMERA}/geometry_0", "CTAFIELD_1_UNIT", "cm"),
    ("lst", f"{CAMERA}/readout_0", "REFWIDTH", 0.3),
    ("M2", "/configuration/instrument/subarray/layout", "SUBARRAY", "another"),
])  # fmt: skip
def test_refuses_other_instruments(tmp_path, which, node, key, value):
    lst, magic = coincident(seed=30, n_lst=120, n_magic=60).write(tmp_path, split=True)
    (path,) = tmp_path.rglob("dl1_LST*.h5" if which == "lst" else f"dl1_{which}*.h5")
    change_attribute(path, node, key, value)
    with pytest.raises(NotCovered):
        event_coincidence(lst, magic, str(tmp_path / "new"), config=config())
    assert not (tmp_path / "new").exists()


def test_what_is_remembered_of_magic(tmp_path):
    magic_runs.forget()
    lst, magic = coincident(seed=31, n_lst=120, n_magic=60).write(tmp_path)
    first = magic_runs.magic_runs(magic)
    links = tmp_path / "links"
    links.mkdir()
    (path,) = (tmp_path / "magic").iterdir()
    (links / path.name).symlink_to(path)
    assert magic_runs.magic_runs(str(links)) is first
    change_attribute(path, "/events/parameters", "TITLE", "written anew")
    assert magic_runs.magic_runs(magic) is not first
    (links / path.name).unlink()
    event_coincidence(lst, magic, str(tmp_path / "new"), config=config())
