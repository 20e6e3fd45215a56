"""Who else reads DL3: gammapy of each environment, and CTAO's data model in an environment of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
GAMMAPY = {"1.3": ROOT / ".venv-science" / "bin" / "python", "2.1": ROOT / ".venv-analysis" / "bin" / "python"}
"""By version."""
_REQUIREMENTS = ROOT / "requirements" / "ctao.txt"
_CTAO = ROOT / ".cache" / "ctao"


def read_with_gammapy(version: str, folder: Path, ra_deg: float, dec_deg: float) -> dict[str, Any]:
    """Return what one version of gammapy makes of a folder of DL3."""
    assert GAMMAPY[version].exists(), f"no environment with gammapy {version}: run 'make setup'"
    return _run(GAMMAPY[version], HERE / "read_with_gammapy.py", folder, ra_deg, dec_deg)


def assert_alike(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Compare what two versions of gammapy make of the same folder."""
    assert old["runs"].keys() == new["runs"].keys()
    for number, run in old["runs"].items():
        for name, value in new["runs"][number].items():  # counts and times are equal, and sums to within rounding
            assert run[name] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-9)), (number, name)
    for name in ("index", "amplitude"):
        assert abs(old["fit"][name] - new["fit"][name]) < 0.05 * old["fit"][f"{name}_error"], name
    assert old["fit"]["stat"] == pytest.approx(new["fit"]["stat"], abs=0.01)


def check_with_ctao(folder: Path) -> dict[str, Any]:
    """Return which HDUs were checked, and what CTAO's data model says against them."""
    return _run(ctao_python(), HERE / "check_with_ctao.py", folder)


def ctao_python() -> Path:
    """Return the interpreter that has CTAO's data model; made anew when the lock file changes."""
    python, mark = _CTAO / "bin" / "python", _CTAO / "ready.txt"
    if mark.exists() and mark.read_text() == _REQUIREMENTS.read_text():
        return python
    found = next(_pythons(), None)
    if found is None:
        pytest.skip("ctao-datamodel needs Python 3.12 or 3.13, and neither is installed")
    uv = Path(sys.executable).with_name("uv")
    for arguments in (
        ["venv", "--quiet", "--clear", "--python", found, _CTAO],
        ["pip", "install", "--quiet", "--python", python, "-r", _REQUIREMENTS],
    ):
        done = subprocess.run([str(part) for part in (uv, *arguments)], capture_output=True, text=True)
        assert done.returncode == 0, f"ctao-datamodel cannot be installed: {done.stderr.strip()[-500:]}"
    mark.write_text(_REQUIREMENTS.read_text())
    return python


def _pythons():
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in ("3.12", "3.13"):
        yield from sorted(versions.glob(f"{version}.*/bin/python"))
        if found := shutil.which(f"python{version}"):
            yield Path(found)


def _run(python: Path, script: Path, *arguments: object) -> dict[str, Any]:
    # Of this checkout, whatever the caller's own environment leads to.
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    command = [str(part) for part in (python, script, *arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result
