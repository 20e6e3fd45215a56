"""What somebody sees who has just made the demonstration: a night of years ago, and no detection."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.usefixtures("scene")


@pytest.fixture
def processed(scene):
    """A night that was processed without detection: it stands in no table of the log."""
    night = scene.night(900)
    scene.run(night, "done", 5, 4)
    scene.plan(night)
    scene.publish(night)
    return night


def test_the_first_page_shows_the_newest_nights_of_which_anything_is_known(client, processed, scene):
    text = client.get("/").text
    assert f">{processed}</a>" in text
    assert 'class="state done">done<' in text
    assert "4/4" in text
    scene.ask(scene.night(700), "nothing", 1, "no observations")
    assert str(scene.night(700)) in client.get("/").text


def test_the_path_of_published_dl3_is_the_one_that_stays(client, scene):
    from stereo_tasks.catalog.models import Publication

    night = scene.night(800)
    scene.plan(night)
    for number, version in enumerate(("abc", "def")):
        scene.add(
            Publication(
                production="mcp062", night=night.evening, source="CrabNebula", cuts="g", plan="p", verdict="good",
                path=f"/out/DL3/g/published/.versions/{night.lst_date}.{version}", published_utc=scene.ago(2 - number),
            )
        )  # fmt: skip
    text = client.get(f"/mcp062/{night.lst_date}").text
    assert f"/out/DL3/g/published/{night.lst_date}<" in text
    assert ".versions" not in text


def test_a_log_that_nobody_reads_is_told_once(client, monkeypatch):
    monkeypatch.setattr("stereo_portal.night_pages.paused_dags", dict)  # Airflow's tables are shared by all tests
    assert "log unread" in client.get("/").text
    monkeypatch.setattr(
        "stereo_portal.night_pages.paused_dags", lambda: {"detect_nights": "new nights are not noticed"}
    )
    text = client.get("/").text
    assert "log unread" not in text
    assert "detect_nights is paused" in text
