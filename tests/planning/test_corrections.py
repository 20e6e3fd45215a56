"""Corrections that a production asks for: what they change in a plan, and what not."""

import pytest
import yaml

from stereo_tasks.kernels.coverage import SHOWN_EQUAL
from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.planning.fingerprint import configuration_of
from stereo_tasks.stages import Engine
from stereo_tasks.stages.night import CALIBRATE, COMPARE, MERGE, QA


@pytest.fixture
def whole(tree):
    tree.versions |= {name: versions[-1] for name, versions in SHOWN_EQUAL.items()}
    tree.magic(5093711, range(1, 4))
    tree.lst(1622, range(2))
    tree.models()
    return tree


def plan_with(tree, **production):
    (tree.root / "config").mkdir(exist_ok=True)
    (tree.root / "config" / "productions.yaml").write_text(yaml.safe_dump({"productions": {"mcp062": production}}))
    return tree.plan()


def compared(plan):
    return {element.id.split("/")[1] for _, element in plan.of_stage(COMPARE)}


def test_without_a_correction_nothing_is_new(whole):
    plan = whole.plan()
    assert plan_with(whole, corrections=[]).digest == plan.digest
    assert configuration_of(plan, CALIBRATE) == {
        "mcp": {key: plan.config.get(key) for key in CALIBRATE.mcp_keys}, "own": {},
    }  # fmt: skip
    assert "corrections" not in plan.settings
    assert "calibrate" in compared(plan)


def test_a_correction_concerns_the_stage_that_makes_it_and_what_follows(whole, finish):
    plan = whole.plan()
    finish(plan, only={element.id for element in plan.elements if element.stage not in (COMPARE, QA)})
    corrected = plan_with(whole, corrections=["time_difference"])
    assert configuration_of(corrected, CALIBRATE)["corrections"] == ["time_difference"]
    for stage in corrected.stages:
        if stage != CALIBRATE:
            assert configuration_of(corrected, stage) == configuration_of(plan, stage)
    states = ElementStates(corrected)
    assert len(states.to_do(CALIBRATE)) == 6
    assert len(states.to_do(MERGE)) == 2


def test_the_plan_says_that_the_stage_is_not_compared(whole):
    plan = plan_with(whole, corrections=["time_difference"])
    assert not plan.blockers
    assert plan.engine(CALIBRATE).engine is Engine.FAST
    (choice,) = [choice for choice in plan.choices if choice.name == "corrections"]
    assert choice.value == "time_difference"
    assert "calibrate" in choice.reason
    assert "not compared" in choice.reason
    assert compared(plan) == compared(plan_with(whole)) - {"calibrate"}


@pytest.mark.parametrize("engine", ["mcp", {"calibrate": "mcp"}])
def test_it_is_refused_where_magic_cta_pipe_is_to_make_it(whole, engine):
    plan = plan_with(whole, corrections=["time_difference"], engine=engine)
    (blocker,) = plan.blockers
    assert blocker.subject == "corrections"
    assert "engine: mcp" in blocker.reason
    assert "config/productions.yaml" in blocker.reason
    assert {element.stage for element in plan.elements} == {QA}


def test_it_is_refused_with_versions_for_which_there_is_no_kernel(whole):
    whole.versions["ctapipe"] = "0.26.0"
    (blocker,) = plan_with(whole, corrections=["time_difference"]).blockers
    assert "equality was not shown for ctapipe 0.26.0" in blocker.reason


def test_an_unknown_correction_is_an_error(whole):
    with pytest.raises(Exception, match="time_difference"):
        plan_with(whole, corrections=["more_events"])
