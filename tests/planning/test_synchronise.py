"""Nights in which MAGIC's GPS was broken: an entry of config/time_offsets.yaml puts a stage before the coincidence."""

import pytest
import yaml

from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.stages.night import CALIBRATE, COINCIDE, MERGE, SYNCHRONISE

GOOD = {"first": "2018-10-10", "last": "2099-12-31", "offset_us": -3.2}


@pytest.fixture
def night(tree):
    tree.magic(5093711, range(1, 4))
    tree.lst(1622, range(2))
    tree.lst(1623, range(1))
    tree.models()

    def plan(*entries):
        (tree.root / "config").mkdir(exist_ok=True)
        (tree.root / "config" / "time_offsets.yaml").write_text(yaml.safe_dump([*entries, GOOD]))
        return tree.plan(lst_runs=(1622, 1623))

    return plan


def _broken(night):
    return {"first": night, "last": night, "offset_us": -6.5, "search": "4 s"}


def test_a_good_clock_needs_no_stage(night):
    plan = night()
    assert SYNCHRONISE not in plan.stages
    assert {item.producer.split("/")[-3] for item in _magic_of_coincide(plan)} == {"Merged"}


def test_a_broken_clock_is_looked_for_before_the_coincidence(night):
    plan = night(_broken("2024-01-10"))
    elements = [element for _, element in plan.of_stage(SYNCHRONISE)]
    assert [element.id for element in elements] == ["synchronise/M1/05093711", "synchronise/M2/05093711"]
    assert all(element.parameters == {"search_s": 4.0, "offset_us": -6.5} for element in elements)
    assert {len([item for item in element.inputs if item.role == "lst"]) for element in elements} == {3}
    assert {item.producer for item in _magic_of_coincide(plan)} == {element.outputs[0] for element in elements}
    (choice,) = [one for one in plan.choices if one.name == "MAGIC's clock"]
    assert choice.value == "looked for within 4 s, and brought to -6.5 us"
    assert "2024-01-10" in choice.reason
    assert plan.settings["time_offset_us"] == -6.5


def test_another_broken_night_makes_nothing_stale(night, finish):
    finish(night())
    plan = night(_broken("2024-01-11"))
    assert not any(ElementStates(plan).to_do(stage) for stage in plan.stages)


def test_what_came_before_the_coincidence_stays(night, finish):
    finish(night())
    plan = night(_broken("2024-01-10"))
    stale = {stage for stage in plan.stages if ElementStates(plan).to_do(stage)}
    assert not stale & {CALIBRATE, MERGE}
    assert {SYNCHRONISE, COINCIDE} <= stale


@pytest.mark.parametrize("search", ["4", 4, "4 m"])
def test_the_range_has_a_unit(night, search):
    with pytest.raises(ValueError, match=r"time_offsets.yaml: 0\.search"):
        night(_broken("2024-01-10") | {"search": search})


def _magic_of_coincide(plan):
    return [item for _, element in plan.of_stage(COINCIDE) for item in element.inputs if item.role == "magic"]
