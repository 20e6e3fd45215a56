from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
from docker_files import DOCKER, ROOT, tool

SCRIPTS = sorted(DOCKER.rglob("*.sh"))


def test_dockerfile_is_clean():
    command = [tool("hadolint"), "--no-color", "--config", DOCKER / "hadolint.yaml", DOCKER / "Dockerfile"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_linter_would_complain(tmp_path):
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM debian:latest\nRUN cd /tmp && apt-get install vim\n")
    done = subprocess.run([tool("hadolint"), "--config", DOCKER / "hadolint.yaml", bad], capture_output=True, text=True)
    assert done.returncode != 0
    assert "DL3007" in done.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=[path.name for path in SCRIPTS])
def test_shell_scripts_are_clean(script):
    assert os.access(script, os.X_OK)
    done = subprocess.run([tool("shellcheck"), script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_images_end_as_an_ordinary_user():
    stages = re.split(r"^FROM .* AS ", (DOCKER / "Dockerfile").read_text(), flags=re.MULTILINE)[1:]
    last = {stage.split()[0]: re.findall(r"^USER (\S+)", stage, re.MULTILINE)[-1:] for stage in stages}
    assert last.keys() > {"slurm", "control", "compute"}
    for stage, user in last.items():
        assert user == ([] if stage in ("base", "build", "science") else ["stereo"]), stage


def _in_context(path: str) -> bool:
    """Whether a build sees a file: of the patterns that fit it or a folder above it, the last one decides."""
    names = [path, *(str(parent) for parent in Path(path).parents if str(parent) != ".")]
    seen = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.lstrip("!")
        if not line or line.startswith("#"):
            continue
        if pattern.startswith("**/"):
            fits = any(fnmatch(part, pattern[3:]) for part in Path(path).parts)
        else:
            # fnmatch's star crosses slashes, Docker's does not.
            fits = any(name.count("/") == pattern.count("/") and fnmatch(name, pattern) for name in names)
        if fits:
            seen = line.startswith("!")
    return seen


@pytest.mark.parametrize(
    "path",
    ["docker/secrets/pgpass", "docker/.env", ".git/config", ".venv/bin/python", "site/state/keys.json",
     "tests/conftest.py", "stereo_tasks/__pycache__/cli.pyc", "docker/slurm/slurm.conf"],
)  # fmt: skip
def test_a_build_does_not_see(path):
    assert not _in_context(path)


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a build sees of the repository."""
    folder = tmp_path_factory.mktemp("context")
    for above, folders, files in os.walk(ROOT):
        inside = Path(above).relative_to(ROOT)
        if inside == Path():
            folders[:] = [name for name in folders if not name.startswith(".") and name != "site"]
        for name in files:
            path = inside / name
            if _in_context(path.as_posix()):
                (folder / inside).mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / path, folder / path)
    return folder


def test_every_copied_file_is_there(context):
    copies = re.findall(r"^COPY (?!--from)(\S+) (\S+)$", (DOCKER / "Dockerfile").read_text(), re.MULTILINE)
    assert len(copies) == 3
    assert [source for source, _ in copies if not (context / source).exists()] == []
    for needed in ("Makefile", "requirements/control.txt", "requirements/science.txt", "requirements/analysis.txt",
                   "config/site.yaml", "dags/process_night.py", "docker/control/init.sh",
                   "docker/control/healthy.py"):  # fmt: skip
        assert (context / needed).is_file(), needed


def test_make_needs_nothing_that_a_build_does_not_see(context):
    done = subprocess.run(["make", "--dry-run", "setup"], cwd=context, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("requirements/") == 3


def test_the_packages_build_from_what_a_build_sees(context, tmp_path):
    packages = [context, context / "plugins" / "airflow_slurm"]
    command = [tool("uv"), "pip", "install", "--quiet", "--no-deps", "--target", tmp_path, *packages]
    done = subprocess.run([*command, "--python", sys.executable], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    built = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    wanted = {path.relative_to(ROOT).as_posix() for path in (ROOT / "stereo_tasks").rglob("*.py")}
    wanted |= {path.relative_to(ROOT / "plugins").as_posix() for path in (ROOT / "plugins").rglob("*.py")}
    assert len(wanted) > 80
    assert wanted - built == set()
