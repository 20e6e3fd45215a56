"""What was made of products of a night and is not part of the night: data sets, analyses of a season."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from stereo_tasks.products.dataset_tree import FOLDER
from stereo_tasks.products.record import Record, read_record
from stereo_tasks.products.records import RECORD_SUFFIX

_FOLDERS = (FOLDER, "Season")


def derived_from(root: Path, is_meant: Callable[[str], bool]) -> tuple[Record, ...]:
    """Return the records of what was made of some files, of all that was made of that, and so on.

    Parameters
    ----------
    root : pathlib.Path
        ``{output}/{production}/{source}``.
    is_meant : callable
        Tells by its path whether an input is one of the files.
    """
    records = [
        record
        for folder in _FOLDERS
        for path in sorted((root / folder).rglob(f"*{RECORD_SUFFIX}"))
        if (record := read_record(path)) and record.outputs
    ]
    found: dict[str, Record] = {}
    made: set[str] = set()

    def reads(record: Record) -> bool:
        return any(is_meant(mark.path) or mark.path in made for mark in record.inputs)

    while True:
        new = [record for record in records if record.outputs[0].path not in found and reads(record)]
        if not new:
            return tuple(found.values())
        found |= {record.outputs[0].path: record for record in new}
        made |= {mark.path for record in new for mark in record.outputs}
