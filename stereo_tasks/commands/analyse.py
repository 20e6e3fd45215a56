"""``stereo analyse``: spectrum, flux points, light curve and maps of a source, from DL3 of many nights."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from stereo_tasks.errors import StereoError

if TYPE_CHECKING:
    from stereo_tasks.settings import Settings


class AnalysisRunError(StereoError):
    """The analysis could not be started, or not be made; the text says why."""


def analyse_command(
    dl3: Annotated[Path | None, typer.Option("--dl3", help="Folder of DL3 with an index.")] = None,
    source: Annotated[
        str | None, typer.Option(help="With --dl3: its name, as in config/sources.yaml or in the headers (OBJECT).")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="With --dl3: folder for results.yaml, the tables (ECSV), pictures and page.")
    ] = None,
    use_all: Annotated[
        bool, typer.Option("--all", help="With --dl3: also use runs of bad quality (QUALITY 2).")
    ] = False,
    season: Annotated[
        str | None, typer.Option(metavar="SOURCE", help="Instead of --dl3: all that is published of this source.")
    ] = None,
    first: Annotated[str | None, typer.Option(help="With --season: evening of the first night.")] = None,
    last: Annotated[str | None, typer.Option(help="With --season: evening of the last night.")] = None,
    production: Annotated[
        str | None, typer.Option(help="With --season: name of the production; the site's default if not given.")
    ] = None,
    force: Annotated[bool, typer.Option(help="With --season: analyse again what is up to date, too.")] = False,
) -> None:
    """Analyse a source: spectrum, flux points, light curve, theta2 and maps.

    From a folder of DL3 (--dl3, --source, --out), or from what is published of a source (--season): then as the DAG
    analyse_seasons does it, into the folder Season of the source. Runs in the analysis environment, with the newest
    gammapy. The position is that of config/sources.yaml; of a source that is not there, that of the headers.
    """
    from stereo_tasks.settings import load_settings

    settings = load_settings()
    python = settings.site.analysis_python
    if not python.exists():
        raise AnalysisRunError(
            f"no analysis environment at {python}: run 'make setup', or set analysis_python in site.yaml"
        )
    if season is not None:
        if dl3 or source or out or use_all:
            raise AnalysisRunError(
                "--season takes what is published, and writes beside it: leave --dl3 and its options"
            )
        _analyse_season(season, first, last, production, force, settings)
        return
    if dl3 is None or source is None or out is None:
        raise AnalysisRunError("give --dl3, --source and --out, or --season SOURCE")
    if first or last or production or force:
        raise AnalysisRunError("--first, --last, --production and --force belong to --season")
    arguments = ["--dl3", str(dl3), "--source", source, "--out", str(out)]
    arguments += ["--settings", settings.analysis.model_dump_json()]
    if known := settings.sources.get(source):
        arguments += ["--ra", str(known.ra_deg), "--dec", str(known.dec_deg)]
    if use_all:
        arguments.append("--all")
    os.execv(python, [str(python), "-m", "stereo_tasks.analysis", *arguments])  # noqa: S606


def _analyse_season(
    source: str, first: str | None, last: str | None, production: str | None, force: bool, settings: Settings
) -> None:
    from stereo_tasks.nights import BadNightError, Night
    from stereo_tasks.planning.element_state import ElementStates
    from stereo_tasks.processing.local_run import run_plan
    from stereo_tasks.processing.season_plans import plan_source_season
    from stereo_tasks.stages import SEASON_STAGES, State, chains_of

    begin, end = (Night(text) if text else None for text in (first, last))
    if begin and end and begin > end:
        raise BadNightError(f"--first {first} is after --last {last}")
    plan = plan_source_season(source, begin, end, production=production, settings=settings)
    for choice in plan.choices:
        _say(f"{choice.name}: {choice.value} ({choice.reason})")
    for notice in plan.notices:
        _say(f"missing: {notice.subject}: {notice.reason}")
    if plan.blockers:
        raise AnalysisRunError("; ".join(f"{blocker.subject}: {blocker.reason}" for blocker in plan.blockers))
    plan.save()
    failures = run_plan(plan, chains_of(SEASON_STAGES), force=force, report=_say)
    if failures:
        raise AnalysisRunError("\n".join(["the analysis was not made:", *failures]))
    states = ElementStates(plan)
    for element in plan.elements:
        record = states.record(element)
        if record is not None and record.state == State.DONE:
            counts = record.counts
            _say(
                f"{counts['observations']:.0f} runs of {counts['nights']:.0f} nights, "
                f"{counts['live_time_s'] / 3600:.2f} h live time, {counts['significance_sigma']:.1f} sigma"
            )
            _say(f"page: {Path(plan.root) / 'season.html'}")
        elif record is not None:
            _say(f"{record.state}: {record.reason}")


def _say(line: str) -> None:
    Console(soft_wrap=True).print(line, highlight=False)
