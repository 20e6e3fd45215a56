"""What needs care before it hurts, and who is told of it how often."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from scenes import every_state

from stereo_tasks.catalog.models import EngineSuspension
from stereo_tasks.catalog.suspensions import allow
from stereo_tasks.nights import Night
from stereo_tasks.settings import load_settings
from stereo_tasks.status import Alarm, AlarmKind, alarm_lines, find_alarms
from stereo_tasks.status.sent_alarms import sent_alarms_file, tell_news

LIMITS = "free_space: 1 kB\n"


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("STEREO_SITE", str(tmp_path))
    return _with(tmp_path, LIMITS)


def _with(root, alarms, **files):
    (root / "config").mkdir(exist_ok=True)
    for name, content in {"alarms": alarms, **files}.items():
        (root / "config" / f"{name}.yaml").write_text(content)
    return load_settings(root)


@pytest.fixture
def alarms(settings, scene):
    """All alarms of a moment, by kind."""

    def of(now=None, settings=settings):
        found: dict[AlarmKind, list[str]] = {}
        for one in find_alarms(scene.catalog, settings, now=now or scene.now):
            found.setdefault(one.kind, []).append(one.text)
            assert one.what_to_do
        return found

    return of


def test_a_site_in_order_has_no_alarm(scene, alarms):
    scene.reading()
    night = scene.night(2)
    scene.log(night)
    scene.files(night)
    scene.run(night, "done", 9, 8)
    scene.plan(night)
    scene.publish(night)
    assert alarms() == {}


def test_a_kernel_that_is_out_of_use_is_told_until_somebody_allows_it(scene, alarms):
    scene.reading()
    with scene.catalog.transaction(writes=True) as session:
        session.add(EngineSuspension(
            stage="stereo", production="v1", night=dt.date(2020, 12, 15), source="CrabNebula", reason="h_max, row 3",
        ))  # fmt: skip
    assert alarms() == {AlarmKind.KERNEL_DIFFERS: ["2020-12-15 CrabNebula: h_max, row 3"]}
    allow(scene.catalog, ["stereo"], by="me", reason="looked")
    assert alarms() == {}


def test_what_failed_of_no_night_is_told_until_it_is_made(scene, alarms):
    scene.reading()
    scene.models("stereo", "failed")
    (text,) = alarms()[AlarmKind.NOT_MADE]
    assert text == "mc/ST0320A/NSB1.5/v01/dec_2276 mc_forests: 1 failed or are held, such as: no event is left"
    scene.models("again", "done")  # another plan of the same
    assert alarms() == {}


def test_a_table_that_ends_is_told_thirty_days_before(scene, alarms):
    scene.reading()
    for days, expected in ((31, 0), (30, 0), (29, 2), (-5, 2)):
        now = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC) - dt.timedelta(days=days)
        found = alarms(now).get(AlarmKind.TABLE_ENDS, [])
        assert len(found) == expected, days
    assert "monte_carlo.yaml) ends with 2026-01-01, 5 days ago" in found[0]
    assert "time_offsets.yaml" in found[1]


def test_a_requested_night_that_no_table_covers(scene, alarms):
    scene.reading()
    scene.log(Night("2020-01-05"))
    scene.ask(Night("2020-01-05"), "requested", 1)
    scene.log(Night("2023-04-05"))  # between two time offsets
    scene.ask(Night("2023-04-05"), "requested", 1)
    scene.log(Night("2020-02-05"), reason="HV is Reduced, not Nominal")
    scene.ask(Night("2020-02-05"), "nothing", 1)
    found = alarms()[AlarmKind.NOT_COVERED]
    assert len(found) == 2
    assert "2020-01-06" in found[0]
    assert "no LST-MAGIC time offset is known for 2023-04-05" in found[1]


def test_nights_that_nobody_looks_at(scene, alarms):
    scene.reading()
    nights = every_state(scene)
    assert alarms() == {}, "nothing is old yet"
    later = scene.now + dt.timedelta(hours=26)
    found = alarms(later)
    assert found.pop(AlarmKind.LOG_UNREAD)
    assert [str(nights["waiting"]) in text for text in found.pop(AlarmKind.WAITS)] == [True]
    assert [str(nights["requested"]) in text for text in found.pop(AlarmKind.NO_RUN)] == [True]
    held, failed = sorted(found.pop(AlarmKind.UNATTENDED), key=lambda text: "failed" in text)
    assert str(nights["held"]) in held  # and not the one that a person holds
    assert "dl2/00001: exit code 1" in failed
    assert found == {}
    assert len(alarms(later + dt.timedelta(hours=12))[AlarmKind.OLD_LOCK]) == 1
    # What is long past is in the table, and nobody's news.
    assert AlarmKind.UNATTENDED not in alarms(later + dt.timedelta(days=70))


def test_what_a_waiting_night_lacks_may_change_without_another_alarm(scene, settings):
    scene.reading()
    keys = set()
    for days, missing in ((2, "LST-1 run 2: no file"), (3, "files changed at 10:23")):
        night = scene.night(days)
        scene.log(night)
        scene.files(night, "CrabNebula", missing, waits_h=30)
    for one in find_alarms(scene.catalog, settings, now=scene.now):
        assert one.kind == AlarmKind.WAITS
        keys.add((one.key, one.content))
    assert {content for _, content in keys} == {""}
    assert len(keys) == 2


def test_a_hold_silences_a_night(scene, alarms):
    scene.reading()
    night = every_state(scene)["failed"]
    later = scene.now + dt.timedelta(hours=26)
    assert any(str(night) in text for text in alarms(later)[AlarmKind.UNATTENDED])
    scene.hold(night)
    assert not any(str(night) in text for text in alarms(later)[AlarmKind.UNATTENDED])


def test_a_lock_that_a_dead_run_left(scene, alarms):
    scene.reading()
    night = scene.night(2)
    scene.lock(night, 2)
    assert alarms() == {}
    scene.log(night)
    scene.run(night, "failed", 2, 1)
    (text,) = alarms()[AlarmKind.OLD_LOCK]
    assert "that run ended" in text


def test_the_stereo_log(scene, alarms):
    assert "never read" in alarms()[AlarmKind.LOG_UNREAD][0]
    scene.reading(changed_h=15 * 24, seen_h=4, problems=("line 7, Zd: no number ('x')",))
    scene.changed(scene.night(3), "removed", 10, after=None)
    scene.changed(scene.night(90), "changed", 10)
    scene.changed(scene.night(3), "changed", 10, source="Mrk421")  # people fill in what is new
    scene.changed(scene.night(4), "removed", 10, after=None)
    scene.changed(scene.night(4), "returned", 9, before=None)
    scene.changed(scene.night(5), "removed", 24 * 8, after=None)
    found = alarms()
    assert "last read" in found[AlarmKind.LOG_UNREAD][0]
    assert "has not changed since" in found[AlarmKind.LOG_STANDS_STILL][0]
    rows = found[AlarmKind.LOG_ROWS]
    assert len(rows) == 3
    assert any("line 7" in text for text in rows)
    assert any(f"{scene.night(3)} CrabNebula left" in text for text in rows)
    assert any(f"old row {scene.night(90)} CrabNebula was changed" in text for text in rows)


def test_a_full_disk(scene, alarms, tmp_path):
    scene.reading()
    found = alarms(settings=_with(tmp_path, "free_space: 1000000 TB\n"))
    assert len(found[AlarmKind.FREE_SPACE]) == 1  # products and state are on one file system


def test_many_alarms_are_one_line():
    many = [Alarm(AlarmKind.UNATTENDED, f"2020-01-{day:02d} Crab", "text") for day in range(1, 18)]
    other = Alarm(AlarmKind.FREE_SPACE, "paths.output", "3 GB are free")
    found = alarm_lines([*many, other])
    assert [one.count for one in found] == [17, 1]
    assert "2020-01-01 Crab, 2020-01-02 Crab, 2020-01-03 Crab and 14 more" in found[0].text
    assert found[1].text == "3 GB are free"


def test_each_content_is_told_once_until_it_goes_away(settings):
    memory, told = sent_alarms_file(settings), []

    def tell(*alarms):
        news = tell_news(alarms, memory, told.append)
        return [one.subject for one in news.new], list(news.over)

    full = Alarm(AlarmKind.FREE_SPACE, "paths.output", "30 GB are free")
    ends = Alarm(AlarmKind.TABLE_ENDS, "config/a.yaml", "in 9 days", content="2026-01-01")
    assert tell(full) == (["paths.output"], [])
    assert tell(full) == ([], [])
    # A number that changes by itself is no news; another content is.
    assert tell(Alarm(AlarmKind.FREE_SPACE, "paths.output", "20 GB are free"), ends) == (["config/a.yaml"], [])
    moved = Alarm(AlarmKind.TABLE_ENDS, "config/a.yaml", "in 300 days", content="2026-12-01")
    assert tell(full, moved) == (["config/a.yaml"], [])
    assert tell(moved) == ([], ["30 GB are free"])
    assert tell(full, moved) == (["paths.output"], [])
    assert len(told) == 4


def test_what_could_not_be_told_is_told_the_next_time(settings):
    full = Alarm(AlarmKind.FREE_SPACE, "paths.output", "30 GB are free")

    def broken(news):
        raise OSError("no mail today")

    with pytest.raises(OSError, match="no mail today"):
        tell_news([full], sent_alarms_file(settings), broken)
    assert len(tell_news([full], sent_alarms_file(settings), lambda news: None).new) == 1


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}', '{"free space:  paths.output": {}}'])
def test_a_damaged_memory_tells_again(settings, content):
    memory = sent_alarms_file(settings)
    memory.parent.mkdir(parents=True)
    memory.write_text(content)
    full = Alarm(AlarmKind.FREE_SPACE, "paths.output", "30 GB are free", content="c")
    assert len(tell_news([full], memory, lambda news: None).new) == 1
    assert json.loads(memory.read_text())[full.key]["content"] == "c"
