"""Results over many nights of a source, as the analysis of a season leaves them in the output tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stereo_portal.qa_page import NAME, NoPageError, read_html
from stereo_portal.safe_files import NotReadError, tail_within

FOLDER = "Season"
RESULTS, PAGE = "results.yaml", "season.html"
_ON_THE_PAGE = ("origin", "settings", "versions")
"""What the page of the season says, and nobody looks for among the numbers."""
_UNITS = {
    "_per_tev_cm2_s": "TeV⁻¹ cm⁻² s⁻¹",
    "_per_cm2_s": "cm⁻² s⁻¹",
    "_tev": "TeV",
    "_deg": "deg",
    "_sigma": "σ",
    "_s": "s",
}
"""Endings of names in the results; the longest first."""
_MOST_BYTES = 300_000
_MOST_SETS = 50


@dataclass(frozen=True, slots=True)
class SeasonSet:
    """Results of a set of nights."""

    name: str
    folder: str
    has_page: bool
    numbers: tuple[tuple[str, str], ...]
    """What was found, in the order of the file; empty where it cannot be read."""
    problem: str


def season_sets(output: Path, production: str, source: str) -> list[SeasonSet]:
    """Return the results that there are of a source.

    Parameters
    ----------
    output : pathlib.Path
        The output tree.
    production, source : str
        As they stand in the address.

    Raises
    ------
    NoPageError
        If these can be no names.
    """
    if not (NAME.fullmatch(production) and NAME.fullmatch(source)):
        raise NoPageError("no production or source has this name")
    folder = output / production / source / FOLDER
    if not folder.resolve().is_relative_to(output.resolve()):
        return []  # a link: not even what is there is to be told
    found = sorted(folder.glob(f"*/{RESULTS}"))[:_MOST_SETS]
    return [_set(path, output) for path in found if NAME.fullmatch(path.parent.name)]


def read_season_page(output: Path, production: str, source: str, of: str) -> str:
    """Return the page of a set of nights.

    Raises
    ------
    NoPageError
        If there is none, or its file is no page or leads out of the output tree.
    """
    if not all(NAME.fullmatch(part) for part in (production, source, of)):
        raise NoPageError("there is no page of this season: nothing has such a name")
    path = output / production / source / FOLDER / of / PAGE
    return read_html(path, output, "the page of the season", "analyse the season again")


def _set(path: Path, output: Path) -> SeasonSet:
    numbers: tuple[tuple[str, str], ...] = ()
    problem = ""
    try:
        content = yaml.safe_load(tail_within(str(path), output, _MOST_BYTES))
        numbers = tuple(_flat(content)) if isinstance(content, Mapping) else ()
    except NotReadError as error:
        problem = f"its numbers are not shown: {error}"
    except (yaml.YAMLError, ValueError, RecursionError):
        problem = "its numbers cannot be read: analyse the season again"
    return SeasonSet(path.parent.name, str(path.parent), (path.parent / PAGE).is_file(), numbers, problem)


def _with_unit(key: str) -> str:
    """Return a key in words, its unit in brackets."""
    of, error = (key.removesuffix("_error"), ", error") if key.endswith("_error") else (key, "")
    for ending, unit in _UNITS.items():
        if of.endswith(ending):
            return f"{of.removesuffix(ending)}{error} ({unit})".replace("_", " ")
    return key.replace("_", " ")


def _flat(content: Mapping[Any, Any], before: str = "", depth: int = 0) -> list[tuple[str, str]]:
    """Return numbers and words of a tree, each with its path; lists only say how long they are."""
    rows: list[tuple[str, str]] = []
    for key, value in content.items():
        if not depth and key in _ON_THE_PAGE:
            continue
        name = f"{before}{_with_unit(str(key))}"
        if isinstance(value, Mapping) and depth < 3:
            rows += _flat(value, f"{name}, ", depth + 1)
        elif isinstance(value, float):
            rows.append((name, f"{value:.5g}"))
        elif isinstance(value, list):
            short = ", ".join(map(str, value))
            rows.append((name, short if len(short) <= 80 else f"{len(value)} entries"))
        elif value is not None:
            rows.append((name, str(value)[:300]))
    return rows
