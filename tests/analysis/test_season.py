"""The analysis of a season as a job works it: from published folders to results and page."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml
from astropy.table import QTable
from simulated_dl3 import NAME, write_folder

from stereo_tasks.nights import Night
from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.processing.season_plans import plan_source_season
from stereo_tasks.settings import load_settings
from stereo_tasks.stages import State
from stereo_tasks.steps import __main__ as steps
from stereo_tasks.zoom.policy import BOKEH_SHA256, LOADER, digest

CUTS = "g_dyn_0.9_th_glo_0.2"


class Season:
    """A site with published nights, whose analysis environment is the one that the tests run in."""

    def __init__(self, root):
        self.published = root / "products" / "mcp062" / NAME / "DL3" / CUTS / "published"
        (root / "config").mkdir()
        (root / "config" / "site.yaml").write_text(f"analysis_python: {sys.executable}\n")
        self.settings = load_settings(root)
        self.folder = root / "products" / "mcp062" / NAME / "Season" / "all"

    def publish(self, night, version="a", **options):
        folder = self.published / ".versions" / f"{night}.{version}"
        folder.mkdir(parents=True)
        number = int(night) - 20240110
        write_folder(
            folder, first_run=100 + 10 * number, seed=100 + number, kind="fixed", nights=[number] * options["runs"],
            **options,
        )  # fmt: skip
        link = self.published / night
        link.unlink(missing_ok=True)
        link.symlink_to(folder)
        return folder

    def work(self):
        """Plan, and work on the element as a job does; return the exit code and the record."""
        plan = plan_source_season(NAME, settings=self.settings)
        code = steps.main([str(plan.save()), "season_analysis", "0"])
        return code, ElementStates(plan).record(plan.elements[0])

    @property
    def results(self):
        return yaml.safe_load((self.folder / "results.yaml").read_text())


@pytest.fixture(scope="module")
def season(tmp_path_factory):
    found = Season(tmp_path_factory.mktemp("season"))
    found.publish("20240110", runs=2, amplitude=1e-10, quality=[0, 2])
    found.publish("20240112", runs=1, amplitude=1e-10, quality=[1])
    return found


@pytest.fixture(scope="module")
def worked(season):
    return season.work()


def test_an_element_leaves_all_files_and_a_record(season, worked):
    code, record = worked
    assert (code, record.state) == (0, State.DONE)
    assert {Path(mark.path).name for mark in record.outputs} == {path.name for path in season.folder.iterdir()} - {
        "plans", "results.yaml.record.json",
    }  # fmt: skip
    assert record.counts["observations"] == 2
    assert record.counts["nights"] == 2
    assert record.lost == ("run 101: QUALITY 2: bad",)
    assert record.versions["gammapy"].startswith("2.")
    assert record.cpu_s > 1
    assert not list(season.folder.glob(".tmp-*"))
    results = season.results
    assert results["observations"] == [100, 120]
    assert results["nights"] == ["2024-01-10", "2024-01-12"]
    assert results["origin"]["production"] == "mcp062"


def test_runs_are_listed_with_the_reason_why_they_were_left_out(season, worked):
    runs = QTable.read(season.folder / "runs.ecsv")
    assert list(runs["obs_id"]) == [100, 101, 120]
    assert list(runs["used"]) == [True, False, True]
    assert list(runs["night"]) == ["2024-01-10", "2024-01-10", "2024-01-12"]
    assert runs["zenith"].to_value("deg") == pytest.approx([20, 20, 20])
    assert runs["start"][0].startswith("2024-01-10T21:43:07")
    assert list(runs["quality"]) == [0, 2, 1]


def test_the_page_has_all_of_it_and_loads_nothing(season, worked):
    page = (season.folder / "season.html").read_text()
    assert page.count('<img src="data:image/png;base64,') == 5
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert {digest(script) for script in scripts} == {BOKEH_SHA256, digest(LOADER.read_text())}
    assert page.count('<script type="application/json">') == 4  # all but the maps zoom
    for script in scripts:
        page = page.replace(script, "")
    assert not re.search(r"https?://|src=\"(?!data:)", page)
    assert "prefers-color-scheme: dark" in page
    assert "left out: QUALITY 2: bad" in page
    assert f"{season.results['significance_sigma']:.1f} σ" in page
    assert "2 nights, 2024-01-10 to 2024-01-12" in page


def test_names_from_outside_are_text_on_the_page(season, worked):
    from stereo_tasks.analysis.page import render

    results = season.results
    results["source"]["name"] = "<script>alert(1)</script>"
    tables = {name: QTable.read(season.folder / f"{name}.ecsv") for name in ("lightcurve", "runs")}
    assert "<script" not in render(results, tables, {})


def test_worked_again_nothing_is_made_anew_and_a_bad_run_more_is_one_less(season, worked):
    before = (season.folder / "results.yaml").stat().st_mtime_ns
    assert season.work()[1].ended_utc == worked[1].ended_utc
    assert (season.folder / "results.yaml").stat().st_mtime_ns == before
    season.publish("20240112", "b", runs=1, amplitude=1e-10, quality=[2])
    _, record = season.work()
    assert record.counts["observations"] == 1
    assert season.results["observations"] == [100]
    # Nothing is left: what was made of runs that are bad now does not stay.
    season.publish("20240110", "b", runs=2, amplitude=1e-10, quality=[2, 2])
    code, record = season.work()
    assert (code, record.state) == (0, State.SKIPPED)
    assert "all 3 have QUALITY 2" in record.reason
    assert {path.name for path in season.folder.iterdir()} == {"plans", "results.yaml.record.json"}


def test_a_damaged_file_fails_by_name(tmp_path):
    season = Season(tmp_path)
    path = season.publish("20240110", runs=1, seconds=60.0) / "run100.fits"
    path.write_bytes(path.read_bytes()[:3000])
    code, record = season.work()
    assert (code, record.state) == (1, State.FAILED)
    assert "run100.fits cannot be read" in record.reason
    assert {path.name for path in season.folder.iterdir()} == {"plans", "results.yaml.record.json"}


def test_an_environment_that_is_not_the_plan_s_is_refused(season, capsys):
    from dataclasses import replace

    plan = plan_source_season(NAME, Night("2024-01-01"), settings=season.settings)
    other = replace(plan, versions={**plan.versions, "gammapy": "2.0"})
    assert steps.main([str(other.save()), "season_analysis", "0"]) == 3
    assert "gammapy; plan the night again" in capsys.readouterr().err
