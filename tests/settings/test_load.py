import datetime as dt
from dataclasses import replace

import pytest
import yaml

from stereo_tasks.nights import Night
from stereo_tasks.settings import SettingsError, load_settings
from stereo_tasks.settings.choices import NoChoiceError, declination_folder
from stereo_tasks.stages import stages
from stereo_tasks.stages.night import DL2, DL3


@pytest.fixture
def site(tmp_path):
    (tmp_path / "config").mkdir()

    def write(name, content):
        (tmp_path / "config" / name).write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return tmp_path

    return write


def test_the_repository_s_own_configuration_loads(tmp_path):
    settings = load_settings(tmp_path)
    assert settings.production().cuts == "g_dyn_0.9_th_glo_0.2"
    assert settings.site.paths.output == tmp_path / "products"
    assert {stage.name: settings.cost(stage) for stage in stages()} == {stage.name: stage.cost for stage in stages()}


def test_a_site_overrides_what_a_stage_declares_key_by_key(site):
    settings = load_settings(site("resources.yaml", {"dl2": {"memory": "20 GB", "time_per_element": "1 h"}}))
    assert settings.cost(DL2) == replace(DL2.cost, memory_mb=20_000, element_s=3600)
    assert settings.cost(DL3) == DL3.cost


def test_a_site_changes_single_keys_only(site):
    root = site("mcp.yaml", {"dl2_to_dl3": {"interpolation_method": "nearest"}})
    changed, base = load_settings(root).production().mcp, load_settings(root / "nowhere").production().mcp
    assert changed["dl2_to_dl3"]["interpolation_method"] == "nearest"
    assert changed["dl2_to_dl3"]["max_distance"] == base["dl2_to_dl3"]["max_distance"]
    assert {key for key in base if changed[key] != base[key]} == {"dl2_to_dl3"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("site.yaml", {"wrokers": 2}, "wrokers"),
        ("site.yaml", {"workers": 0}, "workers"),
        ("resources.yaml", {"stereo": {"memory": 4}}, "has no unit"),
        ("resources.yaml", {"stereo": {"memory": "4 h"}}, "not a quantity"),
        ("resources.yaml", {"sterio": {"memory": "4 GB"}}, "there is no stage sterio"),
        ("productions.yaml", {"default": "nothing"}, "not among"),
        ("productions.yaml", {"productions": {"tools": {"engine": "mcp"}}}, "productions.tools.mcp"),
        ("policy.yaml", "a: [", "not YAML"),
    ],
)
def test_a_mistake_is_named_with_its_file(site, name, content, message):
    with pytest.raises(SettingsError, match=message) as error:
        load_settings(site(name, content))
    assert name in str(error.value)


def test_an_unknown_production_says_which_there_are(tmp_path):
    with pytest.raises(SettingsError, match="mcp062"):
        load_settings(tmp_path).production("mcp999")


@pytest.mark.parametrize(
    ("night", "period", "offset_us"),
    [
        ("2020-12-01", "ST0316A", -3.1),
        ("2022-06-09", "ST0318A", -6.5),
        ("2023-11-15", "ST0320A", -1583.8),
        ("2024-01-10", "ST0320A", -3.2),
    ],
)
def test_period_by_morning_and_offset_by_evening(tmp_path, night, period, offset_us):
    settings = load_settings(tmp_path)
    assert settings.monte_carlo.period(Night(night)).name == period
    assert settings.time_offset(Night(night)).offset_us == offset_us


def test_gaps_and_ends_of_the_tables_are_errors_not_neighbours(tmp_path):
    settings = load_settings(tmp_path)
    for night in (Night("2021-11-01"), Night(dt.date(2026, 1, 1))):
        with pytest.raises(NoChoiceError, match="add the period"):
            settings.monte_carlo.period(night)
    with pytest.raises(NoChoiceError, match="time offset"):
        settings.time_offset(Night("2023-09-05"))


def test_declination_lines(tmp_path):
    monte_carlo = load_settings(tmp_path).monte_carlo
    assert monte_carlo.declination_line_deg(22.01) == 22.76
    assert declination_folder(22.76) == "dec_2276"
    assert declination_folder(-4.13) == "dec_min_413"
    with pytest.raises(NoChoiceError, match="Monte Carlo"):
        monte_carlo.declination_line_deg(80.0)


def test_the_stereo_log_may_be_an_address(site, monkeypatch):
    monkeypatch.setenv("LOG_KEY", "abc")
    paths = load_settings(
        site("site.yaml", {"paths": {"stereo_log": "https://example.org/log?key=$LOG_KEY"}})
    ).site.paths
    assert paths.stereo_log == "https://example.org/log?key=abc"
    root = site("site.yaml", {"paths": {"stereo_log": "logs/mine.csv"}})
    assert load_settings(root).site.paths.stereo_log == root / "logs" / "mine.csv"


def test_paths_that_a_site_need_not_have_are_none_or_below_its_root(site):
    root = site("site.yaml", {"paths": {"lst_dl2": "data/LST/DL2"}})
    paths = load_settings(root).site.paths
    assert paths.lst_dl2 == root / "data/LST/DL2"
    assert paths.melibea is None
