"""Writing so that a reader sees a whole file or none, and a crash leaves nothing under a final name."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = ".tmp-"


def _temporary_name(stem: str) -> str:
    # Host and process id let a later try see that the writer is dead.
    return f"{_PREFIX}{stem}-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


def fsync(path: Path) -> None:
    """Force a file's or folder's content to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file (text as UTF-8) under a temporary name beside the target, then rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / _temporary_name(path.name)
    try:
        with temporary.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        fsync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def working_folder(beside: Path) -> Iterator[Path]:
    """Give a private folder on the file system of `beside`, gone when the block ends however it ends."""
    beside.parent.mkdir(parents=True, exist_ok=True)
    folder = beside.parent / _temporary_name(beside.name)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(beside: Path, older_than_s: float) -> list[Path]:
    """Remove working folders that dead writers of `beside` left behind.

    A folder goes when its process is dead (writer on this host), or when it is older than `older_than_s` (a writer on
    another host, which cannot be asked).

    Returns
    -------
    list of pathlib.Path
        What was removed.
    """
    removed = []
    ours = f"{_PREFIX}{beside.name}-{socket.gethostname()}-"
    for folder in beside.parent.glob(f"{_PREFIX}{beside.name}-*"):
        try:
            if folder.name.startswith(ours):
                leftover = not _alive(int(folder.name.rsplit("-", 2)[1]))
            else:
                leftover = time.time() - folder.stat().st_mtime > older_than_s
        except FileNotFoundError:  # its writer was quicker
            continue
        if leftover:
            if folder.is_dir():
                shutil.rmtree(folder, ignore_errors=True)
            else:
                folder.unlink(missing_ok=True)
            removed.append(folder)
    return removed


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
