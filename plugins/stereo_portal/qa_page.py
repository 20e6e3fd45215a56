"""QA pages in the output tree."""

from __future__ import annotations

import re
from pathlib import Path

# As the stereo log and config/productions.yaml have them.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,99}", re.ASCII)
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
    again = f"remove {{path}} and request the night again: `stereo backfill {night} {night}`"
    if not (_NAME.fullmatch(production) and _NAME.fullmatch(source) and _NIGHT.fullmatch(night)):
        raise NoPageError("there is no QA page of this night and source: no night or source has this name")
    path = output / production / source / "QA" / night / "report.html"
    try:
        file = path.resolve(strict=True)
        if not file.is_relative_to(output.resolve()):
            raise NoPageError(f"the QA page is a link that leads out of the output tree; {again.format(path=path)}")
        if not file.is_file():
            raise NoPageError(f"the QA page is no file; {again.format(path=path)}")
        with file.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise NoPageError("there is no QA page of this night and source") from None
    except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError
        raise NoPageError(f"the QA page cannot be read: {error}") from None
    if len(content) > MOST_BYTES:
        raise NoPageError(
            f"the QA page is damaged: it has more than {MOST_BYTES // 1_000_000} MB; {again.format(path=path)}"
        )
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise NoPageError(f"the QA page is damaged: it is no text; {again.format(path=path)}") from None
