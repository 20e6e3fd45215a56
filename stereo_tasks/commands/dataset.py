"""``stereo dataset``: the data sets of a source, made on this machine without Airflow, and listed."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from stereo_tasks.errors import StereoError
from stereo_tasks.stages import DATASET_STAGES, chains_of

if TYPE_CHECKING:
    from stereo_tasks.nights import Night

app = typer.Typer(no_args_is_help=True, help="Data sets of a source and season.")
console = Console(width=None if sys.stdout.isatty() else 250)

ProductionOption = Annotated[str | None, typer.Option(help="Name of the production; the site's default if not given.")]


class DatasetRunError(StereoError):
    """A set could not be made completely; the text says why."""


@app.command("build")
def build_command(
    source: Annotated[str, typer.Argument(help="The source, as in the stereo log.")],
    nights: Annotated[
        str | None,
        typer.Argument(metavar="FIRST..LAST", help="Evening dates, both included; all published if not given."),
    ] = None,
    production: ProductionOption = None,
    name: Annotated[
        str | None, typer.Option("--set", help="Name of the set; 'all' or that of the range if not given.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Compute again what is valid, too.")] = False,
) -> None:
    """Make the data sets of a source on this machine, without Airflow: what did not change is not read again."""
    from stereo_tasks.processing.completion import problems_of
    from stereo_tasks.processing.dataset_plans import plan_source
    from stereo_tasks.processing.local_run import run_plan

    first, last = parse_range(nights)
    plan = plan_source(source, first, last, production=production, name=name)
    for choice in plan.choices:
        _say(f"{choice.name}: {choice.value} ({choice.reason})")
    for notice in plan.notices:
        _say(f"missing: {notice.subject}: {notice.reason}")
    if plan.blockers:
        raise DatasetRunError("; ".join(f"{blocker.subject}: {blocker.reason}" for blocker in plan.blockers))
    plan.save()
    run_plan(plan, chains_of(DATASET_STAGES), force=force, report=_say)
    _say(f"made: {plan.root}")
    if problems := problems_of(plan):
        raise DatasetRunError("\n".join(["not all was made:", *problems]))


@app.command("list")
def list_command(
    source: Annotated[str | None, typer.Argument(help="Only this source, file by file.")] = None,
    production: ProductionOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list of objects, one a file.")] = False,
) -> None:
    """List the sets there are, and what is in them."""
    from dataclasses import asdict

    from stereo_tasks.processing.dataset_list import listed_files

    found = listed_files(production=production, source=source)
    if as_json:
        typer.echo(json.dumps([asdict(file) for file in found], indent=1))
        return
    if not found:
        console.print("no data sets; make some with: stereo dataset build SOURCE")
        return
    table = Table("source", "set", "file", "state", box=None, pad_edge=False)
    for heading in ("nights", "rows", "MB"):
        table.add_column(heading, justify="right")
    table.add_column("made (UTC)")
    for file in found:
        numbers = (f"{file.nights}", f"{file.rows}", f"{file.size_bytes / 1e6:.1f}")
        table.add_row(file.source, file.set, file.file, file.state, *numbers, file.made_utc[:16])
    console.print(table)


def parse_range(text: str | None) -> tuple[Night | None, Night | None]:
    """Read ``FIRST..LAST``; one date alone is one night.

    Raises
    ------
    BadNightError
        If it is none.
    """
    from stereo_tasks.nights import BadNightError, Night

    if text is None:
        return None, None
    begin, dots, end = text.partition("..")
    first, last = Night(begin), Night(end if dots else begin)
    if first > last:
        raise BadNightError(f"{text} ends before it begins; write FIRST..LAST, such as 2024-01-01..2024-03-31")
    return first, last


def _say(line: str) -> None:
    console.print(line, highlight=False)
