"""The journal: what people decided and what was handed on, line by line, beside the products that came of it.

The catalog answers the questions; the journal lets it be made again when its database is lost. Each line is one JSON
object with the keys ``kind`` and ``at`` and the values of what happened.
"""

from __future__ import annotations

import datetime as dt
import errno
import fcntl
import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from stereo_tasks.errors import StereoError
from stereo_tasks.products.files import fsync

_log = logging.getLogger(__name__)
Entry = dict[str, Any]


class JournalError(StereoError):
    """The journal cannot be written or read; the text says what to do."""


def append(folder: Path, kind: str, at: dt.datetime, entries: Iterable[Mapping[str, Any]]) -> None:
    """Append entries in one write that has reached the disk when this returns; safe for several processes at once.

    Parameters
    ----------
    folder : pathlib.Path
        Of the journal; made if it is not there.
    kind : str
        What the entries are.
    at : datetime.datetime
        When it happened, by the clock that orders the entries (the database's). Its month names the file.
    entries : iterable of mapping
        Plain values, dates and times.

    Raises
    ------
    JournalError
        If it cannot be written, or it is not certain that it reached the disk.
    """
    moment = at.astimezone(dt.UTC)
    lines = [json.dumps({**one, "kind": kind, "at": moment}, default=_text, sort_keys=True) for one in entries]
    if not lines:
        return
    path = folder / f"{moment:%Y-%m}.jsonl"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        new = not path.exists()
        _write(path, ("\n".join(lines) + "\n").encode())
        if new:
            fsync(folder)
    except OSError as error:
        raise JournalError(
            f"{path} cannot be written ({error.strerror}): nothing was changed; give the folder of the journal "
            "permission and space, then try again"
        ) from error


def read(folder: Path) -> Iterator[Entry]:
    """Read all entries, the oldest first. Lines that a crash cut short are left out with a warning.

    Raises
    ------
    JournalError
        If a file is there and cannot be read.
    """
    for path in sorted(folder.glob("*.jsonl")):
        try:
            content = path.read_bytes()
        except OSError as error:
            raise JournalError(f"{path} cannot be read ({error.strerror}): correct its permissions") from error
        for number, line in enumerate(content.split(b"\n"), 1):
            if not line.strip():
                continue
            try:
                yield _entry(line)
            except (ValueError, KeyError, TypeError):
                _log.warning("%s, line %d is left out: it was cut short", path, number)


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o664)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # several hosts may write: appending alone is not enough on NFS
        end = os.fstat(descriptor).st_size
        if end and os.pread(descriptor, 1, end - 1) != b"\n":
            content = b"\n" + content  # somebody died within a line: it must not spoil this one
        written = os.write(descriptor, content)
        if written != len(content):
            os.ftruncate(descriptor, end)
            raise OSError(errno.ENOSPC, f"only {written} of {len(content)} bytes were taken")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _entry(line: bytes) -> Entry:
    entry: Entry = json.loads(line)
    if not isinstance(entry["kind"], str):
        raise TypeError("kind")
    entry["at"] = dt.datetime.fromisoformat(entry["at"])
    return entry


def _text(value: object) -> str:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    raise TypeError(f"{value!r} has no place in the journal")
