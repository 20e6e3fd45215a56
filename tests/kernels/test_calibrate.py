"""DL1 files of the kernel and of magic-cta-pipe's own tool, from the same calibrated files."""

import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import uproot
import yaml

pytest.importorskip("magicctapipe", reason="the kernels are compared in the science environment")

from calibrated_files import FILE_PIXELS, Calibrated, dead, jagged, noise, pedestal_samples, showers, simulated_subruns
from hdf5_files import differences
from magicctapipe.scripts.lst1_magic.magic_calib_to_dl1 import magic_calib_to_dl1 as mcp_tool

from stereo_tasks.kernels.calibrate import magic_calib_to_dl1
from stereo_tasks.kernels.calibrate_constants import DATA, write_template
from stereo_tasks.kernels.dl1_file import TEMPLATE_FILE
from stereo_tasks.kernels.errors import NotCovered

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "config" / "mcp.yaml").read_text())


def products(path, folder, config=CONFIG):
    """Run both; return the two products."""
    logging.disable(logging.CRITICAL)
    mcp_tool(str(path), str(folder / "mcp"), config, None)
    logging.disable(logging.NOTSET)
    magic_calib_to_dl1(str(path), str(folder / "kernel"), config)
    (made,) = (folder / "kernel").iterdir()
    (expected,) = (folder / "mcp").iterdir()
    assert made.name == expected.name
    return made, expected


def rows(path):
    import tables

    with tables.open_file(str(path)) as file:
        return file.root.events.parameters.read()


@pytest.fixture(scope="module")
def rng():
    return np.random.default_rng(5)


def test_simulated_subruns_with_the_drive_reports_of_each_other_and_the_empty_file(tmp_path):
    (tmp_path / "in").mkdir()
    for number, path in enumerate(simulated_subruns(tmp_path / "in")):
        made, expected = products(path, tmp_path / str(number))
        assert differences(made, expected) == []
    assert len(rows(made)) > 10
    write_template(expected, tmp_path / TEMPLATE_FILE)
    assert differences(DATA / TEMPLATE_FILE, tmp_path / TEMPLATE_FILE) == []


def test_bad_pixels_many_baskets_and_odd_values(tmp_path, rng):
    charge, samples = showers(260, rng)
    charge[3, 100:110], charge[4, 200:203], samples[5, 300:310] = np.nan, np.inf, np.nan
    charge[6, 400:500] = -5
    charge[7:20] *= 20
    hole = (0, 1, 2, 3, 4, 5, 6, 500, 501, 502, 1038)
    columns = {
        "RunHeaders": dead(*hole) | {"MRawRunHeader.fSamplingFrequency": np.array([1639], dtype=np.uint16)},
        "Pedestals": pedestal_samples([-1.0, 2.5, 5.0, 4.0, 9.0], rng),
    }
    path = Calibrated(charge, samples, telescope=2, columns=columns, baskets=5).write(tmp_path / "in")
    made, expected = products(path, tmp_path)
    assert differences(made, expected) == []
    assert len(rows(made)) > 100


@pytest.mark.parametrize("make", [noise, showers], ids=["no event survives", "one event survives"])
def test_few_events(tmp_path, make):
    charge, samples = make(3, np.random.default_rng(11))
    charge[2:], samples[2:] = noise(1, np.random.default_rng(1))
    path = Calibrated(charge, samples, pedestal=np.array([True, False, False])).write(tmp_path / "in")
    made, expected = products(path, tmp_path)
    assert differences(made, expected) == []
    assert make is noise or len(rows(made)) == 1


def test_time_differences_of_the_showers_themselves_if_asked_for(tmp_path, rng):
    path = Calibrated(*showers(90, rng)).write(tmp_path / "in")
    for name, corrections in (("as", ()), ("right", ("time_difference",))):
        magic_calib_to_dl1(str(path), str(tmp_path / name), CONFIG, corrections=corrections)
    as_the_tool, right = (rows(next((tmp_path / name).iterdir())) for name in ("as", "right"))
    with uproot.open(path) as file:
        events = file["Events"].arrays(library="np")
    stereo = events["MTriggerPattern.fPrescaled"] == 128
    own_s = dict(
        zip(events["MRawEvtHeader.fStereoEvtNumber"][stereo], events["MRawEvtHeader.fTimeDiff"][stereo], strict=True)
    )
    assert len(right) > 40
    assert right["time_diff"].tolist() == [own_s[event] for event in right["event_id"]]
    # Event 0 is a pedestal event: every shower is told the difference of an event before it.
    assert not np.isin(as_the_tool["time_diff"], right["time_diff"]).all()
    assert (as_the_tool["time_diff"] != right["time_diff"]).all()
    for name in set(right.dtype.names) - {"time_diff"}:
        assert right[name].tobytes() == as_the_tool[name].tobytes()


def small(**changes):
    charge, samples = showers(4, np.random.default_rng(2))
    return Calibrated(charge, samples, pedestal=np.array([True, False, False, False]), **changes)


def events(**changes):
    return small(columns={"Events": {name.replace("__", "."): values for name, values in changes.items()}})


def prescaling(*factors):
    return small(columns={"Trigger": {"MTriggerPrescFact.fPrescFact": np.array([factors] * 2, dtype=np.uint16)}})


def headers(name, value):
    return small(columns={"RunHeaders": {f"MRawRunHeader.{name}": np.array([value], dtype=np.uint16)}})


