"""What is published, and what people decide of it, on the command line."""

import json
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1] / "processing"))  # for published_site

from published_site import SOURCE, PublishedSite


@pytest.fixture
def stereo():
    from stereo_tasks.commands import published
    from stereo_tasks.errors import StereoError

    app = typer.Typer(pretty_exceptions_enable=False)
    app.command("published")(published.published_command)
    app.command("rollback")(published.rollback_command)
    app.command("withdraw")(published.withdraw_command)

    def run(*arguments: object, code: int = 0) -> str:
        result = CliRunner().invoke(app, [str(one) for one in arguments])
        if isinstance(result.exception, StereoError):
            assert code == 1, result.exception
            return str(result.exception)
        assert result.exit_code == code, result.output + repr(result.exception)
        return result.output

    return run


def test_versions_are_listed_rolled_back_and_withdrawn(stereo, catalog, tmp_path):
    assert "nothing of CrabNebula is published" in stereo("published", SOURCE)
    nights = PublishedSite(tmp_path)
    nights.publish("2024-01-10", [1622, 1623])
    nights.publish("2024-01-10", [1622, 1623], events=30)
    listed = json.loads(stereo("published", SOURCE, "--json"))
    assert [(one["what"], one["current"], one["runs"]) for one in listed] == [
        ("season", True, "1 nights"), ("season", False, "1 nights"), ("20240110", True, 2), ("20240110", False, 2),
    ]  # fmt: skip
    new, old = (one["version"] for one in listed[2:])
    said = stereo("rollback", SOURCE, "2024-01-10", "--reason", "odd", "--by", "me")
    assert f"was version {new}, and is {old} now" in said
    assert "rolled back by me" in stereo("published", SOURCE, "--night", "2024-01-10")
    assert "are: " + new in stereo("rollback", SOURCE, "2024-01-10", "--reason", "odd", code=1)
    assert "no night of 2024-01-11" in stereo("rollback", SOURCE, "2024-01-11", "--reason", "odd", code=1)
    assert "needs a reason" in stereo("withdraw", 1623, "--reason", " ", code=1)
    said = stereo("withdraw", 1623, "--reason", "a cloud", "--by", "me")
    assert f"run 1623 of {SOURCE}, night of 2024-01-10, is withdrawn: {nights.link('2024-01-10')}" in said
    assert "what follows published DL3 is not told" in said  # no Airflow runs here
    (now,) = [
        one for one in json.loads(stereo("published", SOURCE, "--night", "2024-01-10", "--json")) if one["current"]
    ]
    assert now["runs"] == 1
    assert "withdrawn, run 1623: a cloud (me, " in now["remarks"][0]
    assert "was withdrawn before" in stereo("withdraw", 1623, "--reason", "a cloud")
    assert "is published again" in stereo("withdraw", 1623, "--reason", "none", "--lift")
    assert "run 7 is not published" in stereo("withdraw", 7, "--reason", "a cloud", code=1)
    assert "to keep it from that: stereo hold" in stereo("withdraw", "2024-01-12", "--reason", "a cloud", code=1)
