"""``stereo``: the nights of MAGIC + LST-1 on the command line. Thin: every command is a function of a room."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stereo_tasks.commands.edge import Edge
from stereo_tasks.errors import StereoError
from stereo_tasks.stages import MC_STAGES, chains_of

_HELP = "The nights of MAGIC + LST-1: from the stereo log to published DL3."
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=_HELP)
# A pipe has no width: 80 columns would cut paths.
console = Console(width=None if sys.stdout.isatty() else 250)

ProductionOption = Annotated[str | None, typer.Option(help="Name of the production; the site's default if not given.")]


def _say(line: str) -> None:
    console.print(line, highlight=False)


def _fail(message: str) -> typer.Exit:
    Console(stderr=True, soft_wrap=True).print(
        f"[red]{message}[/red]" if sys.stderr.isatty() else message, highlight=False
    )
    return typer.Exit(1)


@app.command("prepare-mc")
def prepare_mc(
    production: ProductionOption = None,
    force: Annotated[bool, typer.Option(help="Make everything again.")] = False,
    only: Annotated[
        list[str] | None, typer.Option(help="Only these, such as ST0320A/NSB1.5/v01/dec_2276; may be repeated.")
    ] = None,
) -> None:
    """Train the forests and make the IRFs that a production needs, on this machine, without Airflow."""
    from stereo_tasks.processing.local_run import run_plan
    from stereo_tasks.processing.night_plans import plan_monte_carlo

    failures = []
    for plan in plan_monte_carlo(production, only=only or ()):
        plan.save()
        failures += [f"{plan.name}: held, {blocker.subject}: {blocker.reason}" for blocker in plan.blockers]
        failures += run_plan(plan, chains_of(MC_STAGES), force=force, report=_say)
        for choice in plan.choices[1:]:
            console.print(f"{choice.name}: {choice.value}", highlight=False)
    if failures:
        raise _fail("\n".join(failures))


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def simulate(context: typer.Context) -> None:
    """Write synthetic nights in the real file formats, with their truth (runs in the science environment)."""
    from stereo_tasks.settings import load_settings

    python = load_settings().site.science_python
    if not Path(python).exists():
        raise _fail(f"no science environment at {python}: run 'make setup'")
    os.execv(python, [str(python), "-m", "stereo_tasks.simulate", *context.args])  # noqa: S606


def _mount_local_site() -> Edge:
    """Mount the commands of a local site, and return what it adds to those of `stereo_tasks.commands`."""
    from stereo_tasks.local_site import cli
    from stereo_tasks.local_site.checks import CHECKS
    from stereo_tasks.local_site.database import running_database

    app.command("up")(cli.up_command)
    app.command("down")(cli.down_command)
    app.command("demo")(cli.demo_command)
    app.command("site-status")(cli.site_status_command)
    return Edge(running_database=running_database, checks=CHECKS)


def _mount_commands() -> None:
    """Mount the modules of `stereo_tasks.commands`."""
    from stereo_tasks.commands import (
        analyse,
        backfill,
        catalog,
        check_dl3,
        config,
        dataset,
        diff,
        doctor,
        engine,
        explain,
        holds,
        plan,
        production,
        published,
        run,
        select,
        sources,
        status,
    )

    app.add_typer(catalog.catalog_app, name="catalog")
    app.command("plan")(plan.plan_command)
    app.command("run")(run.run_command)
    app.command("analyse")(analyse.analyse_command)
    app.command("check-dl3")(check_dl3.check_dl3_command)
    app.command("select")(select.select_command)
    app.command("status")(status.status_command)
    app.command("hold")(holds.hold_command)
    app.command("release")(holds.release_command)
    app.command("published")(published.published_command)
    app.command("rollback")(published.rollback_command)
    app.command("withdraw")(published.withdraw_command)
    app.command("backfill")(backfill.backfill_command)
    app.add_typer(config.app, name="config")
    app.add_typer(engine.app, name="engine")
    app.add_typer(sources.app, name="sources")
    app.add_typer(dataset.app, name="dataset")
    app.command("explain")(explain.explain_command)
    app.command("diff")(diff.diff_command)
    app.add_typer(production.app, name="production")
    app.command("doctor")(doctor.doctor_command)


def main() -> None:
    """Run the command line; errors that say what to do come without a traceback."""
    _mount_commands()
    try:
        app(obj=_mount_local_site())
    except StereoError as error:
        raise SystemExit(f"stereo: {error}") from None
