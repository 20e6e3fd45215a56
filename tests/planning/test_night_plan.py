from collections import Counter

import pytest

from stereo_tasks.planning.plan import Plan
from stereo_tasks.stages.night import CALIBRATE, COINCIDE, DL2, DL3, INDEX, MERGE, MERGE_STEREO, QA, STEREO


@pytest.fixture
def whole(tree):
    tree.magic(5093711, range(1, 4))
    tree.lst(1622, range(2))
    tree.models()
    return tree


def test_every_element_of_every_stage_is_in_the_plan(whole):
    counts = Counter(element.stage for element in whole.plan().elements)
    assert counts == {
        CALIBRATE: 6, MERGE: 2, COINCIDE: 2, STEREO: 2, MERGE_STEREO: 1, DL2: 1,
        DL3: 1, INDEX: 1, QA: 1,
    }  # fmt: skip


def test_names_are_those_that_users_of_automcp_know(whole):
    outputs = {element.id: element.outputs[0] for element in whole.plan().elements}
    root = str(whole.settings.site.paths.output / "mcp062" / "CrabNebula")
    assert outputs["calibrate/M1/05093711.001"] == f"{root}/DL1/M1/20240111/05093711/dl1_M1.Run05093711.001.h5"
    assert outputs["merge/M2/05093711"] == f"{root}/DL1/Merged/20240111/dl1_M2.Run05093711.h5"
    assert outputs["coincide/01622.0001"] == f"{root}/DL1Coincident/20240110/dl1_MAGIC_LST-1.Run01622.0001.h5"
    assert outputs["dl3/01622"] == f"{root}/DL3/g_dyn_0.9_th_glo_0.2/20240110/dl3_MAGIC_LST-1.Run01622.fits.gz"


def test_the_order_is_the_order_of_the_stages(whole):
    plan = whole.plan()
    made = set()
    for element in plan.elements:
        assert {item.path for item in element.inputs if item.producer} <= made
        made |= set(element.outputs)


def test_equal_inputs_give_one_plan_and_it_comes_back_whole(whole):
    plan = whole.plan()
    path = plan.save()
    assert whole.plan().save() == path
    assert Plan.load(path) == plan
    assert len(list(path.parent.iterdir())) == 1


def test_planning_writes_nothing(whole):
    before = sorted(whole.root.rglob("*"))
    whole.plan()
    assert sorted(whole.root.rglob("*")) == before


def test_a_missing_subrun_counts_against_the_run_and_is_said(tree):
    tree.magic(5093711, [1, 3])
    tree.lst(1622, [0, 2, 3])
    tree.models()
    plan = tree.plan()
    merge = next(element for element in plan.elements if element.stage == MERGE)
    assert merge.parameters["subruns_expected"] == 3
    merge_stereo = next(element for element in plan.elements if element.stage == MERGE_STEREO)
    assert merge_stereo.parameters["subruns_expected"] == 4
    subjects = {notice.subject for notice in plan.notices}
    assert {"MAGIC M1 05093711.002", "MAGIC M2 05093711.002", "LST-1 01622.0001"} <= subjects


def test_a_duplicate_is_left_out_by_name(whole):
    folder = whole.settings.site.paths.magic_calibrated / "M1/event/Calibrated/2024/01/11"
    whole.touch(folder / "20240111_M1_05093711.002_Y_CrabNebula-W0.40+215.root")
    plan = whole.plan()
    assert sum(element.stage == CALIBRATE for element in plan.elements) == 6
    assert any("duplicate" in notice.reason for notice in plan.notices)


def test_a_run_of_one_telescope_only_is_not_used(whole):
    whole.magic(5093712, range(1, 3), telescopes=(1,))
    plan = whole.plan(magic=(5093711, 5093712))
    assert not [element for element in plan.elements if "5093712" in element.id]
    assert any("only files of M1" in notice.reason for notice in plan.notices)


def test_runs_of_another_source_in_the_range_are_not_taken(whole):
    whole.magic(5093712, range(1, 3), source="1A-0535+262")
    plan = whole.plan(magic=(5093711, 5093712), others=[whole.row("1A-0535+262", (1623,), (5093712, 5093712))])
    assert not [element for element in plan.elements if "5093712" in element.id]


def test_without_forests_the_plan_says_where_it_looked_and_goes_up_to_stereo(tree):
    tree.magic(5093711, range(1, 3))
    tree.lst(1622, range(2))
    plan = tree.plan()
    folder = str(tree.settings.site.paths.models / "ST0320A" / "NSB1.5" / "v01" / "dec_2276")
    assert any(folder in blocker.reason for blocker in plan.blockers)
    assert MERGE_STEREO in plan.stages
    assert DL2 not in plan.stages
    assert plan.stages[-1] == QA


@pytest.mark.parametrize("place", ["file", "folder", "folder above"])
def test_forests_that_anybody_may_write_are_not_read(whole, place):
    folder = whole.settings.site.paths.models / "ST0320A" / "NSB1.5" / "v01" / "dec_2276"
    path = {"file": next(folder.glob("*.joblib")), "folder": folder, "folder above": folder.parent}[place]
    path.chmod(0o777)
    plan = whole.plan()
    assert any(blocker.subject == "forests" and f"chmod o-w {path}'" in blocker.reason for blocker in plan.blockers)
    assert DL2 not in plan.stages
    path.chmod(0o775)
    assert not whole.plan().blockers


def test_two_irf_nodes_are_held_because_the_tool_would_take_the_first(tree):
    tree.magic(5093711, range(1, 3))
    tree.lst(1622, range(2))
    tree.models(zeniths=(10.0, 38.0))
    plan = tree.plan()
    assert any(blocker.subject == "IRFs" and "3 or more" in blocker.reason for blocker in plan.blockers)
    assert DL3 not in plan.stages


def test_an_unknown_source_is_held_and_its_dl1_is_made(tree):
    tree.magic(5093711, range(1, 3), source="GRB240110A")
    tree.lst(1622, range(2))
    plan = tree.plan(source="GRB240110A")
    assert any("config/sources.yaml" in blocker.reason for blocker in plan.blockers)
    assert STEREO in plan.stages


def test_another_version_of_the_tools_than_the_production_s_is_held(whole):
    whole.versions["magic-cta-pipe"] = "0.7.0"
    assert any(blocker.subject == "magic-cta-pipe" for blocker in whole.plan().blockers)
