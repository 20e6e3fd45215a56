"""DL3 with a known sky; the room's tests need its environment, the newest gammapy."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for simulated_dl3, however pytest imports the tests

# Elsewhere there is nothing to test here: gammapy 1.3 is not what this room is for.
collect_ignore_glob = [] if importlib.util.find_spec("gammapy") and not importlib.util.find_spec("pyirf") else ["*"]

MAGIC_DL3 = Path(__file__).parents[3] / "shared" / "data" / "magic_dl3"


@pytest.fixture(scope="session", autouse=True)
def _offline() -> None:
    from stereo_tasks.analysis.quiet import be_quiet

    be_quiet()


@pytest.fixture(scope="session")
def make_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that writes a folder of DL3; keywords of `Sky` change what is injected."""
    from simulated_dl3 import write_folder

    def make(**options: Any) -> Path:
        return write_folder(tmp_path_factory.mktemp("dl3"), **options)

    return make


@pytest.fixture(scope="session")
def strong(make_folder: Callable[..., Path]) -> Path:
    """Four runs of a source ten times as bright as the Crab Nebula, with a theta cut that depends on energy."""
    return make_folder(runs=4, amplitude=3.2e-10, seed=3)


@pytest.fixture(scope="session")
def empty(make_folder: Callable[..., Path]) -> Path:
    """Two runs of a source without any flux."""
    return make_folder(runs=2, amplitude=0.0, seed=5)


@pytest.fixture(scope="session")
def magic_dl3() -> Path:
    """Return MAGIC's two public runs of the Crab Nebula."""
    if not MAGIC_DL3.is_dir():
        pytest.skip(f"MAGIC's public runs are not at {MAGIC_DL3}")
    return MAGIC_DL3
