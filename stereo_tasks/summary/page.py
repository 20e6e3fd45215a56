"""The files of a summary: a page without scripts and without anything from elsewhere, numbers, tables, pictures."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from stereo_tasks.summary.pictures import save
from stereo_tasks.summary.result import Summary

_TEMPLATES = Path(__file__).parent / "templates"


def write(summary: Summary, folder: Path, heading: str, facts: Mapping[str, str]) -> list[Path]:
    """Write a summary, and return its files: page, numbers, then table and picture of each result.

    Parameters
    ----------
    summary : Summary
        All results.
    folder : pathlib.Path
        That exists.
    heading : str
        Which source and set.
    facts : mapping of str to str
        Production, nights, versions.
    """
    results: list[Path] = []
    for result in summary.results:
        stem = f"{summary.kind}_{result.name}"
        table, picture = folder / f"{stem}.ecsv", folder / f"{stem}.png"
        result.table.meta = {"title": result.title, "missing": result.missing}
        result.table.write(table, format="ascii.ecsv")
        save(picture, result)
        results += [table, picture]
    numbers, page = folder / f"{summary.kind}.yaml", folder / f"{summary.kind}.html"
    content = {**facts, "notes": list(summary.notes), **_plain(summary.numbers)}
    numbers.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    page.write_text(_page(summary, results, heading, facts))
    return [page, numbers, *results]


def _page(summary: Summary, files: Sequence[Path], heading: str, facts: Mapping[str, str]) -> str:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = (_TEMPLATES / "summary.css").read_text()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    page = environment.get_template("summary.html").render(
        summary=summary,
        heading=heading,
        facts=facts,
        numbers=_listed(_plain(summary.numbers)),
        pictures=[base64.b64encode(path.read_bytes()).decode() for path in files if path.suffix == ".png"],
        made_utc=dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        style=Markup(style),  # noqa: S704 - a file of this package, nothing from outside
        policy=f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
    )
    return str(page)


def _plain(value: Any) -> Any:
    """Return numbers as YAML knows them, with as many digits as mean something; null where there is none."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, str | bool | int) or value is None:
        return value
    number = float(value)
    return float(f"{number:.5g}") if math.isfinite(number) else None


def _listed(numbers: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    """Return numbers for a table: one line each, what they are of in front."""
    lines: list[tuple[str, str]] = []
    for name, value in numbers.items():
        label = f"{before}{name}".replace("_", " ")
        if isinstance(value, Mapping):
            lines += _listed(value, f"{label}: ")
        else:
            lines.append((label, "–" if value is None else str(value)))
    return lines
