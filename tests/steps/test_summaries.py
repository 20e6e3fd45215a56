"""The summaries of a set, from published nights to pages: what is made, what is said to be missing, what is new."""

import base64
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from astropy.table import Table

from stereo_tasks.nights import Night
from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.processing.dataset_plans import plan_source
from stereo_tasks.products.dataset_tree import PERFORMANCE, SAMPLE, SIMULATED
from stereo_tasks.products.tree import NightTree
from stereo_tasks.settings import load_settings
from stereo_tasks.stages import State
from stereo_tasks.stages.datasets import SEASON
from stereo_tasks.steps.run import run_element

sys.path.insert(0, str(Path(__file__).parents[1] / "datasets"))
SOURCE, CUTS, KEY = "CrabNebula", "g_dyn_0.9_th_glo_0.2", "ST0320A/NSB1.5/v01/dec_2276"
RUNS = (1622, 1623)


def publish(root, night="2024-01-10", runs=RUNS):
    from dl2_tables import START_S, make_dl2, publish_night

    starts = {run: START_S + 1000 * i for i, run in enumerate(runs)}
    tables = {run: make_dl2(run, 2500, seed=run, start_s=starts[run]) for run in runs}
    publish_night(root, night, tables)
    write_index(root, night, runs)


def write_index(root, night="2024-01-10", runs=RUNS, *, live_time_s=800.0):
    index = Table({"OBS_ID": list(runs), "ONTIME": [850.0] * len(runs), "LIVETIME": [live_time_s] * len(runs)})
    index.write(NightTree(root, Night(night), CUTS).published / "obs-index.fits.gz", overwrite=True)


def trigger(folder, run):
    """DL1 of LST-1: 2000 showers a second in 5 s, a tenth of what the limit of good runs asks for."""
    import tables

    rng = np.random.default_rng(run)
    rows = np.zeros(10_000, dtype=[("intensity", float), ("event_type", np.int64), ("dragon_time", float)])
    rows["intensity"], rows["event_type"] = 10 ** rng.uniform(1, 3.5, len(rows)), 32
    rows["dragon_time"] = 1.7e9 + np.sort(rng.uniform(0, 5, len(rows)))
    folder.mkdir(parents=True, exist_ok=True)
    with tables.open_file(str(folder / f"dl1_LST-1.Run{run:05d}.0000.h5"), "w") as file:
        file.create_table("/dl1/event/telescope/parameters", "LST_LSTCam", obj=rows, createparents=True)


def simulate(folder, zenith, azimuth):
    """DL2 of test gammas of a node, and of how many showers they are."""
    from dl2_tables import make_dl2, write_table

    dropped = ["timestamp", "obs_id_magic", "event_id_magic", "obs_id_lst", "event_id_lst", "time_diff"]
    table = make_dl2(106, 800, seed=int(azimuth), gammas=1.0).drop(columns=dropped)
    one = table.groupby(["obs_id", "event_id"])["reco_energy"].transform("first")
    table = table.assign(
        obs_id=106, pointing_alt=np.radians(90 - zenith), pointing_az=np.radians(azimuth), true_energy=one,
        true_alt=90 - zenith, true_az=azimuth, reco_alt=90 - zenith + 0.05, reco_az=azimuth,
        true_core_x=table["core_x"], true_core_y=table["core_y"],
    ).drop_duplicates(["obs_id", "event_id", "tel_id"])  # fmt: skip
    path = folder / "DL2" / f"dl2_gamma_zd_{zenith}deg_az_{azimuth}deg.h5"
    write_table(path, table)
    config = {"spectral_index": [-2.0], "n_showers": [1000], "shower_reuse": [10]}
    write_table(path, pd.DataFrame(config), "simulation/config")


def to_do(root, **options):
    """Return the plan, the states of its elements, and those that are to be done, season files left out."""
    plan = plan_source(SOURCE, settings=load_settings(root), **options)
    plan.save()
    states = ElementStates(plan)
    return plan, states, [one for one in plan.elements if one.stage is not SEASON and not states.is_valid(one)]


def build(root, **options):
    """Work on what is to be done; return the plan, and the records of what was done now."""
    plan, states, elements = to_do(root, **options)
    return plan, {element.id: run_element(states, element) for element in elements}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    root = tmp_path_factory.mktemp("site")
    tree = root / "products" / "mcp062" / SOURCE
    publish(tree)
    paths = load_settings(root).site.paths
    for run in RUNS:
        trigger(paths.lst_dl1 / "20240110" / "v0.10" / "tailcut84", run)
    for zenith, azimuth in ((15.0, 120.0), (43.0, 100.0)):
        simulate(tree.parent / "mc" / KEY, zenith, azimuth)
    return root


