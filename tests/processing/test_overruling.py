"""An overrule, and the published index that follows it."""

from __future__ import annotations

import json

import pytest
from judged_night import PRODUCTION, SOURCE, JudgedNight

from stereo_tasks.catalog.models import Publication
from stereo_tasks.catalog.overrules import open_overrules
from stereo_tasks.gadf.check import check_folder
from stereo_tasks.nights import Night
from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.processing import overruling
from stereo_tasks.processing.publishing import publish
from stereo_tasks.stages.night import QA

NIGHT = Night("2024-01-10")


@pytest.fixture
def judged(catalog, tmp_path) -> JudgedNight:
    made = JudgedNight(tmp_path, NIGHT, {1: "good", 2: "bad"})
    made.publish(catalog)
    return made


def test_the_published_index_follows_and_a_later_publication_keeps_it(catalog, judged):
    assert judged.quality() == {1: 0, 2: 2}
    first = judged.tree.published.readlink()
    done = overruling.overrule(catalog, judged.settings, PRODUCTION, "2", "good", "looked at it", by="ana")
    assert (done.published, done.problem) == ((judged.tree.published,), "")
    assert judged.quality() == {1: 0, 2: 0}
    assert check_folder(judged.tree.published) == []
    story = json.loads((judged.tree.published / "published.json").read_text())
    assert story["overruled"] == {"2": {"level": "good", "verdict": "bad", "reason": "looked at it"}}
    assert "ana" not in json.dumps(story)
    with catalog.transaction() as session:
        rows = session.query(Publication).order_by(Publication.published_utc).all()
    assert [row.path.rpartition("/")[2] for row in rows] == [first.name, judged.tree.published.readlink().name]

    judged.judge({1: "warning", 2: "bad"})  # the night is processed again
    publish(judged.plan, judged.settings)
    assert judged.quality() == {1: 1, 2: 0}
    judged.judge({1: "good", 2: "bad"})
    done = overruling.lift(catalog, judged.settings, PRODUCTION, f"{NIGHT}/{SOURCE}/2", by="ben")
    assert done.overrule.lifted_by == "ben"
    assert judged.quality() == {1: 0, 2: 2}
    assert judged.tree.published.readlink() == first  # the same content is the same version


def test_what_says_the_same_is_not_published_anew(catalog, judged):
    before = judged.tree.published.readlink()
    done = overruling.overrule(catalog, judged.settings, PRODUCTION, "1", "good", "seen", by="ana")
    assert (done.published, done.problem) == ((), "")
    assert judged.tree.published.readlink() == before


def test_the_page_stays_though_comparisons_came_since(catalog, judged):
    judged.compare()
    (page,) = (element for _, element in judged.plan.of_stage(QA))
    assert ElementStates(judged.plan).state(page) is None  # it does not tell of them yet
    overruling.overrule(catalog, judged.settings, PRODUCTION, "2", "warning", "seen", by="ana")
    assert judged.quality() == {1: 0, 2: 1}
    assert {"report.html", "qa.json"} < {path.name for path in judged.tree.published.iterdir()}


def test_an_index_that_does_not_say_so_is_told(catalog, judged, monkeypatch):
    """As when somebody has rolled the publication back."""
    monkeypatch.setattr(overruling, "publish", lambda *_: judged.tree.published)
    done = overruling.overrule(catalog, judged.settings, PRODUCTION, "2", "good", "seen", by="ana")
    assert "stays as it is, with QUALITY 2 of the run" in done.problem


def test_the_decision_stands_where_the_index_cannot_follow(catalog, judged):
    before = judged.tree.published.readlink()
    judged.tree.dl3(1).write_bytes(b"somebody makes it again")
    done = overruling.overrule(catalog, judged.settings, PRODUCTION, "2", "good", "seen", by="ana")
    assert done.published == ()
    assert f"stereo backfill {NIGHT} {NIGHT}" in done.problem
    assert judged.tree.published.readlink() == before
    assert judged.quality() == {1: 0, 2: 2}
    with catalog.transaction() as session:
        assert [row.level for row in open_overrules(session, PRODUCTION)] == ["good"]
