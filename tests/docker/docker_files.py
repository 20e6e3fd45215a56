"""Where the files of the images are, and the tools that judge them."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"


def tool(name: str) -> str:
    """Path of a program that the control environment brings."""
    return str(Path(sys.executable).parent / name)
