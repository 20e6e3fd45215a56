"""The command line: options, spec files and messages."""

import json

import yaml
from typer.testing import CliRunner

from stereo_tasks.simulate.cli import app
from stereo_tasks.simulate.spec import Campaign
from tests.simulate.conftest import small_night

RUNNER = CliRunner()


def test_template_is_a_valid_spec_with_three_nodes():
    result = RUNNER.invoke(app, ["template"])
    campaign = Campaign.model_validate(yaml.safe_load(result.stdout))
    assert len(campaign.monte_carlo.nodes) >= 3
    assert campaign.nights[0].night == "2024-01-10"


def test_night_from_a_spec_file(tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump({"nights": [small_night().model_dump(mode="json")]}))
    result = RUNNER.invoke(app, ["night", "--out", str(tmp_path), "--spec", str(path)])
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "truth/20240110.json").read_text())["night"] == "2024-01-10"


def test_options_change_the_demo(tmp_path):
    arguments = "--zenith 20 --subruns 1 --subrun-seconds 1 --seed 3 --library 50"
    faults = ["--fault", "lst_missing", "--fault", "magic_stall:0:0::0.2:0.5"]
    source = ["--source", "Test+1:83.6:22.0", "--amplitude", "1e-9", "--time-offset", "-6.5", "--magic-rate", "5"]
    result = RUNNER.invoke(app, ["night", "--out", str(tmp_path), *arguments.split(), *source, *faults])
    assert result.exit_code == 0, result.output
    truth = json.loads((tmp_path / "truth/20240110.json").read_text())
    (source,) = truth["sources"]
    assert source["name"] == "Test+1"
    assert source["spectrum"]["amplitude"] == 1e-9
    assert truth["time_offset_us"] == -6.5
    assert [fault["kind"] for fault in truth["faults"]] == ["lst_missing", "magic_stall"]
    assert (truth["faults"][1]["begin_s"], truth["faults"][1]["duration_s"]) == (0.2, 0.5)
    assert len(truth["faults"][1]["paths"]) == 2


def test_mistakes_give_one_clear_line(tmp_path):
    for arguments, message in (
        (["--night", "2024-07-10"], "smallest zenith in the dark"),
        (["--fault", "meteor"], "is no fault"),
        (["--fault", "lst_stall:0:0::8:3"], "must end within its subrun"),
        (["--magic-rate", "0"], "greater than 0"),
        (["--spec", str(tmp_path / "none.yaml")], "none.yaml"),
    ):
        result = RUNNER.invoke(app, ["night", "--out", str(tmp_path), *arguments])
        assert result.exit_code == 2
        assert message in result.output
        assert "Traceback" not in result.output
