"""QA pages in the output tree."""

from __future__ import annotations

import re
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")
_NIGHT = re.compile(r"\d{8}")


def find_page(output: Path, production: str, source: str, night: str) -> Path | None:
    """Return the page's file; None if there is none, or a part of the path is not a name."""
    if not (_NAME.fullmatch(production) and _NAME.fullmatch(source) and _NIGHT.fullmatch(night)):
        return None
    page = output / production / source / "QA" / night / "report.html"
    return page if page.is_file() else None
