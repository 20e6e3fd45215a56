"""Records of the tree in the catalog: idempotent, and gone when the record is gone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select

from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.models import ElementRecord, PlanRow, ProductionRow
from stereo_tasks.catalog.records import Ingested, ingest, night_summary
from stereo_tasks.nights import Night
from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.planning.plan import Blocker, Element, Plan
from stereo_tasks.products.record import Record
from stereo_tasks.stages import State
from stereo_tasks.stages.night import CALIBRATE, DL2

pytestmark = pytest.mark.usefixtures("catalog")


def _plan(
    output: Path, elements: int = 3, source: str = "CrabNebula", night: str | None = "2020-12-15", **more
) -> Plan:
    root = output / "v1" / source
    made = [
        Element(f"{stage}/{number}", stage, (), (str(root / stage.name / f"{number}.h5"),))
        for stage in (CALIBRATE, DL2)
        for number in range(elements)
    ]
    return Plan(
        production="v1", name=f"20201215/{source}", source=source, night=night, root=str(root), choices=(), notices=(),
        runs=(), elements=tuple(made), config={}, settings={}, versions={"mcp": "0.6.2"},
        **{"blockers": (), **more},
    )  # fmt: skip


def _leave(plan: Plan, index: int, state: State = State.DONE, **more) -> None:
    element = plan.elements[index]
    fields = {
        "reason": "",
        "fingerprint": ElementStates(plan).fingerprint(element, {}),
        "plan": str(plan.path),
        "cpu_s": 2.0,
        **more,
    }
    element.record_path.parent.mkdir(parents=True, exist_ok=True)
    Record(element=element.id, stage=element.stage.name, state=state, **fields).save(element.record_path)


def _count(catalog: Catalog, table: type) -> int:
    with catalog.transaction() as session:
        return session.scalar(select(func.count()).select_from(table))


def test_a_night_is_summarised(catalog, tmp_path, night):
    plan = _plan(tmp_path, blockers=(Blocker("dl3", "no IRFs"),))
    plan.save()
    _leave(plan, 0)
    _leave(plan, 1, State.SKIPPED, reason="pure noise")
    _leave(plan, 2, State.FAILED, reason="exit code 1", log="/logs/2")
    _leave(plan, 3, lost=("subrun 7: truncated",))
    assert ingest(catalog, plan.path) == Ingested(records=4, open=2)
    (summary,) = night_summary(catalog, night)
    assert (summary.production, summary.source, summary.plan) == ("v1", "CrabNebula", str(plan.path))
    calibrate, dl2 = summary.stages
    assert (calibrate.stage, calibrate.total, calibrate.done, calibrate.skipped, calibrate.failed) == (
        "calibrate",
        3,
        1,
        1,
        1,
    )
    assert (dl2.stage, dl2.done, dl2.open, calibrate.open) == ("dl2", 1, 2, 0)
    assert [(one.element, one.state, one.reason) for one in summary.troubles] == [
        ("calibrate/1", "skipped", "pure noise"), ("calibrate/2", "failed", "exit code 1"), ("dl2/0", "done", ""),
    ]  # fmt: skip
    assert summary.troubles[2].lost == ("subrun 7: truncated",)
    assert summary.holds == ("dl3: no IRFs",)
    assert summary.cpu_s == 8.0
    assert night_summary(catalog, Night("2020-12-16")) == ()
    assert night_summary(catalog, night, "v2") == ()


def test_doing_it_again_changes_nothing(catalog, tmp_path, night):
    plan = _plan(tmp_path)
    for index in range(6):
        _leave(plan, index)
    before = ingest(catalog, plan), night_summary(catalog, night)
    assert (ingest(catalog, plan), night_summary(catalog, night)) == before
    assert (_count(catalog, ElementRecord), _count(catalog, PlanRow), _count(catalog, ProductionRow)) == (6, 1, 1)


def test_a_new_outcome_replaces_the_old(catalog, tmp_path, night):
    plan = _plan(tmp_path)
    _leave(plan, 0, State.FAILED, reason="crash")
    ingest(catalog, plan)
    _leave(plan, 0, attempt=2)
    ingest(catalog, plan)
    assert night_summary(catalog, night)[0].troubles == ()
    with catalog.transaction() as session:
        assert session.scalars(select(ElementRecord.attempt)).all() == [2]


def test_an_element_whose_record_is_gone_is_not_done(catalog, tmp_path, night):
    plan = _plan(tmp_path)
    _leave(plan, 0)
    _leave(plan, 1)
    ingest(catalog, plan)
    plan.elements[0].record_path.unlink()
    plan.elements[1].record_path.write_text("{ half a rec")
    assert ingest(catalog, plan) == Ingested(0, 6)
    assert night_summary(catalog, night)[0].stages[0].open == 3


def test_the_latest_plan_counts_and_keeps_what_is_still_valid(catalog, tmp_path, night):
    old, new = _plan(tmp_path, 4), _plan(tmp_path, 2)
    for index in range(8):
        _leave(old, index)
    ingest(catalog, old)
    ingest(catalog, new)
    assert [(one.total, one.done) for one in night_summary(catalog, night)[0].stages] == [(2, 2), (2, 2)]
    ingest(catalog, old)  # the old plan is current again
    assert [(one.total, one.done) for one in night_summary(catalog, night)[0].stages] == [(4, 4), (4, 4)]


def test_a_record_of_another_configuration_is_none_of_this_plan(catalog, tmp_path, night):
    old = _plan(tmp_path)
    for index in range(6):
        _leave(old, index)
    ingest(catalog, old)
    new = replace(old, config={"MAGIC": {"magic_clean": {"picture_thresh": 7}}})
    # Only calibrate reads it, and nothing here is made of what calibrate made.
    assert ingest(catalog, new) == Ingested(records=3, open=3)
    assert [(stage.stage, stage.done, stage.open) for stage in night_summary(catalog, night)[0].stages] == [
        ("calibrate", 0, 3), ("dl2", 3, 0),
    ]  # fmt: skip
    assert ingest(catalog, old) == Ingested(records=6, open=0)


def test_values_that_postgresql_cannot_hold_are_made_to_fit(catalog, tmp_path, night):
    plan = _plan(tmp_path, 1)
    _leave(plan, 0, State.FAILED, reason="bad\0byte \udcff", counts={"rate": float("nan"), "n": 1.0})
    ingest(catalog, plan)
    assert night_summary(catalog, night)[0].troubles[0].reason == "bad?byte ?"
    with catalog.transaction() as session:
        assert session.scalar(select(ElementRecord.counts)) == {"rate": None, "n": 1.0}


def test_many_elements_are_written_in_batches(catalog, tmp_path, night):
    plan = _plan(tmp_path, 600)
    _leave(plan, 0)
    record, states = json.loads(plan.elements[0].record_path.read_text()), ElementStates(plan)
    for element in plan.elements[1:]:
        element.record_path.parent.mkdir(parents=True, exist_ok=True)
        element.record_path.write_text(json.dumps({**record, "fingerprint": states.fingerprint(element, {})}))
    assert ingest(catalog, plan) == Ingested(1200, 0)
    assert [one.done for one in night_summary(catalog, night)[0].stages] == [600, 600]
