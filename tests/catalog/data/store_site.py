"""Store a small copy of a site for the tests: ``python store_site.py SITE DUMP FOLDER``, see README.md."""

from __future__ import annotations

import json
import lzma
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = "/srv/stereo"
"""Stands for the root of the site in all that is stored."""
_ROOMS = ("config", "data", "mc", "products")
_TEXTS = (".csv", ".json", ".jsonl", ".yaml")


def main(site: Path, dump: Path, folder: Path) -> None:
    """Write ``site.jsonl.xz`` and ``catalog.sql.xz``."""
    with lzma.open(folder / "site.jsonl.xz", "wt") as file:
        for entry in _entries(site):
            print(json.dumps(entry, sort_keys=True), file=file)
    # Lines for psql alone begin with a backslash.
    lines = [line for line in dump.read_text().splitlines(keepends=True) if not line.startswith("\\")]
    with lzma.open(folder / "catalog.sql.xz", "wt") as file:
        file.write("".join(lines).replace(str(site), ROOT))


def _entries(site: Path) -> Iterator[dict[str, Any]]:
    """Yield what is said of each file: text with its content, links with their target, all else with its size."""
    for room in _ROOMS:
        for name in sorted(path for path in (site / room).rglob("*") if path.is_symlink() or path.is_file()):
            status = name.lstat()
            entry: dict[str, Any] = {"path": str(name.relative_to(site)), "modified_ns": status.st_mtime_ns}
            if name.is_symlink():
                entry["link"] = str(name.readlink())
            elif name.suffix in _TEXTS:
                entry["text"] = name.read_text().replace(str(site), ROOT)
            else:
                entry["size_bytes"] = status.st_size
            yield entry


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))
