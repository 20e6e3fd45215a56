"""``stereo backfill``: ask for a range of nights, and see how far that is."""

from __future__ import annotations

import datetime as dt
import json
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, RenderableType

    from stereo_tasks.airflow_api.backfills import Backfill
    from stereo_tasks.airflow_api.client import AirflowApi
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.nights import Night
    from stereo_tasks.settings import Settings
    from stereo_tasks.status.progress import BackfillProgress

_EVERY_S = 10.0
_REASONS = 10
_STYLES = {
    "done": "green", "partial": "yellow", "failed": "bold red", "held": "magenta", "waiting": "yellow",
    "running": "cyan", "requested": "cyan",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked of each night."""

    production: str | None
    sources: tuple[str, ...]
    force: bool
    from_stage: str
    dry_run: bool


def backfill_command(
    first: Annotated[
        str | None, typer.Argument(help="Evening date of the first night; with --show or --watch a backfill's id.")
    ] = None,
    last: Annotated[str | None, typer.Argument(help="Evening date of the last night, included.")] = None,
    production: Annotated[
        str | None, typer.Option(help="Name of the production; the default one if not given.")
    ] = None,
    source: Annotated[list[str] | None, typer.Option(help="Only this source; may be repeated.")] = None,
    force: Annotated[bool, typer.Option(help="Compute again what is valid, too.")] = False,
    from_stage: Annotated[str, typer.Option(help="Compute everything from this stage on again.")] = "",
    dry_run: Annotated[bool, typer.Option(help="Only say what would be done, night by night.")] = False,
    show: Annotated[bool, typer.Option(help="Show how far a backfill is; the newest, or that of the id.")] = False,
    watch: Annotated[bool, typer.Option(help="Show it again and again until it has ended.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --show: a JSON object.")] = False,
) -> None:
    """Ask for a range of nights; those without joint observations end at once, and say so."""
    from stereo_tasks.airflow_api.client import site_api
    from stereo_tasks.settings import load_settings

    settings, number = load_settings(), None
    if last is not None and first is not None and not show:
        with site_api(settings) as api:
            asked = _Asked(production, tuple(source or ()), force, from_stage, dry_run)
            number = _start(api, settings, first, last, asked)
        if not watch:
            typer.echo(f"see how far it is: stereo backfill --show {number}, or --watch")
            return
    elif not (show or watch) or last is not None:
        raise typer.BadParameter("give FIRST and LAST to start a backfill, or --show [ID] to see one")
    elif first is not None:
        number = _number(first)
    _show(settings, number, watch=watch, as_json=as_json)


def _number(text: str) -> int:
    if not text.isdigit() or len(text) == len("20240110"):
        raise typer.BadParameter(
            f"{text} is no id of a backfill: `stereo backfill --show` shows the newest, with its id"
        )
    return int(text)


def _start(
    api: AirflowApi,
    settings: Settings,
    first: str,
    last: str,
    asked: _Asked,
) -> int:
    from stereo_tasks.airflow_api import backfills
    from stereo_tasks.nights import Night
    from stereo_tasks.processing.reprocessing import check_stage

    begin, end = Night(first), Night(last)
    backfills.check_range(begin, end, dt.datetime.now(dt.UTC))
    name = settings.production(asked.production).name
    if asked.from_stage:
        check_stage(asked.from_stage)
    for dag in (backfills.REQUEST_DAG, backfills.PROCESS_DAG):
        api.wait_for_dag(dag)
    _warn_of_unknown(settings, begin, end, asked.sources)
    for dag in backfills.unpause_all(api):
        typer.echo(f"{dag} was paused; it runs now")
    number = backfills.start(
        api, begin, end, production=asked.production and name, sources=asked.sources, force=asked.force,
        dry_run=asked.dry_run, from_stage=asked.from_stage,
    )  # fmt: skip
    count = (end.evening - begin.evening).days + 1
    what = "a dry run of " if asked.dry_run else ""
    only = f", only {', '.join(asked.sources)}" if asked.sources else ""
    typer.echo(f"backfill {number}: {what}{count} nights, {begin}..{end}, production {name}{only}")
    return number


def _warn_of_unknown(settings: Settings, first: Night, last: Night, sources: tuple[str, ...]) -> None:
    """Say which sources the log does not have in the range: most often they are misspelt."""
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.catalog.nights import night_overview

    if not sources:
        return
    rows = night_overview(Catalog.of_site(settings), settings.productions.default, first, last)
    known = {row.source for row in rows if row.observed}
    for source in sources:
        if known and source not in known:
            typer.echo(f"the log has no {source} in these nights; it has {', '.join(sorted(known))}", err=True)


def _show(settings: Settings, number: int | None, *, watch: bool, as_json: bool) -> None:
    from rich.console import Console
    from rich.live import Live

    from stereo_tasks.airflow_api.client import site_api
    from stereo_tasks.catalog.database import Catalog

    console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=10_000)
    with site_api(settings) as api, Catalog.kept(settings) as catalog:
        if not watch:
            backfill, progress = _look(api, catalog, settings, number)
            if as_json:
                typer.echo(json.dumps(_as_json(backfill, progress), indent=1))
            else:
                console.print(_picture(backfill, progress))
        elif console.is_terminal:
            with Live(console=console, auto_refresh=False) as live:
                for backfill, progress in _looks(api, catalog, settings, number):
                    live.update(_picture(backfill, progress), refresh=True)
        else:
            _watch_in_lines(console, api, catalog, settings, number)


def _watch_in_lines(
    console: Console, api: AirflowApi, catalog: Catalog, settings: Settings, number: int | None
) -> None:
    """Print a line whenever something has changed, and the whole at the end."""
    before, look = "", None
    for look in _looks(api, catalog, settings, number):
        progress = look[1]
        if (line := _counts(progress)) != before:
            console.print(f"{progress.now:%H:%M:%S} UTC  {line}")
            before = line
    if look:
        console.print(_picture(*look))


def _looks(
    api: AirflowApi, catalog: Catalog, settings: Settings, number: int | None
) -> Iterator[tuple[Backfill, BackfillProgress]]:
    while True:
        backfill, progress = _look(api, catalog, settings, number)
        number = backfill.id  # the newest of the beginning, even if somebody starts another one
        yield backfill, progress
        if not progress.remaining:
            return
        time.sleep(_EVERY_S)


def _look(
    api: AirflowApi, catalog: Catalog, settings: Settings, number: int | None
) -> tuple[Backfill, BackfillProgress]:
    from stereo_tasks.airflow_api import backfills
    from stereo_tasks.status.progress import Asking, backfill_progress

    backfill = backfills.find(api, number)
    runs = backfills.asked_nights(api, backfill)
    asked = {night: Asking(run.run, run.ended, run.state == "failed") for night, run in runs.items()}
    progress = backfill_progress(
        catalog,
        backfill.nights,
        asked,
        backfill.created_utc,
        settings=settings,
        production=backfill.conf.get("production"),
        sources=backfill.conf.get("sources") or (),
    )
    return backfill, progress


def _picture(backfill: Backfill, progress: BackfillProgress) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    head = (
        f"backfill {backfill.id}: {backfill.first}..{backfill.last}, {len(progress.nights)} nights, "
        f"since {_time(backfill.created_utc)}"
    )
    if backfill.paused:
        head += ", paused: unpause it in Airflow"
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, nights in _with_reasons(progress):
        table.add_row(Text(name, style=_STYLES.get(name, "")), str(len(nights)), Text(""))
        for night, reason in nights[:_REASONS]:
            if reason:
                table.add_row("", "", Text(f"{night}  {reason}"))
        if len(nights) > _REASONS and nights[0][1]:
            table.add_row("", "", f"and {len(nights) - _REASONS} more: stereo backfill --show {backfill.id} --json")
    return Group(Text(head, style="bold"), table, Text(_pace(progress)))


def _with_reasons(progress: BackfillProgress) -> Iterator[tuple[str, list[tuple[Night, str]]]]:
    """Yield of each kind its nights, with reasons where a person wants to know them."""
    from stereo_tasks.status.progress import Progress

    told = (Progress.FAILED, Progress.HELD, Progress.WAITING, Progress.PARTIAL, Progress.DRY_RUN, Progress.LEFT_OUT)
    for kind in progress.totals:
        nights = [night for night in progress.nights if night.progress == kind]
        yield kind.value, [(night.night, night.reason if kind in told else "") for night in nights]


def _counts(progress: BackfillProgress) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in progress.totals.items())


def _pace(progress: BackfillProgress) -> str:
    parts = [f"{progress.remaining} nights remain" if progress.remaining else "at its end"]
    if progress.remaining and progress.nights_per_hour:
        parts.append(f"{progress.nights_per_hour:.1f} nights an hour")
    if progress.expected_end:
        parts.append(f"expected end {_time(progress.expected_end)}")
    return ", ".join(parts)


def _as_json(backfill: Backfill, progress: BackfillProgress) -> dict[str, Any]:
    end = progress.expected_end
    return {
        "id": backfill.id, "first": str(backfill.first), "last": str(backfill.last),
        "created_utc": backfill.created_utc.isoformat(), "paused": backfill.paused, "conf": backfill.conf,
        "totals": progress.totals, "remaining": progress.remaining, "nights_per_hour": progress.nights_per_hour,
        "expected_end_utc": end.isoformat(timespec="seconds") if end else None,
        "nights": [
            {
                "night": str(night.night), "progress": night.progress, "reason": night.reason,
                "ended_utc": night.ended_utc.isoformat() if night.ended_utc else None,
            }
            for night in progress.nights
        ],
    }  # fmt: skip


def _time(time: dt.datetime) -> str:
    return f"{time.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
