import os

import pytest
import yaml

from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.stages import State, night_stages
from stereo_tasks.stages.night import CALIBRATE, COINCIDE, DL2, DL3, INDEX, MERGE, QA


@pytest.fixture
def whole(tree):
    tree.magic(5093711, range(1, 4))
    tree.lst(1622, range(2))
    tree.models()
    return tree


def stale(plan):
    return {stage for stage in plan.stages if ElementStates(plan).to_do(stage)}


def test_at_first_all_is_to_do_and_then_nothing(whole, finish):
    plan = whole.plan()
    assert stale(plan) == set(plan.stages)
    finish(plan)
    assert stale(whole.plan()) == set()


@pytest.mark.parametrize(
    ("file", "change", "first"),
    [
        ("mcp.yaml", {"dl2_to_dl3": {"interpolation_method": "nearest"}}, DL3),
        ("mcp.yaml", {"event_coincidence": {"window_half_width": "400 ns"}}, COINCIDE),
        ("mcp.yaml", {"MAGIC": {"magic_clean": {"picture_thresh": 7}}}, CALIBRATE),
        ("mcp.yaml", {"energy_regressor": {"settings": {"n_estimators": 10}}}, None),
        ("site.yaml", {"workers": 7}, None),
        ("resources.yaml", {"stereo": {"memory": "9 GB"}}, None),
    ],
)
def test_a_change_of_the_configuration_concerns_the_stages_that_read_it(whole, finish, file, change, first):
    finish(whole.plan())
    (whole.root / "config").mkdir(exist_ok=True)
    (whole.root / "config" / file).write_text(yaml.safe_dump(change))
    plan = whole.plan()
    # What follows from it is stale, too: its input is.
    expected = night_stages()[night_stages().index(first) :] if first else ()
    assert stale(plan) == {*expected} & {*plan.stages}
    finish(plan)
    assert stale(plan) == set()


def test_what_is_made_anew_makes_its_followers_stale(whole, finish):
    finish(whole.plan())
    (whole.root / "config").mkdir()
    (whole.root / "config" / "mcp.yaml").write_text(yaml.safe_dump({"dl2_to_dl3": {"max_distance": "40 deg"}}))
    plan = whole.plan()
    assert stale(plan) == {DL3, INDEX, QA}
    finish(plan, only={"dl3/01622"})
    assert stale(plan) == {INDEX, QA}


def test_a_late_subrun_concerns_its_neighbour_and_what_comes_of_it(whole, finish):
    finish(whole.plan())
    whole.magic(5093711, [4])
    plan = whole.plan()
    again = {plan.elements[index].id for index in ElementStates(plan).to_do(CALIBRATE)}
    assert again == {f"calibrate/M{telescope}/05093711.{subrun:03d}" for telescope in (1, 2) for subrun in (3, 4)}
    assert len(ElementStates(plan).to_do(MERGE)) == 2


def test_a_changed_input_or_a_lost_product_is_done_again(whole, finish):
    plan = whole.plan()
    finish(plan)
    dl2 = next(element for element in plan.elements if element.stage == DL2)
    os.truncate(dl2.outputs[0], 0)
    assert stale(plan) == {DL2, DL3, INDEX, QA}
    first = next(element for element in plan.elements if element.stage == CALIBRATE)
    os.utime(first.inputs[0].path, (1_700_000_001, 1_700_000_001))
    assert CALIBRATE in stale(whole.plan())


def test_failures_are_tried_again_but_skips_are_not(whole, finish):
    plan = whole.plan()
    finish(plan, {"coincide/01622.0000": State.SKIPPED, "coincide/01622.0001": State.FAILED})
    assert [plan.elements[index].id for index in ElementStates(plan).to_do(COINCIDE)] == ["coincide/01622.0001"]


def test_other_versions_of_the_tools_make_all_stale(whole, finish):
    finish(whole.plan())
    whole.versions["ctapipe"] = "0.26.0"
    assert stale(whole.plan()) == set(whole.plan().stages)
