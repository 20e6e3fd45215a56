"""``stereo status``: every source of a range of nights in one word and one reason, under the alarms."""

from __future__ import annotations

import datetime as dt
import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console
    from rich.text import Text

    from stereo_tasks.status import Alarm, AlarmLine, SourceStatus, StatusTable
    from stereo_tasks.status.runs import RunRow

# Both as words and in colour: not everybody sees the colours.
STYLES = {
    "done": "green", "partial": "yellow", "running": "cyan", "requested": "cyan", "ready": "cyan", "waiting": "yellow",
    "held": "magenta", "failed": "bold red", "upcoming": "dim", "not asked": "", "not taken": "dim", "nothing": "dim",
    "good": "green", "warning": "yellow", "bad": "bold red",
}  # fmt: skip
_ROOM_FOR_REASON = 40


def status_command(
    nights: Annotated[
        str | None, typer.Argument(help="2024-01-10, or 2024-01-01..2024-01-31; the last seven nights if not given.")
    ] = None,
    source: Annotated[list[str] | None, typer.Option(help="Only this source; may be repeated.")] = None,
    state: Annotated[list[str] | None, typer.Option(help="Only this state, such as held; may be repeated.")] = None,
    production: Annotated[
        str | None, typer.Option(help="Name of the production; the default one if not given.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object with alarms, totals and nights.")] = False,
) -> None:
    """Show where the nights stand, why, and what needs care."""
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.catalog.sign_offs import sign_offs
    from stereo_tasks.settings import load_settings
    from stereo_tasks.status import (
        NightState,
        alarm_lines,
        find_alarms,
        newest_known_night,
        parse_range,
        status_table,
    )
    from stereo_tasks.status.runs import list_runs

    settings, now = load_settings(), dt.datetime.now(dt.UTC)
    if unknown := set(state or ()) - {word.value for word in NightState}:
        known = ", ".join(word.value for word in NightState)
        raise typer.BadParameter(f"{', '.join(sorted(unknown))} is no state; there are {known}", param_hint="--state")
    first, last = parse_range(nights, now)
    wanted = [NightState(word) for word in state or ()]
    with Catalog.kept(settings) as catalog:
        table = status_table(
            catalog, first, last, settings=settings, production=production, sources=source or (), states=wanted,
            now=now,
        )  # fmt: skip
        alarms = find_alarms(catalog, settings, production=production, now=now)
        newest = newest_known_night(catalog, table.production, now)
        runs = list_runs(catalog, table.production, first=first, last=last) if first == last else []
        signed = sign_offs(catalog, table.production, first, last).get(first) if first == last else None
    if as_json:
        typer.echo(json.dumps(_as_json(table, alarms), indent=1))
        return
    console = _console()
    _print_alarms(console, alarm_lines(alarms))
    _print_table(console, table)
    if first == last:
        _print_details(console, table, runs)
        console.print(f"\nsigned off: {signed or 'by nobody'}")
    _print_totals(console, table, filtered=bool(source or wanted))
    if not table.sources and newest and newest < first:
        console.print(f"the newest known night is {newest}: stereo status {newest}")


def _console() -> Console:
    from rich.console import Console

    # A pipe has no width: nothing is cut or folded there.
    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=10_000)


def _print_alarms(console: Console, lines: tuple[AlarmLine, ...]) -> None:
    from rich.padding import Padding
    from rich.text import Text

    for line in lines:
        console.print(Text.assemble(("alarm ", "bold red"), (f"{line.kind}: ", "bold"), line.text))
        console.print(Padding(Text(f"-> {line.what_to_do}"), (0, 0, 0, 6), expand=False))
    if lines:
        console.print()


def _print_table(console: Console, table: StatusTable) -> None:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    if not table.sources:
        return
    widths = (10, max(6, *(len(status.source) for status in table.shown)), 9, 16, 5, 7)
    head = _line(("night", "source", "state", "since (UTC)", "DL3", "QA"), widths)
    wide = console.width - len(head) >= _ROOM_FOR_REASON
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_row(Text(str(head), style="bold"), Text("reason", style="bold"))
    if not wide:
        console.print(Text(str(head), style="bold"))
    for status in table.shown:
        line = _line(
            (str(status.night), status.source or "-", status.state, _short(status.since_utc), status.dl3, status.qa),
            widths,
        )
        if wide:
            grid.add_row(line, Text(status.reason))
            continue
        console.print(line)
        if status.reason:
            console.print(Padding(Text(status.reason), (0, 0, 0, 12), expand=False))
    if wide:
        with console.capture() as capture:
            console.print(grid)
        console.file.writelines(f"{text.rstrip()}\n" for text in capture.get().splitlines())


