"""Observations with their history, requests, holds and publications."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from sqlalchemy import select

from stereo_tasks.catalog import dispatches, holds
from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.models import ObservationRow
from stereo_tasks.catalog.observations import history, update_observations
from stereo_tasks.catalog.publications import published, write
from stereo_tasks.nights import Night
from stereo_tasks.stereo_log import Observation, Selection

pytestmark = pytest.mark.usefixtures("catalog")

CRAB = Observation(
    night=Night("2020-12-15"), source="CrabNebula", conditions=("Dark",), trigger=("L3T",), stereo=(True,),
    hv=("Nominal",), zenith_min_deg=35.7, zenith_max_deg=50.07, lst_runs=(3265, 3266), magic_first_run=5093711,
    magic_last_run=5093714, observation_min=59.25, same_wobble_min=55.2, notes="", line=9,
)  # fmt: skip


def _kinds(catalog: Catalog, selection: Selection) -> list[tuple[str, str]]:
    return [(one.source, one.kind) for one in update_observations(catalog, selection)]


def test_the_log_is_kept_with_its_history(catalog, night):
    mono = replace(CRAB, source="Mrk421")
    first = Selection((CRAB,), ((mono, "stereo is False"),))
    assert _kinds(catalog, first) == [("CrabNebula", "added"), ("Mrk421", "added")]
    assert _kinds(catalog, first) == []
    changed = replace(CRAB, same_wobble_min=12.0, line=10)
    assert _kinds(catalog, Selection((changed,), ((mono, "stereo is False"),))) == [("CrabNebula", "changed")]
    assert _kinds(catalog, Selection((changed, mono), ())) == [("Mrk421", "selection")]
    assert _kinds(catalog, Selection((mono,), ())) == [("CrabNebula", "removed")]
    assert _kinds(catalog, Selection((mono,), ())) == []
    assert _kinds(catalog, Selection((changed, mono), ())) == [("CrabNebula", "returned")]
    crab = history(catalog, night, "CrabNebula")
    assert [one.kind for one in crab] == ["added", "changed", "removed", "returned"]
    assert (crab[1].before["same_wobble_min"], crab[1].after["same_wobble_min"]) == (55.2, 12.0)
    assert crab[0].at_utc < crab[1].at_utc
    assert history(catalog, night, "Mrk421")[1].after == {"reason": ""}
    with catalog.transaction() as session:
        rows = session.scalars(select(ObservationRow).order_by(ObservationRow.source)).all()
    assert [(one.source, one.accepted, one.in_log, one.line) for one in rows] == [
        ("CrabNebula", True, True, 10), ("Mrk421", True, True, 9),
    ]  # fmt: skip


def test_a_moved_row_is_no_change(catalog):
    update_observations(catalog, Selection((CRAB,), ()))
    assert _kinds(catalog, Selection((replace(CRAB, line=200),), ())) == []


def test_what_was_handed_on_is_done_with_when_a_run_has_planned_it(catalog, night):
    assert dispatches.note_dispatch(catalog, night, "v1", "abc", "complete")
    assert dispatches.note_dispatch(catalog, night, "v1", "abc")  # no run has taken it yet: it goes out again
    assert dispatches.note_dispatch(catalog, night, "v1", "def")
    dispatches.note_taken(catalog, night, "v1", ["abc", "by hand"], "run 1")
    assert not dispatches.note_dispatch(catalog, night, "v1", "abc")
    assert dispatches.note_dispatch(catalog, night, "v2", "abc")
    known = dispatches.dispatches(catalog, [night], "v1")
    assert {content: row.taken_by for (_, content), row in known.items()} == {
        "abc": "run 1", "def": None, "by hand": "run 1",
    }  # fmt: skip
    assert dispatches.dispatches(catalog, [Night("2020-12-16")], "v1") == {}


def test_holds_are_put_once_and_kept_after_their_release(catalog, night):
    assert holds.hold(catalog, night, "v1", "moon too bright", by="shifter", source="CrabNebula")
    assert not holds.hold(catalog, night, "v1", "again", by="other", source="CrabNebula")
    assert holds.hold(catalog, night, "v1", "drive problem", by="shifter")
    assert [(one.source, one.reason) for one in holds.open_holds(catalog, "v1", night=night)] == [
        ("CrabNebula", "moon too bright"), ("", "drive problem"),
    ]  # fmt: skip
    assert holds.release(catalog, night, "v1", by="boss", source="CrabNebula")
    assert not holds.release(catalog, night, "v1", by="boss", source="CrabNebula")
    assert [one.source for one in holds.open_holds(catalog)] == [""]
    assert holds.hold(catalog, night, "v1", "once more", by="shifter", source="CrabNebula")
    assert holds.open_holds(catalog, "v2") == ()
    with pytest.raises(ValueError, match="reason"):
        holds.hold(catalog, night, "v1", " ", by="shifter")


def test_the_latest_publication_is_the_visible_one(catalog, night):
    def publish(source: str, path: str, hour: int, verdict: str = "") -> None:
        row = {"production": "v1", "night": night.evening, "source": source, "cuts": "g_dyn_0.9", "path": path}
        at = dt.datetime(2026, 11, 22, hour, tzinfo=dt.UTC)
        with catalog.transaction() as session:
            write(session, [{**row, "plan": "p", "verdict": verdict, "published_utc": at}])

    for hour, path in enumerate(("/a/1", "/a/2", "/a/1")):  # the last goes back to the first
        publish("CrabNebula", path, hour, "good")
    publish("Mrk421", "/b/1", 5)
    assert [(one.source, one.path, one.verdict) for one in published(catalog, "v1")] == [
        ("CrabNebula", "/a/1", "good"), ("Mrk421", "/b/1", ""),
    ]  # fmt: skip
    assert [one.source for one in published(catalog, "v1", source="Mrk421")] == ["Mrk421"]
    assert published(catalog, "v1", first=Night("2020-12-16")) == published(catalog, "v2") == ()
