"""``stereo runs``: the runs that QA has judged, to look at or to analyse."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from stereo_tasks.status.runs import RunRow


class Format(StrEnum):
    """What is printed."""

    TABLE = "table"
    ECSV = "ecsv"
    IDS = "ids"


def runs_command(
    source: Annotated[str | None, typer.Option(help="Only this source.")] = None,
    good: Annotated[
        bool, typer.Option("--good", help="Only good runs: by QA, or by a person who overruled it.")
    ] = False,
    first: Annotated[str | None, typer.Option(metavar="NIGHT", help="From this night on.")] = None,
    last: Annotated[str | None, typer.Option(metavar="NIGHT", help="Up to this night.")] = None,
    production: Annotated[
        str | None, typer.Option(help="Name of the production; the site's default if not given.")
    ] = None,
    format_: Annotated[
        Format, typer.Option("--format", help="A table, ECSV, or the observation ids of published runs as a list.")
    ] = Format.TABLE,
) -> None:
    """List the runs that were judged, with their verdicts."""
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.nights import Night
    from stereo_tasks.settings import load_settings
    from stereo_tasks.status.runs import list_runs

    settings = load_settings()
    name = settings.production(production).name
    begin, end = (Night(text) if text else None for text in (first, last))
    runs = list_runs(Catalog.of_site(settings), name, source=source, first=begin, last=end, good=good)
    if format_ is Format.ECSV:
        as_table(runs, name).write(sys.stdout, format="ascii.ecsv")
    elif format_ is Format.IDS:
        published = [run.run for run in runs if run.published]
        if left_out := len(runs) - len(published):
            typer.echo(f"{left_out} of them have no published DL3 and are left out", err=True)
        typer.echo(str(published))
    elif runs:
        _print(runs)
    else:
        typer.echo(f"QA has judged no such run of production {name}")


def as_table(runs: Sequence[RunRow], production: str) -> Any:
    """Return runs as an `astropy.table.Table` with units and descriptions."""
    from astropy import units as u
    from astropy.table import Column, Table

    def text(name: str, values: list[str], description: str) -> Column:
        return Column(values, name, dtype=str, description=description)

    nan = float("nan")
    return Table(
        [
            text("night", [str(run.night) for run in runs], "evening date"),
            text("source", [run.source for run in runs], "as in the stereo log"),
            Column([run.run for run in runs], "obs_id", dtype="i8", description="LST-1 run"),
            Column(
                [nan if run.zenith_deg is None else run.zenith_deg for run in runs], "zenith", dtype="f8", unit=u.deg
            ),
            Column(
                [nan if run.live_time_s is None else run.live_time_s for run in runs], "live_time", dtype="f8", unit=u.s
            ),
            text("level", [run.effective for run in runs], "that counts: of a person, else of QA"),
            Column(
                [run.quality for run in runs], "quality", dtype="i8", description="QUALITY of the observation index"
            ),
            text("qa_level", [run.level for run in runs], "as QA said"),
            text("reasons", ["; ".join(run.reasons) for run in runs], "of QA, why it is not good"),
            text("overruled_by", [run.overruled.by if run.overruled else "" for run in runs], "who overruled QA"),
            text("overruled_reason", [run.overruled.reason if run.overruled else "" for run in runs], "why"),
            Column([run.published for run in runs], "published", dtype=bool, description="its DL3 can be read"),
        ],
        meta={"production": production},
    )


def _print(runs: Sequence[RunRow]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from stereo_tasks.commands.status import STYLES

    table = Table("night", "source", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("run", "zenith (deg)", "live (min)"):
        table.add_column(heading, justify="right")
    for heading in ("level", "why"):
        table.add_column(heading)
    for run in runs:
        zenith = "" if run.zenith_deg is None else f"{run.zenith_deg:.1f}"
        live = "" if run.live_time_s is None else f"{run.live_time_s / 60:.1f}"
        level = Text(run.effective, style=STYLES.get(run.effective, ""))
        table.add_row(str(run.night), run.source, str(run.run), zenith, live, level, Text(run.why))
    # A pipe has no width: nothing is cut or folded there.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 10_000)
    with console.capture() as capture:
        console.print(table)
    typer.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))
    minutes = sum(run.live_time_s or 0.0 for run in runs) / 60
    counts = ", ".join(f"{number} {level}" for level, number in _counts(runs).items())
    typer.echo(f"\n{len(runs)} runs: {counts}; {minutes:.1f} min live")


def _counts(runs: Sequence[RunRow]) -> dict[str, int]:
    from collections import Counter

    counts = Counter(run.effective for run in runs)
    return {level: counts[level] for level in ("good", "warning", "bad") if counts[level]}
