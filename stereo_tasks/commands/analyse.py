"""``stereo analyse``: spectrum, flux points, light curve and maps of a source, from DL3 of many nights."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from stereo_tasks.errors import StereoError


def analyse_command(
    dl3: Annotated[Path, typer.Option("--dl3", help="Folder of DL3 with an index.")],
    source: Annotated[str, typer.Option(help="Its name, as in config/sources.yaml or in the headers (OBJECT).")],
    out: Annotated[Path, typer.Option(help="Folder for results.yaml, the tables (ECSV) and pictures.")],
    use_all: Annotated[bool, typer.Option("--all", help="Also use runs of bad quality (QUALITY 2).")] = False,
) -> None:
    """Analyse a source from a folder of DL3: spectrum, flux points, light curve, theta2 and maps.

    Runs in the analysis environment, with the newest gammapy. The position is that of config/sources.yaml; of a source
    that is not there, that of the headers.
    """
    from stereo_tasks.settings import load_settings

    settings = load_settings()
    python = settings.site.analysis_python
    if not python.exists():
        raise StereoError(f"no analysis environment at {python}: run 'make setup', or set analysis_python in site.yaml")
    arguments = ["--dl3", str(dl3), "--source", source, "--out", str(out)]
    if known := settings.sources.get(source):
        arguments += ["--ra", str(known.ra_deg), "--dec", str(known.dec_deg)]
    if use_all:
        arguments.append("--all")
    os.execv(python, [str(python), "-m", "stereo_tasks.analysis", *arguments])  # noqa: S606
