"""``stereo overrule``: a person's level of a run counts instead of that of QA."""

from __future__ import annotations

from typing import Annotated

import typer

from stereo_tasks.commands.person import ByOption, name_of


def overrule_command(
    run: Annotated[str, typer.Argument(help="LST-1 run, such as 16221, or 2024-01-10/CrabNebula/16221.")],
    level: Annotated[str | None, typer.Argument(help="good, warning or bad.")] = None,
    reason: Annotated[str, typer.Option(help="Why: somebody else will read it.")] = "",
    lift: Annotated[bool, typer.Option("--lift", help="What QA says counts again.")] = False,
    production: Annotated[
        str | None, typer.Option(help="Name of the production; the site's default if not given.")
    ] = None,
    by: ByOption = None,
) -> None:
    """Overrule QA's verdict of a run, or lift that again; the published index follows at once."""
    from stereo_tasks.airflow_api.announcing import announce_followed
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.catalog.overrules import described
    from stereo_tasks.catalog.run_verdicts import run_name
    from stereo_tasks.processing import overruling
    from stereo_tasks.settings import load_settings

    if lift == (level is not None):
        raise typer.BadParameter("give a level (good, warning, bad) or --lift", param_hint="LEVEL")
    settings = load_settings()
    name, catalog, person = settings.production(production).name, Catalog.of_site(settings), name_of(by)
    if level is None:
        done = overruling.lift(catalog, settings, name, run, reason, by=person)
        was = described(done.overrule)
        typer.echo(f"{run_name(done.run)} of {name} is {done.run.level} again, as QA says; it was overruled {was}")
    else:
        done = overruling.overrule(catalog, settings, name, run, level, reason, by=person)
        typer.echo(f"{run_name(done.run)} of {name} is overruled, {described(done.overrule)}")
    for line in announce_followed(settings, done):
        typer.echo(line)
