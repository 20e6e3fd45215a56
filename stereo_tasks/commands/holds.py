"""``stereo hold`` and ``stereo release``: a person keeps a night, or a source of it, from being processed."""

from __future__ import annotations

from typing import Annotated

import typer

from stereo_tasks.commands.person import ByOption, name_of

NightArgument = Annotated[str, typer.Argument(help="Evening date, such as 2024-01-10.")]
SourceOption = Annotated[str, typer.Option("--source", help="Only this source of the night; else the whole night.")]
ProductionOption = Annotated[str | None, typer.Option(help="Name of the production; the site's default if not given.")]


def hold_command(
    night: NightArgument,
    reason: Annotated[str, typer.Option(help="Why: somebody else will read it.")],
    source: SourceOption = "",
    until: Annotated[
        str | None, typer.Option(help="It ends by itself then: a date (00:00 UTC), or 2024-02-01T12:00 (UTC).")
    ] = None,
    production: ProductionOption = None,
    by: ByOption = None,
) -> None:
    """Hold a night, or a source of it: it is not handed on until it is released."""
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.dispatch import holding
    from stereo_tasks.nights import Night
    from stereo_tasks.settings import load_settings

    settings, one = load_settings(), Night(night)
    name, catalog = settings.production(production).name, Catalog.of_site(settings)
    for line in holding.hold(catalog, one, name, reason, by=name_of(by), source=source, until=until or ""):
        typer.echo(line)


def release_command(
    night: NightArgument,
    reason: Annotated[str, typer.Option(help="Why: somebody else will read it.")] = "",
    source: SourceOption = "",
    production: ProductionOption = None,
    by: ByOption = None,
) -> None:
    """Release a night, or a source of it, that a person held."""
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.dispatch import holding
    from stereo_tasks.nights import Night
    from stereo_tasks.settings import load_settings

    settings, one = load_settings(), Night(night)
    name, catalog = settings.production(production).name, Catalog.of_site(settings)
    for line in holding.release(catalog, one, name, reason, by=name_of(by), source=source):
        typer.echo(line)
