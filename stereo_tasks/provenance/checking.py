"""Whether files still have the content that their records tell of."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from stereo_tasks.products.files import sha256_of
from stereo_tasks.products.record import FileMark


class Content(StrEnum):
    """What a look at a file says of its content."""

    SAME = "same"
    """The checksum is the recorded one."""
    CHANGED = "changed"
    """Size or checksum is another one."""
    GONE = "gone"
    """There is no such file any more."""
    UNKNOWN = "no checksum recorded"
    """The size is the recorded one, and that is all that can be said."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A file that was looked at."""

    mark: FileMark
    content: Content


def check(marks: Iterable[FileMark], workers: int = 2) -> tuple[Checked, ...]:
    """Read files again and compare them with what is recorded, in the order given.

    Parameters
    ----------
    marks : iterable of FileMark
        What is recorded.
    workers : int, optional
        Files that are read at a time.
    """
    unique = {mark.path: mark for mark in marks}
    with ThreadPoolExecutor(max_workers=workers) as pool:
        contents = list(pool.map(_content, unique.values()))
    return tuple(Checked(mark, content) for mark, content in zip(unique.values(), contents, strict=True))


def _content(mark: FileMark) -> Content:
    path = Path(mark.path)
    try:
        if path.stat().st_size != mark.size_bytes:
            return Content.CHANGED
        if mark.sha256 is None:
            return Content.UNKNOWN
        return Content.SAME if sha256_of(path) == mark.sha256 else Content.CHANGED
    except (FileNotFoundError, NotADirectoryError):
        return Content.GONE
