"""QA pages in the output tree."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")
_NIGHT = re.compile(r"\d{8}")


@dataclass(frozen=True, slots=True)
class Report:
    """The QA page of one night and source, in one line."""

    production: str
    source: str
    night: str
    """LST date, ``YYYYMMDD``."""
    level: str
    reason: str
    runs: int
    significance_sigma: float | None


def newest_reports(output: Path, at_most: int = 200) -> list[Report]:
    """Return the QA pages below the output tree, the newest nights first."""
    found = sorted(output.glob("*/*/QA/*/qa.json"), key=lambda path: (path.parts[-2], path.parts[-4]), reverse=True)
    return [_report(path) for path in found[:at_most]]


def _report(path: Path) -> Report:
    production, source, _, night, _ = path.parts[-5:]
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        verdict = content["verdict"]
        sigma = content["metrics"].get("significance_sigma")
        return Report(production, source, night, verdict["level"], verdict["reason"], len(content["runs"]), sigma)
    except (OSError, ValueError, KeyError, TypeError):
        return Report(production, source, night, "bad", "the numbers of this page cannot be read", 0, None)


def find_page(output: Path, production: str, source: str, night: str) -> Path | None:
    """Return the page's file; None if there is none, or a part of the path is not a name."""
    if not (_NAME.fullmatch(production) and _NAME.fullmatch(source) and _NIGHT.fullmatch(night)):
        return None
    page = output / production / source / "QA" / night / "report.html"
    return page if page.is_file() else None
