"""``stereo config``: what holds for a night and source, and where it comes from."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from stereo_tasks.settings.production import Production

app = typer.Typer(help="The configuration: what holds for a night and source, and where it comes from.")


@app.callback()
def config() -> None:
    """Keep `show` a command of its own, although it is the only one."""


@app.command("show")
def show_command(
    night: Annotated[str, typer.Option(help="Evening date, such as 2024-01-10.")],
    source: Annotated[str, typer.Option(help="Name of the source, as in the stereo log.")],
    production: Annotated[
        str | None, typer.Option(help="Name of the production; the site's default if not given.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print each effective value of a night and source with the file, and the rule, that it comes from."""
    from stereo_tasks.nights import Night
    from stereo_tasks.planning.choices import choose
    from stereo_tasks.settings import load_settings

    settings, evening = load_settings(), Night(night)
    effective = settings.production(production).effective(evening, source)
    chosen = choose(evening, source, settings, effective)
    rows = [{"key": key, "value": value, "origin": effective.origin(key)} for key, value in _values(effective)]
    if as_json:
        found = {
            "night": str(evening),
            "source": source,
            "production": effective.name,
            "values": rows,
            "choices": [asdict(choice) for choice in chosen.choices],
            "blockers": [asdict(blocker) for blocker in chosen.blockers],
        }
        typer.echo(json.dumps(found, indent=1))
        return
    # A pipe gets a line for each value, however long its path.
    console = Console(width=None if sys.stdout.isatty() else 1000, highlight=False)
    console.print(f"{evening} {source}, production {effective.name}")
    _print(console, ("value", "", "from"), ((row["key"], _shown(row["value"]), row["origin"]) for row in rows))
    choices = ((choice.name, choice.value, choice.reason) for choice in chosen.choices)
    _print(console, ("choice", "", "reason"), choices)
    for blocker in chosen.blockers:
        console.print(f"held: {blocker.subject}: {blocker.reason}", markup=False)


def _values(production: Production) -> Iterator[tuple[str, Any]]:
    from stereo_tasks.settings.layers import leaves

    values = production.model_dump(mode="json", exclude={"name", "overrides", "origins"})
    if production.position is None:
        del values["position"]
    yield from leaves(values)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _print(console: Console, columns: tuple[str, str, str], rows: Iterator[tuple[str, str, str]]) -> None:
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(escape(text) for text in row))
    console.print(table)
