"""Files of a site that nobody else may read, and ports that nobody else uses."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

from stereo_tasks.local_site.errors import SiteError
from stereo_tasks.products.files import write_atomically


def private_folder(path: Path) -> None:
    """Make a folder that nobody else may look into; one that is there already is closed.

    Raises
    ------
    SiteError
        If it belongs to another user.
    """
    path.mkdir(parents=True, exist_ok=True)
    try:
        path.chmod(0o700)
    except PermissionError:
        raise SiteError(f"{path} belongs to another user: start the site as that user") from None


def write_private(path: Path, text: str) -> None:
    """Write a text file that only its owner can read, whole or not at all."""
    before = os.umask(0o077)
    try:
        write_atomically(path, text)
    finally:
        os.umask(before)


def write_private_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file that only its owner can read."""
    write_private(path, json.dumps(content, indent=1) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; empty if there is no such file or it is damaged."""
    try:
        content = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def last_lines(path: Path, count: int = 15) -> str:
    """Return the end of a log, indented; a remark if there is none."""
    try:
        lines = path.read_text(errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        lines = []
    return "\n".join(f"    {line}" for line in lines) or "    (the log is empty)"


def free_port(host: str = "127.0.0.1") -> int:
    """Return a TCP port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Tell whether a server could listen on a port."""
    with socket.socket() as probe:
        # As servers do: a port in TIME_WAIT after an earlier server is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
