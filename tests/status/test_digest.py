"""The digest of a morning: which nights, what of each, and when a source is bright."""

from __future__ import annotations

import datetime as dt

import pytest
import yaml
from stereo_portal.digest_message import digest_html, digest_text

from stereo_tasks.catalog.models import QaRow, RunVerdict
from stereo_tasks.nights import Night
from stereo_tasks.settings import load_settings
from stereo_tasks.status.digest import morning_digest
from stereo_tasks.status.state import NightState

FLUX = 1.7e-10
"""Of the Crab Nebula at 0.5 TeV (MAGIC 2015, log-parabola, rounded), in 1/(TeV cm2 s)."""


@pytest.fixture
def settings(tmp_path):
    return load_settings(tmp_path)


def quality(night: Night, factor: float, error: float = 0.1 * FLUX, source: str = "CrabNebula") -> QaRow:
    metrics = {
        "significance_sigma": 22.74, "live_time_s": 4800.0, "flux_per_tev_cm2_s": factor * FLUX,
        "flux_error_per_tev_cm2_s": error, "flux_reference_tev": 0.5,
    }  # fmt: skip
    return QaRow(
        production="mcp062", night=night.evening, source=source, verdict="good", reason="", metrics=metrics, runs={},
        page="",
    )  # fmt: skip


def lost(night: Night, run: int, seconds: float, **more: object) -> RunVerdict:
    return RunVerdict(
        production="mcp062", night=night.evening, source="CrabNebula", run=run, level="good", reasons=[],
        metrics={"lost_time_s": {"value": seconds}}, zenith_deg=20.0, live_time_s=1000.0, plan="p",
        judged_utc=dt.datetime(2024, 1, 20, tzinfo=dt.UTC), **more,
    )  # fmt: skip


def test_last_night_comes_first_and_then_what_was_worked_on(scene, catalog, settings, now):
    last, backfilled, old = scene.night(1), scene.night(40), scene.night(50)
    for night in (last, backfilled, old):
        scene.log(night)
        scene.files(night)
    scene.run(backfilled, "failed", 9, 2, "no forests")
    scene.run(old, "failed", 99, 25, "longer ago than a day")
    digest = morning_digest(catalog, settings, now=now)
    assert [one.status.night for one in digest.sources] == [last, backfilled]
    assert [one.status.night for one in digest.of(NightState.FAILED)] == [backfilled]
    assert digest.subject.startswith(f"{last}: 1 ready")
    text = digest_text(digest)
    assert text.index("FAILED") < text.index("NOT YET")
    assert "no forests" in text
    assert f"stereo backfill {backfilled}" in text
    assert f"- {old} CrabNebula: " not in text  # an alarm, and no news


def test_what_was_measured_and_what_it_took(scene, catalog, settings, now):
    night = scene.night(1)
    scene.log(night)
    scene.files(night, waits_h=3)
    scene.run(night, "done", 2, 1.5)
    scene.plan(night)  # 22 elements of a second
    scene.publish(night, hours=2.5)
    scene.add(lost(night, 1, 90.0), lost(night, 2, 60.0), lost(night, 2, 999.0, superseded_utc=now))
    (one,) = morning_digest(catalog, settings, now=now).sources
    assert (one.significance_sigma, one.cpu_s, one.lost_time_s) == (22.7, 22.0, 150.0)
    assert one.latency_s == pytest.approx(1800)
    assert "22.7 sigma" in digest_text(morning_digest(catalog, settings, now=now))
    assert "2.5 min lost, published 30 min after its last file" in digest_html(
        morning_digest(catalog, settings, now=now)
    )


@pytest.mark.parametrize(
    ("factor", "error", "nights", "bright"),
    [
        (2.0, 0.1 * FLUX, 4, True),
        (1.4, 0.01 * FLUX, 4, False),  # within what single nights are wrong by
        (2.0, 0.5 * FLUX, 4, False),  # two of its errors
        (2.0, 0.1 * FLUX, 2, False),  # too few nights to know what is usual
    ],
)
def test_a_source_far_above_its_usual_flux_is_marked(scene, catalog, settings, now, factor, error, nights, bright):
    night = scene.night(1)
    scene.log(night)
    scene.files(night)
    scene.run(night, "done", 2, 1)
    scene.add(quality(night, factor, error), *(quality(scene.night(10 + day), 1 + 0.01 * day) for day in range(nights)))
    scene.add(quality(scene.night(30), 99, source="Mrk421"))
    digest = morning_digest(catalog, settings, now=now)
    (one,) = digest.sources
    assert one.flux.flares is bright
    assert ("CrabNebula bright" in digest.subject) is bright
    assert ("BRIGHT: 2.0 times" in digest_text(digest)) is bright


def test_a_backfill_of_years_makes_no_message_of_pages(scene, catalog, settings, now):
    for day in range(2, 61):
        scene.log(scene.night(day))
        scene.files(scene.night(day))
        scene.run(scene.night(day), "done", 3, 1)
    digest = morning_digest(catalog, settings, now=now)
    assert len({one.status.night for one in digest.sources}) == 39  # and the last night, of which nothing is known
    assert "20 more nights were worked on" in digest_text(digest)


def test_names_of_the_log_are_no_markup(scene, catalog, settings, now):
    night = scene.night(1)
    scene.log(night, "<script>alert(1)</script>")
    scene.files(night, "<script>alert(1)</script>")
    scene.run(night, "failed", 2, 1, "{{ 7 * 7 }}")
    html = digest_html(morning_digest(catalog, settings, now=now))
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_an_empty_catalog_has_a_digest_too(catalog, settings, now, tmp_path):
    digest = morning_digest(catalog, settings, now=now)
    assert digest.subject.startswith("2024-01-19: no joint observation")
    assert "nothing was worked on" in digest_text(digest)
    assert [disk.total_gb > 0 for disk in digest.disks] == [True]
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "alarms.yaml").write_text(yaml.safe_dump({"free_space": "900 PB"}))
    full = morning_digest(catalog, load_settings(tmp_path), now=now)
    assert any("GB are free" in alarm.text for alarm in full.alarms)
