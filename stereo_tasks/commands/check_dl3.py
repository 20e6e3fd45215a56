"""``stereo check-dl3``: what is wrong with a folder of DL3, card by card."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer


def check_dl3_command(
    folder: Annotated[Path, typer.Argument(help="Folder with hdu-index.fits.gz and the DL3 files that it lists.")],
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects: file, hdu, card, text.")] = False,
) -> None:
    """Say what is wrong with a folder of DL3, card by card; nothing that fails this is published.

    Checked are the mandatory keywords and columns of GADF 0.3, check sums, values, and what ties them (times, indices).
    The exit code is 1 if anything is wrong.
    """
    from stereo_tasks.gadf.check import check_folder

    try:
        problems = check_folder(folder)
    except NotADirectoryError as error:
        raise typer.BadParameter(str(error)) from None
    if as_json:
        typer.echo(json.dumps([asdict(problem) for problem in problems], indent=1))
    else:
        for problem in problems:
            typer.echo(str(problem))
        files = len({problem.file for problem in problems})
        typer.echo(f"{len(problems)} problems in {files} files" if problems else f"{folder} keeps GADF 0.3")
    raise typer.Exit(1 if problems else 0)
