"""How the files that an element reads and writes are noted in its record.

A product's checksum stands in the record of the element that made it. A raw file's is taken by the element that works
through it. Who reads it beside that leaves it alone: drive reports of a neighbour, showers of LST-1 for the live time.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import cache
from pathlib import Path

from stereo_tasks.planning.plan import Element, Input, Plan
from stereo_tasks.products.files import sha256_of
from stereo_tasks.products.record import FileMark
from stereo_tasks.products.records import RecordShelf


def mark_of(path: Path, sha256: str | None = None) -> FileMark:
    """Return the mark of a file as it is now."""
    status = path.stat()
    return FileMark(str(path), status.st_size, status.st_mtime_ns, sha256)


def input_marks(plan: Plan, element: Element) -> tuple[FileMark, ...]:
    """Return the marks of the inputs that are there, raw ones with their checksums."""
    shelf = RecordShelf()
    marks = []
    for item in element.inputs:
        try:
            mark = mark_of(Path(item.path))
        except (FileNotFoundError, NotADirectoryError):
            continue
        if _is_hashed_here(plan, element, item, shelf):
            with contextlib.suppress(OSError):  # a file that cannot be read has ended the element already
                mark = replace(mark, sha256=_sha256(mark.path, mark.size_bytes, mark.modified_ns))
        marks.append(mark)
    return tuple(marks)


def _is_hashed_here(plan: Plan, element: Element, item: Input, shelf: RecordShelf) -> bool:
    if item.producer is not None:
        return False
    if item.role not in element.stage.side_inputs:
        return True
    # Forests and IRFs that were made here have records of their own; others are hashed by whom they are used.
    return item.path not in plan.worked_through and shelf.of(item.path) is None


@cache
def _sha256(path: str, size_bytes: int, modified_ns: int) -> str:
    """Hash a file once in this process, as long as it stays as it is: all runs of a night use the same forests."""
    return sha256_of(Path(path))
