"""``stereo analyse`` hands over to the analysis environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

STEREO = Path(sys.executable).parent / "stereo"
ANALYSIS = Path(__file__).parents[2] / ".venv-analysis" / "bin" / "python"


def _run(site, *arguments):
    environment = {**os.environ, "STEREO_SITE": str(site)}
    return subprocess.run([STEREO, "analyse", *map(str, arguments)], env=environment, capture_output=True, text=True)


def test_a_missing_environment_is_named(tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "site.yaml").write_text("analysis_python: /nowhere/bin/python\n")
    done = _run(tmp_path, "--dl3", tmp_path, "--source", "CrabNebula", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "no analysis environment at /nowhere/bin/python" in done.stderr


@pytest.mark.skipif(not ANALYSIS.exists(), reason="needs the analysis environment")
def test_the_analysis_answers_through_the_command(tmp_path):
    done = _run(tmp_path, "--dl3", tmp_path, "--source", "CrabNebula", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "has no hdu-index.fits.gz" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not ANALYSIS.exists(), reason="needs the analysis environment")
def test_the_settings_are_those_of_the_site(tmp_path):
    sys.path.insert(0, str(Path(__file__).parents[1] / "analysis"))
    from simulated_dl3 import NAME, write_folder

    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "analysis.yaml").write_text("offset_max_deg: 0.1\n")
    (tmp_path / "dl3").mkdir()
    folder = write_folder(tmp_path / "dl3", runs=1, seconds=30.0)
    done = _run(tmp_path, "--dl3", folder, "--source", NAME, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "no observation of Mrk421" in done.stderr  # it points 0.4 deg off
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give --dl3, --source and --out, or --season"),
        (("--dl3", ".", "--source", "Mrk421", "--out", ".", "--first", "2024-01-01"), "belong to --season"),
        (("--season", "Mrk421", "--dl3", "."), "leave --dl3 and its options"),
        (("--season", "Mrk421", "--first", "2024-02-01", "--last", "2024-01-01"), "is after --last"),
        (("--season", "Mrk421"), "nothing of Mrk421 is published"),
    ],
)
def test_options_that_make_no_analysis_are_refused(tmp_path, monkeypatch, arguments, message):
    import typer
    from typer.testing import CliRunner

    from stereo_tasks.commands.analyse import analyse_command

    monkeypatch.setenv("STEREO_SITE", str(tmp_path))
    monkeypatch.setattr("stereo_tasks.processing.season_plans.analysis_versions", lambda _: {"gammapy": "2.1"})
    app = typer.Typer()
    app.command()(analyse_command)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "site.yaml").write_text(f"analysis_python: {sys.executable}\n")
    error = CliRunner().invoke(app, list(arguments)).exception
    assert message in str(error)
