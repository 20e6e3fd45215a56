"""``stereo config show``: each effective value, and the file and rule that it comes from."""

import json

import pytest
import typer
import yaml
from typer.testing import CliRunner

from stereo_tasks.commands import config

RULE = {
    "source": "CrabNebula",
    "first": "2024-01-01",
    "set": {"nsb": 2.0, "mcp": {"create_irf": {"event_type": "hardware"}}},
}


@pytest.fixture
def show(tmp_path, monkeypatch):
    (tmp_path / "config").mkdir()
    content = {"productions": {"mcp062": {"overrides": [RULE]}}}
    (tmp_path / "config" / "productions.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.setenv("STEREO_SITE", str(tmp_path))
    app = typer.Typer()
    app.add_typer(config.app, name="config")

    def run(night, source, *more):
        result = CliRunner().invoke(app, ["config", "show", "--night", night, "--source", source, *more])
        assert result.exit_code == 0, repr(result.exception)
        return result.output

    return run


def test_every_value_is_there_with_its_origin(show, tmp_path):
    found = json.loads(show("2024-01-10", "CrabNebula", "--json"))
    values = {row["key"]: row for row in found["values"]}
    rule = f"{tmp_path}/config/productions.yaml, rule 1 of overrides"
    assert (values["nsb"]["value"], values["nsb"]["origin"]) == (2.0, rule)
    assert values["mcp.create_irf.event_type"] == {
        "key": "mcp.create_irf.event_type", "value": "hardware", "origin": rule,
    }  # fmt: skip
    assert values["mcp.dl2_to_dl3.interpolation_method"]["origin"] == "config/mcp.yaml"
    assert values["corrections"]["origin"] == "default"
    assert all(row["origin"] for row in found["values"])
    assert {"period", "declination line", "time offset", "event type"} <= {one["name"] for one in found["choices"]}
    assert found["blockers"] == []


def test_a_night_before_the_rule_is_as_the_production_says(show):
    found = json.loads(show("2023-12-31", "CrabNebula", "--json"))
    assert not [row for row in found["values"] if "rule" in row["origin"]]


def test_the_table_has_a_line_for_each_value(show):
    lines = show("2024-01-10", "CrabNebula").splitlines()
    (line,) = [line for line in lines if line.startswith("mcp.create_irf.event_type")]
    assert line.split()[1] == "hardware"
    assert line.rstrip().endswith("rule 1 of overrides")


def test_what_holds_a_source_back_is_said(show):
    assert "held: source: no position of GRB240110A" in show("2024-01-10", "GRB240110A")
