"""Writing so that a reader sees a whole file or none, and a crash leaves nothing under a final name."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = ".tmp-"
_FRESH_S = 60.0
_DEAD_S = 1800.0  # far more than any pause of a thread or of a file system
_KEEPER = "keeps working folders fresh"
_in_use: set[Path] = set()


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


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hard_link(source: Path, target: Path) -> None:
    """Give a file another name; a copy where the file system has no hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def write_atomically(path: Path, content: str | bytes, *, durable: bool = True) -> None:
    """Write a file (text as UTF-8) under a temporary name beside the target, then rename it.

    Parameters
    ----------
    path : pathlib.Path
        The target.
    content : str or bytes
        What it is to hold.
    durable : bool, optional
        Whether it must be on the disk when this returns. If not, a power cut may leave the old file, none, or a torn
        one: only for files that are made again if they cannot be read.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / _temporary_name(path.name)
    try:
        with temporary.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
        if durable:
            fsync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def working_folder(beside: Path) -> Iterator[Path]:
    """Give a private folder on the file system of `beside`, gone when the block ends however it ends.

    Its time stamp is renewed every minute, so that other hosts see that its writer is alive, however long it works.
    """
    beside.parent.mkdir(parents=True, exist_ok=True)
    folder = beside.parent / _temporary_name(beside.name)
    folder.mkdir()
    _in_use.add(folder)
    # One thread for all folders of the process: a job makes hundreds. A forked process has none, and starts its own.
    if not any(thread.name == _KEEPER for thread in threading.enumerate()):
        threading.Thread(target=_keep_fresh, name=_KEEPER, daemon=True).start()
    try:
        yield folder
    finally:
        _in_use.discard(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _keep_fresh() -> None:
    while True:
        time.sleep(_FRESH_S)
        for folder in list(_in_use):
            with contextlib.suppress(OSError):  # gone, or the file system is silent for a while
                os.utime(folder)


def sweep(beside: Path) -> list[Path]:
    """Remove working folders that dead writers of `beside` left behind.

    A folder goes when its process is dead (writer on this host), or when nobody has renewed its time stamp for half an
    hour (a writer on another host, which cannot be asked), by the clock of the file system.

    Returns
    -------
    list of pathlib.Path
        What was removed.
    """
    removed: list[Path] = []
    leftovers: list[Path] = []
    ours = f"{_PREFIX}{beside.name}-{socket.gethostname()}-"
    with contextlib.suppress(FileNotFoundError), os.scandir(beside.parent) as entries:
        leftovers = [Path(entry.path) for entry in entries if entry.name.startswith(f"{_PREFIX}{beside.name}-")]
    if not leftovers:
        return removed
    now_s = _file_system_time_s(beside)
    for folder in leftovers:
        try:
            if folder.name.startswith(ours):
                is_dead = not _alive(int(folder.name.rsplit("-", 2)[1]))
            else:
                is_dead = now_s - folder.stat().st_mtime > _DEAD_S
        except FileNotFoundError:  # its writer was quicker
            continue
        if is_dead:
            if folder.is_dir():
                shutil.rmtree(folder, ignore_errors=True)
            else:
                folder.unlink(missing_ok=True)
            removed.append(folder)
    return removed


def sweep_all(folder: Path) -> None:
    """Remove whatever dead writers left in a folder: what nobody has renewed for half an hour."""
    leftovers = list(folder.glob(f"{_PREFIX}*"))
    now_s = _file_system_time_s(folder / "sweep") if leftovers else 0.0
    for path in leftovers:
        with contextlib.suppress(FileNotFoundError):
            if now_s - path.lstat().st_mtime <= _DEAD_S:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def _file_system_time_s(beside: Path) -> float:
    """Return the time by the clock that stamps the files: hosts' clocks may differ from it and from each other."""
    probe = beside.parent / _temporary_name(beside.name)
    probe.touch()
    try:
        return probe.stat().st_mtime
    finally:
        probe.unlink()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
