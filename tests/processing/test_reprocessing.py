"""Processing a night again: what it costs is told before, and it begins at the stage that was asked for."""

from __future__ import annotations

import pytest

from stereo_tasks.catalog.records import ingest
from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.processing.reprocessing import NoStageError, forget, source_cost

NIGHT = "2024-01-10"


def test_the_cost_is_that_of_the_records(catalog, nights):
    plan = nights.make(NIGHT, [1, 2, 3])
    ingest(catalog, plan.path)
    cost = source_cost(catalog, plan)
    assert (cost.to_make.elements, cost.to_make.cpu_s) == (0, 0)
    assert cost.all.elements == 5
    assert cost.all.cpu_s == pytest.approx(5 * 1800)
    stages = {one.stage: one for one in cost.stages}
    assert list(stages) == ["dl3", "index", "qa"]
    assert (stages["dl3"].valid, stages["dl3"].total, stages["dl3"].from_here) == (3, 3, cost.all)
    assert stages["index"].from_here.elements == 2


def test_what_was_never_made_takes_what_others_of_its_stage_took(catalog, nights):
    ingest(catalog, nights.make(NIGHT, [1, 2]).path)
    new = nights.make("2024-01-11", [3])
    for element in new.elements:
        element.record_path.unlink()
    cost = source_cost(catalog, new)
    assert cost.to_make == cost.all
    assert cost.to_make.elements == 3
    assert cost.to_make.cpu_s is not None
    assert cost.stages[0].valid == 0


def test_of_a_stage_that_nobody_ever_made_no_time_is_told(catalog, nights):
    assert source_cost(catalog, nights.make(NIGHT, [1])).all.cpu_s is None


def test_from_a_stage_on_nothing_is_valid_any_more(nights):
    plan = nights.make(NIGHT, [1, 2])
    forget(plan, "index")
    states = ElementStates(plan)
    assert {one.id: states.is_valid(one) for one in plan.elements} == {
        "dl3/00001": True, "dl3/00002": True, "index": False, "qa": False
    }  # fmt: skip
    with pytest.raises(NoStageError, match="'dl4' is no stage of a night: calibrate"):
        forget(plan, "dl4")
    assert ElementStates(plan).is_valid(plan.elements[0])