def _line(cells: tuple[str, ...], widths: tuple[int, ...]) -> Text:
    from rich.text import Text

    line = Text()
    for cell, width in zip(cells, widths, strict=True):
        line.append(f"{cell:<{width}}", style=STYLES.get(cell, ""))
        line.append("  ")
    line.rstrip()
    return line


def _print_details(console: Console, table: StatusTable, runs: Iterable[RunRow]) -> None:
    """Print what does not fit into a line, for a single night."""
    from rich.padding import Padding
    from rich.text import Text

    for status in table.sources:
        row = status.row
        parts = {
            "there": status.present,
            "missing": status.missing,
            "alarm": [f"from {_short(status.alarm_utc)} UTC"] if status.alarm_utc else [],
            "remarks": row.readiness.remarks if row.readiness else (),
            "held": [f"{hold.source or 'the whole night'} by {hold.by} since {_short(hold.held_utc)}: {hold.reason}"
                     for hold in row.held],
            "stages": [", ".join(f"{stage.stage} {stage.done}/{stage.total}" for stage in row.planned.stages)]
                      if row.planned else [],
            "plan": [row.planned.path] if row.planned else [],
            "published": [row.published.path] if row.published else [],
            "run": [f"{row.run.run_id} {row.run.state}", *(line.strip() for line in row.run.lines)] if row.run else [],
            "QA": [f"{row.quality.verdict}: {row.quality.reason}", row.quality.page] if row.quality else [],
            "LST-1": [f"{run.run} {run.effective} {run.why}".rstrip() for run in runs if run.source == status.source],
            "to do": [status.what_to_do] if status.what_to_do else [],
        }  # fmt: skip
        console.print()
        console.print(Text(f"{status.night} {status.source}: {status.state}", style="bold"))
        for name, texts in parts.items():
            for number, text in enumerate(texts):
                console.print(Padding(Text(f"{'' if number else name:<10}{text}"), (0, 0, 0, 2), expand=False))


def _print_totals(console: Console, table: StatusTable, *, filtered: bool) -> None:
    counts = ", ".join(f"{number} {state}" for state, number in table.totals.items()) or "nothing"
    console.print()
    console.print(f"{table.first}..{table.last}, production {table.production}: {counts}")
    if not filtered and table.nights_without:
        console.print(f"nights without a joint observation in the log: {table.nights_without}")


def _as_json(table: StatusTable, alarms: Iterable[Alarm]) -> dict[str, Any]:
    return {
        "production": table.production,
        "first": str(table.first),
        "last": str(table.last),
        "now_utc": table.now.isoformat(timespec="seconds"),
        "alarms": [
            {"kind": alarm.kind, "subject": alarm.subject, "text": alarm.text, "what_to_do": alarm.what_to_do}
            for alarm in alarms
        ],
        "totals": table.totals,
        "nights_without": table.nights_without,
        "nights": [_source_as_json(status) for status in table.sources],
    }


def _source_as_json(status: SourceStatus) -> dict[str, Any]:
    return {
        "night": str(status.night), "source": status.source, "state": status.state, "reason": status.reason,
        "since_utc": status.since_utc.isoformat(timespec="seconds") if status.since_utc else None,
        "present": status.present, "missing": status.missing,
        "alarm_utc": status.alarm_utc.isoformat(timespec="seconds") if status.alarm_utc else None,
        "dl3": status.dl3, "qa": status.qa, "held_by_person": status.by_person,
        "published": status.row.published.path if status.row.published else None,
        "qa_page": status.row.quality.page if status.row.quality else None, "what_to_do": status.what_to_do,
    }  # fmt: skip


def _short(time: dt.datetime | None) -> str:
    return f"{time.astimezone(dt.UTC):%Y-%m-%d %H:%M}" if time else ""
