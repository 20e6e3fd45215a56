"""Reading files whose paths come from records: only below a folder, no links, not more than fits on a page."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

MOST_BYTES = 30_000
"""Of a log or a record on a page: its end tells what happened."""


class NotReadError(Exception):
    """A file is not shown; the text says why."""


def tail_within(path: str, folder: Path, most_bytes: int = MOST_BYTES) -> str:
    """Return the end of a text file that lies below a folder.

    No part of the path below the folder may be a link: who can write there could point anywhere. Each part is opened
    from the one before it, so that nothing can be exchanged in between.

    Parameters
    ----------
    path : str
        The file, absolute.
    folder : pathlib.Path
        The folder below which it must lie.
    most_bytes : int
        No more than this from its end; it begins with a whole line then.

    Raises
    ------
    NotReadError
        If it is not there, lies elsewhere, is no plain file, or leads through a link.
    """
    descriptor = _open_below(path, folder)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise NotReadError("it is no plain file")
    with os.fdopen(descriptor, "rb") as file:
        file.seek(max(status.st_size - most_bytes, 0))
        content = file.read(most_bytes)
    text = content.decode(errors="replace")
    if status.st_size > most_bytes:
        text = "…\n" + text.partition("\n")[2]
    # What a terminal would take as a command is nothing for a page.
    return "".join(letter for letter in text if letter in "\n\t" or letter.isprintable())


def _open_below(path: str, folder: Path) -> int:
    if "\0" in path or not Path(path).is_absolute() or ".." in Path(path).parts:
        raise NotReadError("it is not named as our files are")
    if not Path(path).is_relative_to(folder):
        raise NotReadError(f"it does not lie below {folder}")
    *folders, name = Path(path).relative_to(folder).parts or ("",)
    try:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        for part in folders:
            place = _step(part, os.O_DIRECTORY, place)
        # Without waiting: a pipe would never be opened.
        return _step(name, os.O_NONBLOCK, place)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise NotReadError("its path leads through a link") from None
        raise NotReadError(os.strerror(error.errno or 0).lower()) from None


def _step(name: str, flags: int, place: int) -> int:
    """Open one part of a path from the folder before it, and close that."""
    try:
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | flags, dir_fd=place)
    finally:
        os.close(place)
