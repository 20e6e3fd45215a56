"""Which record answers for a file."""

from __future__ import annotations

from pathlib import Path

from stereo_tasks.products.record import Record, read_record

RECORD_SUFFIX = ".record.json"


class RecordShelf:
    """The records beside files, each read at most once."""

    def __init__(self) -> None:
        self._own: dict[Path, Record | None] = {}
        self._folders: dict[Path, dict[str, Record]] = {}

    def of(self, path: str | Path) -> Record | None:
        """Return the record of the element that made a file; None if no element did, as of raw files.

        A record lies beside the first product of its element, and names them all.
        """
        path = Path(path)
        if path not in self._own:
            self._own[path] = read_record(Path(f"{path}{RECORD_SUFFIX}"))
        return self._own[path] or self._of_folder(path.parent).get(path.name)

    def _of_folder(self, folder: Path) -> dict[str, Record]:
        if folder not in self._folders:
            found: dict[str, Record] = {}
            for beside in sorted(folder.glob(f"*{RECORD_SUFFIX}")):
                if record := read_record(beside):
                    found |= {Path(mark.path).name: record for mark in record.outputs}
            self._folders[folder] = found
        return self._folders[folder]
