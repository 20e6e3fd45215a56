"""QA pages in the output tree."""

from __future__ import annotations

import re
from pathlib import Path

# As the stereo log and config/productions.yaml have them.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,99}", re.ASCII)
_NIGHT = re.compile(r"\d{8}", re.ASCII)
MOST_BYTES = 20_000_000
"""A page has some 100 kB: what is larger than this is not ours."""


class NoPageError(Exception):
    """There is no page to show; the text says why."""


def read_page(output: Path, production: str, source: str, night: str) -> str:
    """Return the QA page of a night and source.

    Parameters
    ----------
    output : pathlib.Path
        The output tree.
    production, source, night : str
        As they stand in the address; the night as ``20240110``.

    Raises
    ------
    NoPageError
        If there is none, or its file is no page or leads out of the output tree.
    """
    if not (NAME.fullmatch(production) and NAME.fullmatch(source) and _NIGHT.fullmatch(night)):
        raise NoPageError("there is no QA page of this night and source: no night or source has this name")
    path = output / production / source / "QA" / night / "report.html"
    return read_html(path, output, "the QA page", f"request the night again: `stereo backfill {night} {night}`")


def read_html(path: Path, output: Path, what: str, again: str) -> str:
    """Return a page of the output tree.

    Parameters
    ----------
    path : pathlib.Path
        Its file; a link may lead to it, as long as that stays below `output`.
    output : pathlib.Path
        The output tree.
    what : str
        What it is, for the errors.
    again : str
        How a new one is made.

    Raises
    ------
    NoPageError
        If there is none, or its file is no page or leads out of the output tree.
    """
    again = f"remove {path} and {again}"
    try:
        file = path.resolve(strict=True)
        if not file.is_relative_to(output.resolve()):
            raise NoPageError(f"{what} is a link that leads out of the output tree; {again}")
        if not file.is_file():
            raise NoPageError(f"{what} is no file; {again}")
        with file.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise NoPageError(f"there is no such page: {what} was not made, or not kept") from None
    except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError
        raise NoPageError(f"{what} cannot be read: {error}") from None
    if len(content) > MOST_BYTES:
        raise NoPageError(f"{what} is damaged: it has more than {MOST_BYTES // 1_000_000} MB; {again}")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise NoPageError(f"{what} is damaged: it is no text; {again}") from None
