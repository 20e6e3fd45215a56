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
