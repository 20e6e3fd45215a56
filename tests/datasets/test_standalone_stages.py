"""The data sets of LST-1 alone and MAGIC alone: from the files of a site to season files and the common sample."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from standalone_night import LST_RUN, MAGIC_RUN, NIGHT, OTHER_LST_RUN

from stereo_tasks.datasets.files import meanings
from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.planning.plan import Plan
from stereo_tasks.processing.dataset_plans import plan_source
from stereo_tasks.products.tree import NightTree
from stereo_tasks.products.versions import MANIFEST
from stereo_tasks.settings import load_settings
from stereo_tasks.stages import State
from stereo_tasks.stages.datasets import LST_ALONE, MAGIC_ALONE, SUMMARIES
from stereo_tasks.steps.run import run_element

SOURCE = "CrabNebula"


def dl2(images):
    """DL2 as the forests might have made it: every shower comes from the pointing, with one energy."""
    n = len(images)
    made = {"reco_energy": 0.3, "reco_energy_var": 0.01, "reco_disp": 0.4, "reco_disp_var": 0.01, "gammaness": 0.5}
    made |= {
        "gammaness_var": 0.25,
        "disp_diff_sum": 0.1,
        "disp_diff_mean": 0.05,
        "reco_az": np.rad2deg(images["pointing_az"]),
    }
    made |= {"reco_alt": np.rad2deg(images["pointing_alt"]), "time_diff": 0.0}
    return images.assign(**{name: np.broadcast_to(values, n) for name, values in made.items()})


@pytest.fixture(scope="module")
def site(alone, tmp_path_factory):
    """A site with the night of the Crab published, and both sources' files of the standalone analyses."""
    root = tmp_path_factory.mktemp("site")
    (root / "config").mkdir()
    paths = {"paths": {"lst_dl2": str(alone.lst_dl2), "melibea": str(alone.melibea)}}
    (root / "config" / "site.yaml").write_text(json.dumps(paths))
    (root / "config" / "monte_carlo.yaml").write_text(
        '{"periods": [{"name": "ST0320A", "first": "2018-10-10", "last": "2099-12-31"}]}'
    )
    settings = load_settings(root)
    production = settings.production()
    tree = NightTree(settings.site.paths.output / production.name / SOURCE, NIGHT, production.cuts)
    for path in (tree.dl2(LST_RUN), tree.dl1_merged(1, MAGIC_RUN), tree.published / MANIFEST):
        path.parent.mkdir(parents=True, exist_ok=True)
    crab = alone.images[alone.images["obs_id_magic"] == MAGIC_RUN]
    dl2(crab).to_hdf(tree.dl2(LST_RUN), key="events/parameters", format="table")
    tree.dl1_merged(1, MAGIC_RUN).touch()
    (tree.published / MANIFEST).write_text(json.dumps({"runs": {f"dl3/{LST_RUN}": {}}}))
    return root


def built(root, **changes):
    """Plan and run all elements but summaries, which need more of an image than there is; return plan and records."""
    settings = load_settings(root)
    if changes:
        paths = settings.site.paths.model_copy(update=changes)
        settings = settings.model_copy(update={"site": settings.site.model_copy(update={"paths": paths})})
    plan = plan_source(SOURCE, settings=settings)
    assert plan.blockers == ()
    plan.save()
    plan = Plan.load(plan.path)
    states = ElementStates(plan)
    elements = (element for element in plan.elements if element.stage.chain != SUMMARIES)
    return plan, {element.id: run_element(states, element) for element in elements}


@pytest.fixture(scope="module")
def made(site):
    return built(site)


def season(plan, name):
    return Path(plan.root) / f"{name}_{SOURCE}.h5"


def read(path):
    return pd.read_hdf(path, "events/parameters")


def test_all_elements_are_done_with_the_files_of_this_source_only(made):
    plan, records = made
    assert {name: record.reason for name, record in records.items() if record.state != State.DONE} == {}
    (lst,) = (element for element in plan.elements if element.stage is LST_ALONE)
    names = [Path(item.path).name for item in lst.inputs]
    assert f"dl2_LST-1.Run{LST_RUN}.h5" in names
    assert not [name for name in names if str(OTHER_LST_RUN) in name]


