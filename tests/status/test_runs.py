"""The runs of a source: what QA says, and what counts."""

from __future__ import annotations

import datetime as dt

import pytest

from stereo_tasks.catalog.models import Overrule, Publication, RunVerdict, WithdrawalRow
from stereo_tasks.catalog.sign_offs import sign_off
from stereo_tasks.nights import Night
from stereo_tasks.settings import load_settings
from stereo_tasks.status.night_report import night_report
from stereo_tasks.status.runs import list_runs

PRODUCTION = "mcp062"
NIGHTS = Night("2024-01-10"), Night("2024-01-11")
AT = dt.datetime(2024, 1, 12, 9, 0, tzinfo=dt.UTC)


@pytest.fixture
def runs(scene):
    def verdict(night: Night, run: int, level: str, source: str = "CrabNebula", **more: object) -> RunVerdict:
        return RunVerdict(**{
            "production": PRODUCTION, "night": night.evening, "source": source, "run": run, "level": level,
            "reasons": [] if level == "good" else ["rate 50 % low", "zenith 71 deg"], "metrics": {"x": {"value": 1}},
            "zenith_deg": 20.0 + run, "live_time_s": 1000.0, "plan": "p", "judged_utc": AT, **more,
        })  # fmt: skip

    def overrule(night: Night, run: int, level: str, **more: object) -> Overrule:
        return Overrule(
            production=PRODUCTION, night=night.evening, source="CrabNebula", run=run, level=level, verdict="bad",
            reason="it is fine", decided_by="ana", decided_utc=AT, **more,
        )  # fmt: skip

    first, second = NIGHTS
    scene.add(
        verdict(first, 1, "good"), verdict(first, 2, "good", superseded_utc=AT), verdict(first, 2, "bad"),
        verdict(second, 3, "warning"), verdict(second, 4, "good"), verdict(second, 5, "bad", live_time_s=None),
        verdict(first, 9, "good", "Mrk421"), verdict(first, 1, "bad", production="other"),
        overrule(first, 2, "good"), overrule(second, 4, "bad"), overrule(second, 3, "good", lifted_utc=AT),
        *(
            Publication(
                production=PRODUCTION, night=night.evening, source="CrabNebula", cuts="g", path=f"/{night}", plan="p",
                verdict="good", published_utc=AT,
            )
            for night in NIGHTS
        ),
    )  # fmt: skip


@pytest.mark.usefixtures("runs")
def test_a_person_counts_before_qa(catalog):
    found = {(row.source, row.run): row for row in list_runs(catalog, PRODUCTION)}
    assert {key: (row.level, row.effective, row.quality) for key, row in found.items()} == {
        ("CrabNebula", 1): ("good", "good", 0), ("CrabNebula", 2): ("bad", "good", 0),
        ("CrabNebula", 3): ("warning", "warning", 1), ("CrabNebula", 4): ("good", "bad", 2),
        ("CrabNebula", 5): ("bad", "bad", 2), ("Mrk421", 9): ("good", "good", 0),
    }  # fmt: skip
    two = found["CrabNebula", 2]
    assert (two.night, two.zenith_deg, two.live_time_s) == (NIGHTS[0], 22.0, 1000.0)
    assert (two.overruled.by, two.overruled.at_utc, two.overruled.reason) == ("ana", AT, "it is fine")
    assert two.why == (
        "by ana, 2024-01-12 09:00 UTC: it is fine (QA says bad: rate 50 % low; zenith 71 deg)"
    )  # fmt: skip
    assert found["CrabNebula", 3].why == "rate 50 % low; zenith 71 deg"
    assert found["CrabNebula", 1].why == ""
    assert [key for key, row in found.items() if not row.published] == [("Mrk421", 9), ("CrabNebula", 5)]


@pytest.mark.usefixtures("runs")
def test_what_is_withdrawn_is_neither_good_nor_published(scene, catalog):
    common = {"production": PRODUCTION, "source": "CrabNebula", "reason": "wrong offset", "withdrawn_by": "ana"}
    first, second = NIGHTS
    scene.add(
        WithdrawalRow(night=first.evening, run=2, **common), WithdrawalRow(night=second.evening, run=0, **common),
        WithdrawalRow(night=first.evening, run=1, lifted_utc=AT, lifted_by="ana", lifted_reason="right", **common),
    )  # fmt: skip
    found = list_runs(catalog, PRODUCTION, source="CrabNebula")
    assert [row.run for row in found if row.withdrawn] == [2, 3, 4, 5]
    assert [row.run for row in found if row.published] == [1]
    assert [row.run for row in list_runs(catalog, PRODUCTION, source="CrabNebula", good=True)] == [1]


@pytest.mark.usefixtures("runs")
def test_only_what_is_asked_for(catalog):
    def numbers(**asked: object) -> list[int]:
        return [row.run for row in list_runs(catalog, PRODUCTION, **asked)]

    assert numbers() == [1, 2, 9, 3, 4, 5]
    assert numbers(source="CrabNebula", good=True) == [1, 2]
    assert numbers(first=NIGHTS[1]) == [3, 4, 5]
    assert numbers(last=NIGHTS[0], source="Mrk421") == [9]
    assert numbers(source="Crab") == []
    assert [row.level for row in list_runs(catalog, "other")] == ["bad"]


@pytest.mark.usefixtures("runs")
def test_a_night_tells_its_verdicts_and_its_sign_off(catalog, tmp_path, now):
    settings = load_settings(tmp_path)
    signed = sign_off(catalog, NIGHTS[0], PRODUCTION, "fine", by="ana")
    report = night_report(catalog, NIGHTS[0], settings=settings, production=PRODUCTION, now=now)
    assert [(row.source, row.run, row.effective) for row in report.verdicts] == [
        ("CrabNebula", 1, "good"), ("CrabNebula", 2, "good"), ("Mrk421", 9, "good"),
    ]  # fmt: skip
    assert report.sign_off == signed
    assert night_report(catalog, NIGHTS[1], settings=settings, production=PRODUCTION, now=now).sign_off is None
