import datetime as dt
import os
from dataclasses import replace

import pytest

from stereo_tasks.local_site.results import PlanShelf, published, qa_pages, stage_times
from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.planning.plan import Choice, Element, Plan
from stereo_tasks.products.record import Record
from stereo_tasks.stages import State
from stereo_tasks.stages.night import CALIBRATE, QA

BEGIN = dt.datetime(2024, 1, 11, 9, tzinfo=dt.UTC)


def make_plan(output, *, source="CrabNebula", stages=(CALIBRATE, CALIBRATE, QA), version="1"):
    root = output / source
    elements = tuple(
        Element(id=f"{stage}/{number}", stage=stage, inputs=(), outputs=(str(root / f"{stage}_{number}"),))
        for number, stage in enumerate(stages)
    )
    return Plan(
        production="standard",
        name=f"20240110/{source}",
        source=source,
        night="2024-01-10",
        root=str(root),
        choices=(Choice("cuts", "loose", ""),),
        notices=(),
        blockers=(),
        runs=(),
        elements=elements,
        config={},
        settings={},
        versions={"ours": version},
    )


def record(plan, element, *, minutes, cpu_s=2.0):
    ended = (BEGIN + dt.timedelta(minutes=minutes)).isoformat()
    Record(
        element=element.id,
        stage=str(element.stage),
        state=State.DONE,
        reason="",
        fingerprint=ElementStates(plan).fingerprint(element, {}),
        plan="p",
        ended_utc=ended,
        elapsed_s=3.0,
        cpu_s=cpu_s,
        peak_memory_mb=100.0 + minutes,
    ).save(element.record_path)


@pytest.fixture
def plan(tmp_path):
    one = make_plan(tmp_path)
    one.save()
    return one


def test_the_newest_plan_of_a_source_counts(tmp_path, plan):
    newer = make_plan(tmp_path, version="2")
    newer.save()
    os.utime(plan.path, (1, 1))
    other = make_plan(tmp_path, source="Mrk421")
    other.save()
    assert PlanShelf(tmp_path, "20240110").newest() == {"CrabNebula": newer, "Mrk421": other}


def test_progress_is_elements_that_have_come_to_an_end_under_the_newest_plan(tmp_path, plan):
    shelf = PlanShelf(tmp_path, "20240110")
    record(plan, plan.elements[0], minutes=1)
    assert shelf.counts() == {("CrabNebula", "magic_dl1"): (1, 2), ("CrabNebula", "qa"): (0, 1)}
    newer = replace(plan, config={"MAGIC": {}})
    newer.save()
    os.utime(plan.path, (1, 1))
    assert shelf.counts() == {("CrabNebula", "magic_dl1"): (0, 2), ("CrabNebula", "qa"): (0, 1)}


def test_times_are_summed_by_stage_and_leave_out_what_was_valid_before(plan):
    record(plan, plan.elements[0], minutes=1, cpu_s=2.0)
    record(plan, plan.elements[1], minutes=5, cpu_s=4.0)
    record(plan, plan.elements[2], minutes=-1)
    times = stage_times([plan], BEGIN)
    assert list(times) == ["calibrate"]
    one = times["calibrate"]
    assert (one.elements, one.elapsed_s, one.cpu_s, one.peak_memory_mb) == (2, 6.0, 6.0, 105.0)


def test_pages_and_folders_are_listed_once_they_are_there(tmp_path, plan):
    assert qa_pages([plan]) == published([plan]) == []
    page = tmp_path / "CrabNebula" / "qa_2"
    page.touch()
    link = tmp_path / "CrabNebula" / "DL3" / "loose" / "published" / "20240110"
    version = link.parent / ".versions" / "20240110.abc"
    version.mkdir(parents=True)
    link.symlink_to(version)
    assert qa_pages([plan]) == [page]
    # What stays: the version that it means today goes with the second publication after this one.
    assert published([plan]) == [link]