NOT_COVERED = {
    "pixels of fixed size": (small(jagged=False), "fixed size"),
    "other camera": (Calibrated(*(values[:, :1040] for values in showers(3, np.random.default_rng(1)))), "1183"),
    "float64 pixels": (
        events(MArrivalTime__fData=jagged(np.zeros((4, FILE_PIXELS)))),
        "float32",
    ),
    "simulation": (headers("fRunType", 256), "simulated"),
    "third telescope": (headers("fTelescopeNumber", 3), "telescope 3"),
    "mono": (prescaling(1, 1, 0, 1, 0, 0, 0, 0), "one telescope"),
    "mono, sum trigger": (prescaling(0, 1, 0, 1, 0, 1, 0, 0), "one telescope"),
    "HaST": (prescaling(0, 1, 1, 1, 0, 0, 0, 1), "topological"),
    "sum trigger": (small(columns={"L3T": {"MReportL3T.fTablename": ["L3T_SUMSUM_100_SYNC"] * 2}}), "sum trigger"),
    "no stereo event": (events(MTriggerPattern__fPrescaled=np.full(4, 8, dtype=np.uint16)), "no stereo"),
    "no pedestal event": (events(MTriggerPattern__fPrescaled=np.full(4, 128, dtype=np.uint16)), "pedestal event"),
    "no tree": (small(columns={"RunTails": None}), "no tree RunTails"),
    "no branch": (events(MRawEvtHeader__fTimeDiff=None), "no branch"),
    "images of another level": (events(MHillas=np.zeros(4)), "MHillas"),
    "one drive report": (
        small(
            columns={
                "Drive": {
                    f"MReportDrive.{name}": np.array([60_000.0])
                    for name in ("fMjd", "fCurrentZd", "fCurrentAz", "fRa", "fDec")
                }
            }
        ),
        "drive reports",
    ),
}


@pytest.mark.parametrize("case", NOT_COVERED)
def test_other_files_are_not_covered(tmp_path, case):
    file, reason = NOT_COVERED[case]
    path = file.write(tmp_path / "in")
    with pytest.raises(NotCovered, match=reason):
        magic_calib_to_dl1(str(path), str(tmp_path / "out"), CONFIG)
    assert not (tmp_path / "out").exists()


def cleaning(**changes):
    return CONFIG | {"MAGIC": {"magic_clean": CONFIG["MAGIC"]["magic_clean"] | changes}}


@pytest.mark.parametrize(
    ("config", "options"),
    [
        (CONFIG, {"max_events": 10}),
        (CONFIG, {"magic_only": True}),
        (CONFIG, {"process_run": True}),
        (CONFIG | {"save_images": True}, {}),
        (CONFIG | {"mc_tel_ids": {"LST-1": 1, "MAGIC-I": 3, "MAGIC-II": 2}}, {}),
        (cleaning(use_sum=False), {}),
        (cleaning(use_time=False), {}),
        (cleaning(find_hotpixels=False), {}),
        (cleaning(pedestal_type="other"), {}),
        (cleaning(clipping=500), {}),
    ],
)
def test_other_settings_are_not_covered(tmp_path, config, options):
    path = small().write(tmp_path / "in")
    with pytest.raises(NotCovered):
        magic_calib_to_dl1(str(path), str(tmp_path / "out"), config, **options)
    assert not (tmp_path / "out").exists()


def test_damaged_files_are_not_covered(tmp_path):
    path = small().write(tmp_path / "in")
    shutil.copy(path, path.with_name(path.name.replace(".001_", ".002_")))
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(NotCovered):
        magic_calib_to_dl1(str(path), str(tmp_path / "out"), CONFIG)
    with pytest.raises(NotCovered):
        magic_calib_to_dl1(str(path.with_name("20240111_other.root")), str(tmp_path / "out"), CONFIG)


def test_other_thresholds(tmp_path, rng):
    path = Calibrated(*showers(40, rng)).write(tmp_path / "in")
    config = cleaning(
        picture_thresh=7.5, boundary_thresh=4, max_time_off=3, max_time_diff=1, pedestal_type="fundamental"
    )
    made, expected = products(path, tmp_path, config)
    assert differences(made, expected) == []


def test_nothing_heavy_is_imported():
    code = "import sys, stereo_tasks.kernels.calibrate, stereo_tasks.kernels.merge; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    roots = {name.split(".")[0] for name in shown.stdout.split()}
    assert not roots & {"ctapipe", "magicctapipe", "lstchain", "astropy", "pandas", "sklearn", "matplotlib"}


COMPILED = """
import json, sys
from stereo_tasks.kernels.calibrate import compile_all, magic_calib_to_dl1

def compiled():
    modules = [module for name, module in sys.modules.items() if name.startswith("stereo_tasks.kernels")]
    functions = {id(one): one for module in modules for one in vars(module).values() if hasattr(one, "signatures")}
    return {one.__name__: one.signatures for one in functions.values() if one.signatures}

compile_all()
before = compiled()
magic_calib_to_dl1(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
assert before and compiled() == before, compiled()
"""


def test_everything_is_compiled_beforehand(tmp_path):
    path = Calibrated(*showers(20, np.random.default_rng(4))).write(tmp_path / "in")
    arguments = [str(path), str(tmp_path / "out"), json.dumps(CONFIG)]
    subprocess.run([sys.executable, "-c", COMPILED, *arguments], check=True)
