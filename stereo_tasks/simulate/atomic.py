"""Files appear whole or not at all: written under a temporary name beside the target, then renamed."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def atomic(target: Path) -> Iterator[Path]:
    """Give a temporary path beside the target, and rename it to the target when the block ends without an error."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # The suffix is kept at the end, since some writers go by it; the leading dot hides the file from readers' globs.
    handle, name = tempfile.mkstemp(prefix=".tmp-", suffix=target.suffix, dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(target: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic(target) as temporary:
        temporary.write_text(text, encoding="utf-8")
