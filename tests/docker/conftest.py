"""The compose file as Docker Compose itself reads it, and secrets made for the tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for docker_files, however pytest imports the tests

from docker_files import DOCKER, tool


@pytest.fixture(scope="session")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of secrets, made by the script; the settings it writes are beside it."""
    folder = tmp_path_factory.mktemp("docker")
    subprocess.run([DOCKER / "make-secrets.sh", folder / "secrets", folder / ".env"], check=True, capture_output=True)
    return folder / "secrets"


@pytest.fixture(scope="session")
def compose_text(secrets: Path) -> str:
    """The compose file with everything filled in, as JSON by Docker Compose."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("STEREO_", "COMPOSE_", "DOCKER_"))}
    command = [tool("docker-compose"), "--file", DOCKER / "compose.yaml", "--env-file", secrets.parent / ".env"]
    done = subprocess.run([*command, "config", "--format", "json"], capture_output=True, text=True, env=clean)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", done.stderr  # such as variables that are not set
    return done.stdout


@pytest.fixture(scope="session")
def compose(compose_text: str) -> dict[str, Any]:
    return json.loads(compose_text)