@pytest.fixture(scope="module")
def made(site):
    return build(site)


@pytest.fixture
def folder(made):
    return Path(made[0].root) / "summary"


def test_all_is_made_and_read_back(made, folder):
    _, records = made
    assert {name: record.reason for name, record in records.items() if record.state != State.DONE} == {}
    names = [f"sample_{name}" for name in SAMPLE] + [f"performance_{name}" for name in (*PERFORMANCE, *SIMULATED)]
    for name in names:
        table = Table.read(folder / f"{name}.ecsv")
        assert len(table), name
        # There are too few OFF events in a single bin of energy, and that is said.
        assert bool(table.meta["missing"]) == (name == "performance_sensitivity"), name
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert Table.read(folder / "performance_theta2.ecsv")["theta2_max"].unit == "deg2"


def test_the_pages_need_nothing_from_elsewhere(folder):
    for kind, number in (("sample", len(SAMPLE)), ("performance", len(PERFORMANCE) + len(SIMULATED))):
        page = (folder / f"{kind}.html").read_text()
        pictures = re.findall(r'<img src="data:image/png;base64,([^"]+)"', page)
        assert len(pictures) + page.count("Not there:") == number
        assert base64.b64decode(pictures[0]).startswith(b"\x89PNG")
        assert not re.findall(r'(?:src|href)="(?!data:)', page)


def test_the_sample_is_told(folder):
    numbers = yaml.safe_load((folder / "sample.yaml").read_text())
    assert numbers["live_time_h"] == pytest.approx(2 * 800 / 3600, rel=1e-4)
    assert (numbers["runs"], numbers["events"]) == (2, 5000)
    assert (numbers["good_runs"], numbers["runs_not_good"]) == (0, "1622, 1623")
    runs = Table.read(folder / "sample_runs.ecsv")
    assert np.asarray(runs["rate_lst"]) == pytest.approx([2000, 2000], rel=0.03)
    assert np.asarray(runs["rate_good"]) == pytest.approx([2000 / 179] * 2, rel=0.5)
    rates = Table.read(folder / "sample_rates.ecsv")
    assert np.asarray(rates["rate_3tel"]) == pytest.approx(0.5 * 2500 / 800, rel=0.1)


def test_the_performance_is_told(made, folder):
    numbers = yaml.safe_load((folder / "performance.yaml").read_text())
    above = numbers["sensitivity"]["MAGIC + LST-1, above 0.32 TeV"]
    assert above["significance_sigma"] > 10
    assert 0 < above["sensitivity_percent"] < 20
    assert made[1]["dataset_performance"].counts["nodes"] == 1  # the other is at another zenith distance
    resolution = Table.read(folder / "performance_angular_resolution.ecsv")
    found = np.asarray(resolution["resolution_stereo"])
    assert np.nanmedian(found) == pytest.approx(0.06 * 1.515, abs=0.02)
    assert np.nanmedian(np.asarray(resolution["resolution_simulated"])) == pytest.approx(0.05, abs=0.01)


def test_a_new_live_time_makes_the_summaries_again_and_nothing_else(site, made):
    plan, _ = made
    assert to_do(site)[2] == []
    write_index(site / "products" / "mcp062" / SOURCE, live_time_s=400.0)
    _, states, again = to_do(site)
    assert [element.id for element in again] == ["dataset_sample", "dataset_performance"]
    run_element(states, again[0])
    numbers = yaml.safe_load((Path(plan.root) / "summary" / "sample.yaml").read_text())
    assert numbers["live_time_h"] == pytest.approx(2 * 400 / 3600, rel=1e-4)


def test_what_cannot_be_read_is_named_and_nothing_half_is_left(site):
    publish(site / "products" / "mcp062" / SOURCE, "2024-02-10", (1700,))
    index = NightTree(site / "products" / "mcp062" / SOURCE, Night("2024-02-10"), CUTS).published / "obs-index.fits.gz"
    index.write_bytes(b"no index")
    trigger(load_settings(site).site.paths.lst_dl1 / "20240210" / "v0.10" / "tailcut84", 1700)
    (load_settings(site).site.paths.lst_dl1 / "20240210/v0.10/tailcut84/dl1_LST-1.Run01700.0000.h5").write_bytes(b"no")
    plan, records = build(site, first=Night("2024-02-10"))
    assert records["dataset_triggers/20240210"].state == State.HELD
    assert "copy it again" in records["dataset_triggers/20240210"].reason
    assert records["dataset_sample"].state == State.FAILED
    assert "obs-index.fits.gz cannot be read" in records["dataset_sample"].reason
    assert "publish the night again" in records["dataset_sample"].reason
    assert records["dataset_performance"].state == State.SKIPPED
    assert not list((Path(plan.root) / "summary").glob("*.ecsv"))
