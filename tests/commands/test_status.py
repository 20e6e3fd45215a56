"""``stereo status``: what a shifter sees in a terminal."""

from __future__ import annotations

import datetime as dt
import json
import time

import pytest
from rich.console import Console
from scenes import every_state

from stereo_tasks.commands import status as command
from stereo_tasks.nights import Night


def test_the_last_nights_with_state_and_reason(scene, stereo):
    nights = every_state(scene)
    text = stereo("status")
    (line,) = [line for line in text.splitlines() if line.startswith(f"{nights['waiting']}  ")]
    assert line.split()[:3] == [str(nights["waiting"]), "CrabNebula", "waiting"]
    assert "LST-1 run 2: no file; LST-1 run 3: no file" in line  # a pipe: one line a source, nothing is cut
    assert str(nights["by person"]) not in text  # eleven days ago
    assert "1 done, 1 partial, 1 running" in text
    assert "alarm" in text  # the tables of the configuration have ended


def test_a_range_and_filters(scene, stereo):
    nights = every_state(scene)
    everything = stereo("status", f"{nights['not asked']}..")
    assert all(str(night) in everything for night in nights.values())
    held = stereo("status", f"{nights['not asked']}..", "--state", "held")
    assert str(nights["by person"]) in held
    assert str(nights["done"]) not in held
    assert "2 held" in held
    assert "nothing" in stereo("status", "--source", "Mrk421")
    assert "no state" in stereo("status", "--state", "green", code=2)
    assert "no production" in stereo("status", "--production", "nope", code=1)


def test_a_single_night_is_told_whole(scene, stereo):
    nights = every_state(scene)
    text = stereo("status", nights["failed"])
    for part in (
        "LST-1 4 of 4 runs",
        "dl2 3/4",
        "plan_abc.json",
        "r1 failed",
        "failed: 4 of 4 runs",
        "stereo backfill",
    ):
        assert part in text, part


def test_json_for_other_programs(scene, stereo):
    nights = every_state(scene)
    content = json.loads(stereo("status", f"{nights['by person']}..{nights['done']}", "--json"))
    assert content["totals"]["held"] == 2
    by_night = {one["night"]: one for one in content["nights"]}
    assert by_night[str(nights["done"])]["dl3"] == "4/4"
    assert by_night[str(nights["by person"])]["held_by_person"] is True
    assert {one["kind"] for one in content["alarms"]} >= {"table ends"}


def test_nights_without_anything_are_counted_only(scene, stereo):
    scene.log(scene.night(3))
    for days in (2, 4):
        scene.ask(scene.night(days), "nothing", 1, "no observations")
    text = stereo("status")
    assert "2 nothing" in text
    assert "no observations" not in text
    assert "no observations" in stereo("status", scene.night(2))
    assert "no observations" in stereo("status", "--state", "nothing")
    assert all(line == line.rstrip() for line in text.splitlines())


def test_an_old_log_is_found(scene, stereo):
    scene.log(scene.night(900))
    assert f"the newest known night is {scene.night(900)}" in stereo("status")


@pytest.mark.parametrize("width", [80, 140])
def test_it_fits_into_a_terminal(scene, stereo, monkeypatch, width):
    night = every_state(scene)["waiting"]
    missing = [f"LST-1 run {number}: no file" for number in range(2, 30)]
    scene.log(night, "1ES1959+650")
    scene.files(night, "1ES1959+650", *missing)
    monkeypatch.setattr(command, "_console", lambda: Console(width=width, highlight=False))
    text = stereo("status")
    assert max(map(len, text.splitlines())) <= width
    assert f"{missing[2]}; and 25 more" in " ".join(text.split())
    assert missing[-1] in " ".join(stereo("status", night).split())


def test_two_years_take_at_most_twice_as_long_as_one(scene, stereo):
    """404 rows of the log in two years, with 90,000 elements."""
    from sqlalchemy import text

    last = scene.night(1)
    with scene.catalog.engine.begin() as connection:
        connection.execute(text("INSERT INTO productions (name, versions) VALUES ('mcp062', '{}')"))
        values = {"last": last.evening}
        connection.execute(
            text(
                "INSERT INTO observations SELECT d::date, s, '{}', 'c', 1, true, '', true FROM "
                "generate_series(:last - 729, :last, interval '3 days') d, unnest(ARRAY['CrabNebula', 'Mrk421']) s"
            ),
            values,
        )
        connection.execute(
            text(
                "INSERT INTO plans SELECT night || source, 'd', 'mcp062', 'n', night, source, "
                """'{"order": [["calibrate", 180], ["dl3", 4]]}', '[]' FROM observations"""
            )
        )
        connection.execute(
            text(
                "INSERT INTO element_records SELECT night || source || e, night || source, 'mcp062', night, source, "
                "'e' || e, CASE WHEN e < 180 THEN 'calibrate' ELSE 'dl3' END, "
                "CASE WHEN e = 183 THEN 'failed' ELSE 'done' END, 'why', 'f', '[]', '{}', '{}', '', '', 1, '', "
                "'', 1, 1, 1, '' FROM observations, generate_series(0, 183) e"
            )
        )
        connection.execute(text("ANALYZE"))
    first = Night(last.evening - dt.timedelta(days=729))
    content = json.loads(stereo("status", f"{first}..{last}", "--json"))
    assert content["totals"] == {"failed": 488}
    assert content["nights"][0]["reason"] == "1 element failed: e183: why"

    def best_s(begin: Night) -> float:
        times = []
        for _ in range(6):
            started = time.monotonic()
            stereo("status", f"{begin}..{last}", "--json")
            times.append(time.monotonic() - started)
        return min(times)

    # Linear is 2, and less with what both have in common.
    assert best_s(first) < 3 * best_s(Night(last.evening - dt.timedelta(days=364)))
