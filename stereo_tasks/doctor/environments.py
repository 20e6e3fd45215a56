"""The environments against their lock files, and against what the productions want."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

from stereo_tasks.doctor.finding import Finding, green, red, yellow
from stereo_tasks.settings import Settings

_PYTHON = (3, 11)
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)
_NAMED = 4


def control(settings: Settings) -> Iterator[Finding]:
    """Check the environment that this runs in."""
    subject = "control environment"
    packages = _installed(sys.path)
    if sys.version_info[:2] != _PYTHON:
        yield red(subject, f"Python {sys.version.split()[0]}", f"use Python {_PYTHON[0]}.{_PYTHON[1]}: `make setup`")
    if "apache-airflow" not in packages:
        yield red(subject, f"no Airflow in {sys.prefix}", "run stereo of the control environment: `make setup`")
        return
    yield _against_lock(
        subject, packages, "control", f"Python {sys.version.split()[0]}, Airflow {packages['apache-airflow']}"
    )


def science(settings: Settings) -> Iterator[Finding]:
    """Check the environment that jobs run in, without starting it."""
    subject, python = "science environment", settings.site.science_python
    if not os.access(python, os.X_OK):
        yield red(subject, f"no interpreter at {python}", "run `make setup`, or set science_python in config/site.yaml")
        return
    folders = sorted((python.parent.parent / "lib").glob("python3*/site-packages"))
    packages = _installed([str(folder) for folder in folders])
    installed = packages.get("magic-cta-pipe")
    if installed is None:
        yield red(subject, f"no magic-cta-pipe in the environment of {python}", "run `make setup`")
        return
    name = folders[0].parent.name.removeprefix("python")
    if name != f"{_PYTHON[0]}.{_PYTHON[1]}":
        yield yellow(subject, f"Python {name}", f"it was tried with {_PYTHON[0]}.{_PYTHON[1]}: `make setup`")
    yield _against_lock(subject, packages, "science", f"Python {name}, magic-cta-pipe {installed}")
    for production in settings.productions.productions.values():
        if production.mcp_version != installed:
            yield red(
                f"production {production.name}",
                f"wants magic-cta-pipe {production.mcp_version}; installed is {installed}",
                "install that version, or correct mcp_version in config/productions.yaml",
            )


def analysis(settings: Settings) -> Iterator[Finding]:
    """Check the environment of ``stereo analyse``; nights are processed without it."""
    subject, python = "analysis environment", settings.site.analysis_python
    packages = _installed([str(folder) for folder in (python.parent.parent / "lib").glob("python3*/site-packages")])
    if not os.access(python, os.X_OK) or "gammapy" not in packages:
        yield yellow(subject, f"no gammapy at {python}: there is no `stereo analyse`", "run `make setup`")
        return
    yield _against_lock(subject, packages, "analysis", f"gammapy {packages['gammapy']}")


def _against_lock(subject: str, packages: dict[str, str], lock: str, text: str) -> Finding:
    path = Path(__file__).parents[2] / "requirements" / f"{lock}.txt"
    if not path.is_file():
        return green(subject, f"{text}; no lock file to compare with")
    wanted = {_name(name): version for name, version in _PINNED.findall(path.read_text())}
    other = [
        f"{name} {packages.get(name, 'missing')} instead of {version}"
        for name, version in sorted(wanted.items())
        if packages.get(name) != version
    ]
    if not other:
        return green(subject, f"{text}; all {len(wanted)} packages as in {path.name}")
    more = f" and {len(other) - _NAMED} more" if len(other) > _NAMED else ""
    return yellow(subject, f"{text}; {', '.join(other[:_NAMED])}{more}", "run `make setup` to have what was tested")


def _installed(folders: list[str]) -> dict[str, str]:
    packages: dict[str, str] = {}
    for distribution in distributions(path=folders):
        # The first on the path is the one that is imported.
        packages.setdefault(_name(distribution.name), distribution.version)
    return packages


def _name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