def test_the_seasons_have_exactly_the_stereo_events(alone, made):
    plan, records = made
    lst, melibea = (read(season(plan, f"{kind}/dl2_{kind}")) for kind in ("lst", "melibea"))
    for table, telescopes in ((lst, (1,)), (melibea, ())):
        ids = pd.MultiIndex.from_frame(table[["obs_id", "event_id"]])
        assert ids.sort_values().equals(alone.events(telescopes=telescopes).index.sort_values())
    assert melibea["reco_energy"].isna().mean() == pytest.approx(0.77, abs=0.08)
    assert records["dataset_melibea/20240110"].counts["events_with_energy"] == melibea["reco_energy"].notna().sum()


def test_the_effective_time_is_in_record_and_season(made):
    plan, records = made
    times = read(season(plan, "lst/effective_time_lst"))
    assert times["run"].tolist() == [LST_RUN]
    assert times["effective_time"].iloc[0] == pytest.approx(3.95, abs=0.05)
    assert records["dataset_lst/20240110"].counts[f"effective_time_s_{LST_RUN}"] == times["effective_time"].iloc[0]


def test_complementary_columns_are_in_deg_and_units_are_told(made):
    plan, _ = made
    for kind in ("lst", "melibea"):
        path = season(plan, f"{kind}/dl2_{kind}")
        table = read(path)
        known = table.dropna(subset=["theta2_on"])
        assert len(known) > 20
        for name in ("pointing_zd", "reco_zd"):
            assert known[name].between(0, 90).all()
        assert table["pointing_zd"].median() == pytest.approx(22, abs=0.5)
        units = {column: unit for (_, column), (unit, _) in meanings(path).items()}
        assert units["reco_energy"] == "TeV"
        assert units["reco_zd"] == units["reco_alt"] == "deg"
        assert units["theta2_on"] == "deg2"


def test_gammas_come_from_the_source(alone, made):
    plan, _ = made
    truth = alone.truth("magic", LST_RUN)["true_gamma"]
    melibea = read(season(plan, "melibea/dl2_melibea"))
    gamma = truth.loc[pd.MultiIndex.from_frame(melibea[["obs_id_magic", "event_id_magic"]])].to_numpy() == 1
    assert melibea.loc[gamma, "theta2_on"].median() < 0.03
    assert melibea.loc[~gamma, "theta2_on"].median() > 0.3
    directions = melibea.dropna(subset=["reco_ra"])
    assert directions[["reco_alt", "reco_az"]].notna().all().all()


def test_the_common_sample_is_of_all_four_chains_and_equal(alone, made):
    plan, _ = made
    lists = {
        kind: pd.MultiIndex.from_frame(read(season(plan, f"common/dl2_{kind}"))[["obs_id", "event_id"]]).unique()
        for kind in ("merged", "mean", "lst", "melibea")
    }
    three = alone.events(telescopes=(1, 2, 3)).index.sort_values()
    for kind, events in lists.items():
        assert events.sort_values().equals(three), kind


def test_a_second_run_reads_nothing_again(site, made):
    plan, records = made
    again, repeated = built(site)
    assert again.path == plan.path
    assert {name: record.ended_utc for name, record in repeated.items()} == {
        name: record.ended_utc for name, record in records.items()
    }


def test_without_these_paths_there_are_no_such_elements(site):
    plan = plan_source(SOURCE, settings=load_settings(site / "elsewhere"))
    assert plan.elements == ()
    settings = load_settings(site)
    paths = settings.site.paths.model_copy(update={"lst_dl2": None, "melibea": None})
    settings = settings.model_copy(update={"site": settings.site.model_copy(update={"paths": paths})})
    stages = {element.stage for element in plan_source(SOURCE, settings=settings).elements}
    assert stages
    assert not stages & {LST_ALONE, MAGIC_ALONE}


def test_files_that_are_missing_are_named(site, tmp_path, made):
    _, records = built(site, melibea=tmp_path)
    record = records["dataset_melibea/20240110"]
    assert record.state == State.SKIPPED
    assert f"MAGIC run {MAGIC_RUN}: no melibea file" in record.reason
    assert records["dataset_lst/20240110"].state == State.DONE
    assert records["dataset_common/20240110"].state == State.SKIPPED


def test_a_truncated_file_holds_its_night_and_is_named(alone, site, tmp_path, made):
    (whole,) = (path for path in alone.melibea_files if f"{MAGIC_RUN}" in path.name)
    folder = tmp_path / NIGHT.magic_date
    folder.mkdir(parents=True)
    (folder / whole.name).write_bytes(whole.read_bytes()[:20_000])
    _, records = built(site, melibea=tmp_path)
    record = records["dataset_melibea/20240110"]
    assert record.state == State.HELD
    assert f"{whole.name}: truncated" in record.reason
