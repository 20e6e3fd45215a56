"""Versions of what is published: immutable folders, a link that is turned from one to the next, and how long they stay.

``published/20240110`` is a link to ``published/.versions/20240110.4739027ffb8a``, ``published/season`` one to
``published/.seasons/season.0b9d6a51c1e2``. Nothing in the folder of a version changes after its link was turned to it.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from stereo_tasks.errors import StereoError
from stereo_tasks.products.files import fsync, sweep_all, working_folder, write_atomically

MANIFEST = "published.json"
VERSIONS, SEASONS = ".versions", ".seasons"
SEASON = "season"
"""Name of the link to the index over all nights; those of the nights are dates."""
_ROLLED_BACK = ".rolled-back"
_LOCK = ".lock"


class NoPermissionError(StereoError):
    """What is published cannot be changed by this user."""


@dataclass(frozen=True, slots=True)
class Retention:
    """Which versions stay that are not current: the newest ones, and those that were current a short while ago."""

    number: int = 2
    """So many of a night or season, the current one among them."""
    days: float = 0.0
    """A version stays for so long after it was current: somebody may be reading it."""


@dataclass(frozen=True, slots=True)
class RolledBack:
    """Why a version is not read any more; as long as this stands, it is not published again."""

    by: str
    at_utc: str
    reason: str
    to: str
    """Name of the folder of the version that is read instead."""


def folder_of_versions(link: Path) -> Path:
    """Return the folder that holds the versions of a link."""
    return link.parent / (SEASONS if link.name == SEASON else VERSIONS)


def version_name(folder: Path) -> str:
    """Return what distinguishes a version from others of its night or season, such as ``4739027ffb8a``."""
    return folder.name.partition(".")[2]


def current(link: Path) -> Path | None:
    """Return the folder of the version that users read; None if there is none."""
    try:
        return folder_of_versions(link) / link.readlink().name
    except OSError:
        return None


def versions(link: Path) -> list[Path]:
    """Return the folders of all versions that are there, in the order in which they were made, the newest first."""
    found = [path for path in folder_of_versions(link).glob(f"{link.name}.*") if (path / MANIFEST).exists()]
    return sorted(found, key=lambda path: ((path / MANIFEST).stat().st_mtime_ns, path.name), reverse=True)


@contextmanager
def locked(published: Path) -> Iterator[None]:
    """Keep others from turning links of a source while the block runs; a process that dies gives the lock free.

    Parameters
    ----------
    published : pathlib.Path
        Folder of the links of a source and cuts.

    Raises
    ------
    NoPermissionError
        If this user must not change what is published.
    """
    try:
        published.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(published / _LOCK, os.O_RDWR | os.O_CREAT, 0o664)
    except PermissionError as error:
        raise NoPermissionError(
            f"{published} cannot be written by you ({error.strerror}): do it as the user that the jobs run as"
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def new_version(folder: Path) -> Iterator[Path]:
    """Give a working folder that becomes the folder of a version when the block ends, whole or not at all."""
    with working_folder(folder) as work:
        yield work
        fsync(work)
        if (folder / MANIFEST).exists():  # another process was quicker: it is the same
            return
        if folder.exists():  # of a program that removed folders file by file
            _remove(folder)
        work.rename(folder)
        fsync(folder.parent)


def turn(link: Path, folder: Path) -> None:
    """Turn a link to a version in one step: a reader sees the old folder or the new."""
    old = current(link)
    if old == folder:
        return
    if old is not None:
        with contextlib.suppress(OSError):
            os.utime(old)  # `forget` goes by the time at which a version was current last
    temporary = link.parent / f".tmp-{folder.name}-{os.getpid()}"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(Path(folder.parent.name) / folder.name)
    temporary.replace(link)
    fsync(link.parent)


def note_rollback(folder: Path, to: Path, by: str, reason: str) -> None:
    """Note that a version was rolled back to another; the note outlives its folder."""
    note = RolledBack(by, dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), reason, to.name)
    write_atomically(_note(folder), json.dumps(asdict(note), indent=1))


def lift_rollback(folder: Path) -> None:
    """Remove the note that a version was rolled back."""
    _note(folder).unlink(missing_ok=True)


def rolled_back(folder: Path) -> RolledBack | None:
    """Return who rolled a version back, and why; None if nobody did."""
    try:
        return RolledBack(**json.loads(_note(folder).read_text()))
    except FileNotFoundError:
        return None


def _note(folder: Path) -> Path:
    return folder.parent / _ROLLED_BACK / f"{folder.name}.json"


def forget(link: Path, retention: Retention, needed: Sequence[Path] = ()) -> None:
    """Remove old versions of a night or season, and what died while it was made.

    Parameters
    ----------
    link : pathlib.Path
        What users read.
    retention : Retention
        Which ones stay.
    needed : sequence of pathlib.Path
        Folders of versions that stay in any case.
    """
    now = current(link)
    last_current = {path: path.stat().st_mtime for path in folder_of_versions(link).glob(f"{link.name}.*")}
    old = sorted((path for path in last_current if path != now), key=lambda path: last_current[path], reverse=True)
    oldest = time.time() - retention.days * 86400
    for path in old[max(retention.number - 1, 0) :]:
        # What was withdrawn comes back from the version with all runs, whose name the others continue.
        is_full = any(other.name.startswith(f"{path.name}-") for other in last_current)
        if path not in needed and not is_full and last_current[path] <= oldest:
            _remove(path)
    sweep_all(folder_of_versions(link))


def _remove(folder: Path) -> None:
    """Remove a folder at once for those who look for it by its name: half of one would count as a version."""
    with working_folder(folder) as work:
        folder.rename(work / folder.name)
        shutil.rmtree(work, ignore_errors=True)
