"""What only people know (holds, requests, overrules, withdrawals, ...), in files beside the products, too.

The database is backed up once a day, and the rest of it can be made again. Decisions cannot: each is also a line in
``{output}/decisions/YYYY-MM.jsonl``, a JSON object with ``kind``, ``at`` and the columns of its row.
"""

from __future__ import annotations

import datetime as dt
import errno
import fcntl
import json
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from stereo_tasks.catalog.values import plain
from stereo_tasks.errors import StereoError
from stereo_tasks.products.files import fsync

_log = logging.getLogger(__name__)
Kind: TypeAlias = Literal[
    "hold", "release", "request", "overrule", "lift overrule", "sign-off", "lift sign-off", "withdrawal",
    "lift withdrawal", "rollback",
]  # fmt: skip
_READ = set(get_args(Kind)) - {"rollback"}  # which is told by the versions themselves; here for people
FOLDER = "decisions"
"""Of the files, in the output tree."""
Decision: TypeAlias = dict[str, Any]


class DecisionError(StereoError):
    """The file of decisions cannot be written or read; the text says what to do."""


class NoReasonError(StereoError, ValueError):
    """A decision was given no reason; the text says who will ask for it."""


def given_reason(text: str, demand: str) -> str:
    """Return a reason as the catalog keeps it.

    Parameters
    ----------
    text : str
        What a person wrote.
    demand : str
        What the decision needs a reason for.

    Raises
    ------
    NoReasonError
        With the demand, if nothing was written.
    """
    if not text.strip():
        raise NoReasonError(demand)
    return str(plain(text.strip()))


def append(folder: Path, kind: Kind, at: dt.datetime, values: Mapping[str, Any]) -> None:
    """Append a decision in one write that has reached the disk when this returns; safe for several processes at once.

    Parameters
    ----------
    folder : pathlib.Path
        Of the files; made if it is not there.
    kind : str
        What was decided.
    at : datetime.datetime
        When, by the clock of the database. Its month names the file.
    values : mapping
        Plain values, dates and times.

    Raises
    ------
    DecisionError
        If it cannot be written, or it is not certain that it reached the disk.
    """
    moment = at.astimezone(dt.UTC)
    line = json.dumps({**values, "kind": kind, "at": moment}, default=_text, sort_keys=True)
    path = folder / f"{moment:%Y-%m}.jsonl"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        new = not path.exists()
        _write(path, f"{line}\n".encode())
        if new:
            fsync(folder)
    except OSError as error:
        raise DecisionError(
            f"{path} cannot be written ({error.strerror}): nothing was changed; give its folder permission and space, "
            "then try again"
        ) from error


def read(folder: Path) -> Iterator[Decision]:
    """Read all decisions, the oldest first. Lines that a crash cut short are left out with a warning.

    The journal of version 0.2 can be read so, too: what it has besides decisions is passed over.

    Raises
    ------
    DecisionError
        If a file is there and cannot be read.
    """
    found: list[Decision] = []
    for path in sorted(folder.glob("*.jsonl")):
        try:
            lines = path.read_bytes().split(b"\n")
        except OSError as error:
            raise DecisionError(f"{path} cannot be read ({error.strerror}): correct its permissions") from error
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                found += _decisions(json.loads(line))
            except (ValueError, KeyError, TypeError):
                _log.warning("%s, line %d is left out: it was cut short", path, number)
    yield from sorted(found, key=lambda decision: decision["at"])


def _decisions(entry: dict[str, Any]) -> Iterator[Decision]:
    old_request = entry["kind"] == "ask"  # as version 0.2 called it; its "request" was a dispatch
    if old_request:
        entry = {**entry, "kind": "request", "requested_by": entry["asked_by"]}
        del entry["asked_by"]
    if entry["kind"] in _READ and (entry["kind"] != "request" or "requested_by" in entry):
        at, night = dt.datetime.fromisoformat(entry["at"]), dt.date.fromisoformat(entry["night"])
        until = entry.get("until_utc")
        yield {**entry, "at": at, "night": night, "until_utc": until and dt.datetime.fromisoformat(until)}


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


def _text(value: object) -> str:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    raise TypeError(f"{value!r} has no place among the decisions")
