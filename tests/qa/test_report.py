"""The whole page, from a plan, its records and synthetic DL3."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from stereo_tasks.planning.elements import product
from stereo_tasks.planning.plan import Blocker, Choice, Element, Notice
from stereo_tasks.qa.images import COLUMNS
from stereo_tasks.qa.report import make_report
from stereo_tasks.stages import State
from stereo_tasks.stages.night import CALIBRATE, COMPARE, STEREO
from stereo_tasks.zoom.policy import BOKEH_SHA256, LOADER, digest, script_sources

EVIL = '<script>alert("x")</script><img src=http://evil.example/x onerror=alert(1)> $\\frac{'


class _Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


def _read(out: Path) -> tuple[str, dict]:
    return (out / "report.html").read_text(), json.loads((out / "qa.json").read_text())


def test_a_good_night(fake_night, crab_fixed, tmp_path):
    out = tmp_path / "qa"
    counts = make_report(fake_night.plan, fake_night.records, crab_fixed, out)
    html, data = _read(out)
    assert data["verdict"]["level"] == "good", data["verdict"]
    assert counts["runs_good"] == 2
    assert counts["significance_sigma"] > 50
    assert abs(counts["flux_per_tev_cm2_s"] - 2.2e-10) < 4 * counts["flux_error_per_tev_cm2_s"]
    assert abs(counts["index"] - 2.5) < 4 * counts["index_error"]
    assert data["runs"][0]["flow"]["coincide"] == [159000, 8100]
    assert data["runs"][0]["metrics"]["time_offset_us"]["value"] == pytest.approx(-3.15)
    assert f"{counts['significance_sigma']:.1f} σ" in html
    for text in (
        "01622",
        "5093711",
        "159,000",
        "8,100",
        "-3.15",
        "14.3 min",
        "ST0320A",
        "subrun missing in the sequence",
    ):
        assert text in html, text
    assert html.count('<img src="data:image/svg+xml') == 4
    assert html.count('<script type="application/json">') == 3  # all but the flow of events zoom
    assert len(html) < 2_000_000
    assert sorted(path.name for path in out.iterdir()) == ["qa.json", "report.html"]


def test_what_is_said_of_each_metric(fake_night, crab_fixed, tmp_path):
    rng = np.random.default_rng(1)
    columns = {name: rng.uniform(0, 0.4, 300) for name in COLUMNS}
    columns |= {
        "obs_id": np.full(300, 1622), "event_id": np.repeat(np.arange(100), 3), "tel_id": np.tile([1, 2, 3], 100),
        "combo_type": np.ones(300, dtype=int),
    }  # fmt: skip
    fake_night.set("coincide/01622.0002", time_offset_us=-2.1)
    make_report(
        fake_night.plan, fake_night.records, crab_fixed, tmp_path, dl2={1622: columns}, muon_efficiency={1622: 0.15}
    )
    html, data = _read(tmp_path)
    run, other = data["runs"]
    assert {"level", "reasons", "live_time_s", "on_time_s", "lost_time_s", "zenith_deg", "lst_run"} <= run.keys()
    assert (run["level"], other["level"]) == ("bad", "good")
    assert run["reasons"][0].startswith("rate of events with LST-1 and MAGIC 0.1 Hz, good is 5")  # the worst first
    assert run["metrics"]["time_offset_step_us"] == {
        "value": pytest.approx(1.05), "unit": "us", "level": "warning", "limit": "0 to 0.3",
        "reason": "time offset jumps between subruns by 1.05 us, good is 0 to 0.3",
    }  # fmt: skip
    assert run["metrics"]["combination_lst1_m1_m2"]["value"] == 1.0
    assert run["metrics"]["muon_efficiency"]["level"] == "warning"
    assert run["metrics"]["source_offset_deg"]["value"] < 0.02
    assert other["metrics"]["muon_efficiency"] == {
        "value": None, "unit": "", "level": "unknown", "limit": "at least 0.16",
        "reason": "muon efficiency: not known (no muon file beside the DL1 of LST-1)",
    }  # fmt: skip
    assert all(reason in [one["reason"] for one in run["metrics"].values()] for reason in run["reasons"])
    text = " ".join(_Tags(html).text.split())
    # What is not good comes first, and the rest is folded away.
    assert text.index("muon efficiency") < text.index("metrics that are good, or have no limit")
    assert text.index("metrics that are good, or have no limit") < text.index("excess away from the source by")
    assert "Not known of any run: night-sky background (autoMCP's tables do not have it)" in text


def test_the_page_loads_and_runs_nothing(fake_night, crab_fixed, tmp_path):
    night = fake_night
    night.plan = replace(
        night.plan,
        source=EVIL,
        production=EVIL,
        choices=(Choice(EVIL, EVIL, EVIL),),
        notices=(Notice(EVIL, EVIL),),
        blockers=(Blocker(EVIL, EVIL),),
        versions={EVIL: EVIL},
    )
    night.set("stereo/01622.0001", "failed", EVIL, lost=(EVIL,))
    make_report(night.plan, night.records, crab_fixed, tmp_path)
    html, _ = _read(tmp_path)
    page = _Tags(html)
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    assert {digest(script) for script in scripts} == {BOKEH_SHA256, digest(LOADER.read_text())}
    data = [attributes for tag, attributes in page.found if tag == "script" and attributes]
    assert data == [{"type": "application/json"}] * 3
    assert page.text.count(EVIL) >= 10  # there, as text
    for tag, attributes in page.found:
        assert not any(name.startswith("on") or name in {"style", "href"} for name in attributes), (tag, attributes)
        assert attributes.get("src", "data:").startswith("data:image/svg+xml;base64,") or "src" not in attributes
    for script in scripts:
        html = html.replace(script, "")
    assert not re.search(r"url\(|@import|<link|<iframe|<form", html)
    policy = next(attributes["content"] for tag, attributes in page.found if "http-equiv" in attributes)
    assert "default-src 'none'" in policy
    assert policy.split("; ")[2] == script_sources()
    assert "unsafe" not in script_sources()
    assert "unsafe-eval" not in policy


def test_without_dl3_the_page_says_why(fake_night, tmp_path):
    night = fake_night
    for element in ("dl3/01622", "dl3/01623"):
        night.set(element, "held", "outside the zenith range of the IRFs: Monte Carlo at this zenith is needed")
    night.records["index"] = None
    night.set("coincide/01623.0002", "skipped", "no coincident events")
    counts = make_report(night.plan, night.records, None, tmp_path)
    html, data = _read(tmp_path)
    assert data["verdict"]["level"] == "bad"
    assert counts["elements_held"] == 2
    assert counts["elements_skipped"] == 1
    assert counts["elements_no_record"] == 1
    assert "significance_sigma" not in counts
    for text in ("no run reached DL3", "Monte Carlo at this zenith is needed", "no coincident events", "dl3/01623"):
        assert text in html, text


def test_a_plan_with_nothing_but_a_hold(fake_night, tmp_path):
    plan = replace(fake_night.plan, elements=(), blockers=(Blocker("IRFs", "run 'stereo prepare-mc'"),))
    make_report(plan, {}, None, tmp_path)
    html, data = _read(tmp_path)
    assert data["verdict"]["level"] == "bad"
    assert {run["state"] for run in data["runs"]} == {"held"}
    assert "run &#39;stereo prepare-mc&#39;" in html


def test_records_without_counts(fake_night, tmp_path):
    records = {name: replace(record, counts={}) for name, record in fake_night.records.items()}
    make_report(fake_night.plan, records, None, tmp_path)
    assert "no run reached DL3" in (tmp_path / "report.html").read_text()


def test_no_records_at_all(fake_night, tmp_path):
    counts = make_report(fake_night.plan, {}, None, tmp_path)
    assert counts["elements_no_record"] == len(fake_night.plan.elements) - 1


def test_a_broken_dl3_file_is_said_not_raised(fake_night, crab_fixed, tmp_path):
    folder = tmp_path / "dl3"
    shutil.copytree(crab_fixed, folder)
    broken = next(folder.glob("dl3_*1623*"))
    broken.write_bytes(broken.read_bytes()[:5000])
    make_report(fake_night.plan, fake_night.records, folder, tmp_path / "qa")
    html, data = _read(tmp_path / "qa")
    assert data["verdict"]["level"] == "bad"
    assert "make dl3 and index again" in html


def test_a_source_without_position(fake_night, crab_fixed, tmp_path):
    plan = replace(fake_night.plan, settings={**fake_night.plan.settings, "source_ra_deg": None})
    make_report(plan, fake_night.records, crab_fixed, tmp_path)
    assert "config/sources.yaml" in (tmp_path / "report.html").read_text()


def test_too_weak_for_a_spectrum(fake_night, make_night, tmp_path):
    folder = make_night(flux=1e-16, seconds=300, seed=5)
    counts = make_report(fake_night.plan, fake_night.records, folder, tmp_path)
    html, data = _read(tmp_path)
    assert abs(counts["significance_sigma"]) < 4
    assert "flux_per_tev_cm2_s" not in counts
    assert "too weak for a spectrum" in data["no_spectrum"]
    assert "below the mark of 5 σ" in html


def test_differing_versions_are_marked(fake_night, tmp_path):
    night = fake_night
    night.records["dl2/01622"] = replace(night.records["dl2/01622"], versions={"lstchain": "0.12.4"})
    make_report(night.plan, night.records, None, tmp_path)
    assert re.search(r'class="off">0\.12\.3, 0\.12\.4<', (tmp_path / "report.html").read_text())


def test_equal_reasons_are_one_row(fake_night, tmp_path):
    for run in (5093711, 5093712):
        for subrun in (1, 2, 3):
            for telescope in ("M1", "M2"):
                fake_night.set(f"calibrate/{telescope}/{run:08d}.{subrun:03d}", "failed", "disk full")
    make_report(fake_night.plan, fake_night.records, None, tmp_path)
    html, data = _read(tmp_path)
    assert [len(one["elements"]) for one in data["problems"]] == [12]
    assert html.count("disk full") == 1
    assert "and 6 more" in html


def test_nothing_but_finite_numbers_in_the_json(fake_night, tmp_path):
    fake_night.set("dl3/01622", live_time_s=float("nan"))
    counts = make_report(fake_night.plan, fake_night.records, None, tmp_path)
    json.loads((tmp_path / "qa.json").read_text(), parse_constant=pytest.fail)
    assert "live_time_s" not in counts


def test_who_made_it_and_what_was_made_twice(fake_night, crab_fixed, tmp_path):
    plan, records = fake_night.plan, dict(fake_night.records)
    elements = [element for element in plan.elements if element.stage in (CALIBRATE, STEREO)]
    for element in elements:
        records[element.id] = replace(records[element.id], engine="fast")
    slow = elements[-1]
    records[slow.id] = replace(records[slow.id], engine="mcp", engine_reason="quality_cuts: width > 0 or so")
    first = elements[0]
    twice = Element(f"compare/{first.id}", COMPARE, (product(first.outputs[0]),), (str(tmp_path / "c.json"),))
    plan = replace(plan, elements=(*plan.elements, twice))
    make_report(plan, records, crab_fixed, tmp_path / "early")
    html, data = _read(tmp_path / "early")
    assert (data["made_twice"], data["verdict"]["level"]) == ("", "good")
    assert "No element was made twice, by our kernel and by magic-cta-pipe, yet: 1 will be." in html
    records[twice.id] = replace(records[first.id], element=twice.id, stage="compare", engine="")
    make_report(plan, records, crab_fixed, tmp_path / "qa")
    html, data = _read(tmp_path / "qa")
    text = " ".join(_Tags(html).text.split())
    assert data["made_twice"] == f"1 of {len(elements)} elements made twice: equal"
    assert data["made_twice"] in text
    assert "quality_cuts: width > 0 or so" in text

    reason = "is not what magic-cta-pipe makes of it: column width, row 3"
    records[twice.id] = replace(records[twice.id], state=State.HELD, reason=reason)
    make_report(plan, records, crab_fixed, tmp_path / "bad")
    html, data = _read(tmp_path / "bad")
    assert data["made_twice"] == f"1 of {len(elements)} elements made twice: 1 differ from what magic-cta-pipe makes"
    assert reason in " ".join(_Tags(html).text.split())
    assert data["verdict"]["level"] != "good"
