import os

import pytest
import yaml

from stereo_tasks.planning.fingerprint import current_record, fingerprint, stale_elements
from stereo_tasks.products.record import FileMark, Record, State
from stereo_tasks.stages import NIGHT_STAGES, Stage


@pytest.fixture
def whole(tree):
    tree.magic(5093711, range(1, 4))
    tree.lst(1622, range(2))
    tree.models()
    return tree


def finish(tree, plan, states=None):
    """Do as if every element had been worked on, in order."""
    for element in plan.elements:
        state = (states or {}).get(element.id, State.DONE)
        marks = []
        if state == State.DONE:
            for output in element.outputs:
                path = tree.touch(tree.root / output)
                marks.append(FileMark(output, path.stat().st_size, path.stat().st_mtime_ns))
        Record(
            element=element.id, stage=str(element.stage), state=state, reason="" if state == State.DONE else "why",
            fingerprint=fingerprint(plan, element), plan=str(plan.path), outputs=tuple(marks),
        ).save(element.record_path)  # fmt: skip


def stale(plan):
    return {stage for stage in NIGHT_STAGES if stale_elements(plan, stage)}


def test_at_first_all_is_to_do_and_then_nothing(whole):
    plan = whole.plan()
    assert stale(plan) == set(NIGHT_STAGES)
    finish(whole, plan)
    assert stale(whole.plan()) == set()


@pytest.mark.parametrize(
    ("file", "change", "again"),
    [
        ("mcp.yaml", {"dl2_to_dl3": {"interpolation_method": "nearest"}}, {Stage.DL3}),
        ("mcp.yaml", {"event_coincidence": {"window_half_width": "400 ns"}}, {Stage.COINCIDE}),
        ("mcp.yaml", {"MAGIC": {"magic_clean": {"picture_thresh": 7}}}, {Stage.CALIBRATE}),
        ("mcp.yaml", {"energy_regressor": {"settings": {"n_estimators": 10}}}, set()),
        ("site.yaml", {"workers": 7}, set()),
        ("resources.yaml", {"stereo": {"memory": "9 GB"}}, set()),
    ],
)
def test_a_change_of_the_configuration_concerns_the_stages_that_read_it(whole, file, change, again):
    finish(whole, whole.plan())
    (whole.root / "config").mkdir(exist_ok=True)
    (whole.root / "config" / file).write_text(yaml.safe_dump(change))
    plan = whole.plan()
    direct = {stage for stage in NIGHT_STAGES for i, e in plan.of_stage(stage) if current_record(plan, e) is None}
    assert direct == again
    finish(whole, plan)
    assert stale(plan) == set()


def test_what_is_made_anew_makes_its_followers_stale(whole):
    finish(whole, whole.plan())
    (whole.root / "config").mkdir()
    (whole.root / "config" / "mcp.yaml").write_text(yaml.safe_dump({"dl2_to_dl3": {"max_distance": "40 deg"}}))
    plan = whole.plan()
    dl3 = next(element for element in plan.elements if element.stage == Stage.DL3)
    mark = whole.root / dl3.outputs[0]
    Record(
        element=dl3.id, stage="dl3", state=State.DONE, reason="",
        fingerprint=fingerprint(plan, dl3), plan=str(plan.path),
        outputs=(FileMark(str(mark), mark.stat().st_size, mark.stat().st_mtime_ns),),
    ).save(dl3.record_path)  # fmt: skip
    assert stale(plan) == {Stage.INDEX, Stage.QA}


def test_a_late_subrun_concerns_its_neighbour_and_the_merge_not_the_whole_night(whole):
    finish(whole, whole.plan())
    whole.magic(5093711, [4])
    plan = whole.plan()
    again = {e.id for _, e in plan.of_stage(Stage.CALIBRATE) if current_record(plan, e) is None}
    assert again == {f"calibrate/M{telescope}/05093711.{subrun:03d}" for telescope in (1, 2) for subrun in (3, 4)}
    assert len(stale_elements(plan, Stage.MERGE)) == 2


def test_a_changed_input_or_a_lost_product_is_done_again(whole):
    plan = whole.plan()
    finish(whole, plan)
    dl2 = next(element for element in plan.elements if element.stage == Stage.DL2)
    os.truncate(dl2.outputs[0], 0)
    assert stale(plan) == {Stage.DL2}
    first = next(element for element in plan.elements if element.stage == Stage.CALIBRATE)
    os.utime(first.inputs[0].path, (1_700_000_001, 1_700_000_001))
    assert Stage.CALIBRATE in stale(whole.plan())


def test_failures_are_tried_again_but_skips_are_not(whole):
    plan = whole.plan()
    finish(whole, plan, {"coincide/01622.0000": State.SKIPPED, "coincide/01622.0001": State.FAILED})
    assert [plan.of_stage(Stage.COINCIDE)[i][1].id for i in stale_elements(plan, Stage.COINCIDE)] == [
        "coincide/01622.0001"
    ]


def test_other_versions_of_the_tools_make_all_stale(whole):
    finish(whole, whole.plan())
    whole.versions["ctapipe"] = "0.26.0"
    assert stale(whole.plan()) == set(NIGHT_STAGES)
