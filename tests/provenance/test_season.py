"""The story of the analysis of a season goes through what was published to the raw files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stereo_tasks.planning.datasets import range_name, range_of
from stereo_tasks.processing import season_plans
from stereo_tasks.settings import SettingsError
from stereo_tasks.steps.context import Made

VERSIONS = {"gammapy": "2.1"}


@pytest.fixture
def analysed(site, monkeypatch):
    """Give the result of the analysis of what is published, made with a toy tool."""
    monkeypatch.setattr(season_plans, "analysis_versions", lambda _: dict(VERSIONS))
    monkeypatch.setattr("stereo_tasks.steps.run.resolve", lambda name: _work)
    plan = season_plans.plan_source_season("CrabNebula", settings=site.settings)
    site.run(plan)
    return Path(plan.elements[0].outputs[0])


def _work(context):
    files = [context.folder("out") / Path(output).name for output in context.element.outputs]
    for file in files:
        file.write_text(f"what {file.name} holds")
    return Made(files)


def test_it_names_the_raw_files_of_the_nights(site, stereo, analysed):
    code, text = stereo("explain", analysed, "--json")
    story = json.loads(text)
    assert code == 0
    assert story["stale"] is False
    assert {"calibrate", "dl3", "season_analysis"} <= {record["stage"] for record in story["records"]}
    assert story["made_again_since"] == []
    assert {str(path) for path in site.raw()} <= {mark["path"] for mark in story["raw"]}


def test_another_gammapy_makes_it_stale(site, stereo, analysed, monkeypatch):
    monkeypatch.setattr(season_plans, "analysis_versions", lambda _: {"gammapy": "2.2"})
    code, text = stereo("explain", analysed, "--json")
    story = json.loads(text)
    assert (code, story["stale"]) == (1, True)
    assert [(one["kind"], one["name"]) for one in story["stale_reasons"]] == [("version", "gammapy")]


@pytest.mark.parametrize("name", ["all", "20240110-20240131", "first-20240131", "20240110-last"])
def test_the_range_of_a_set_is_told_by_its_name(name):
    assert range_name(*range_of(name)) == name


def test_a_name_that_a_person_gave_tells_no_range():
    with pytest.raises(SettingsError, match="crab_winter was named by a person"):
        range_of("crab_winter")
