"""``stereo engine``: who makes the products of each stage, and what is out of use."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

app = typer.Typer(help="Who makes the products of each stage: our kernels, or magic-cta-pipe's tools.")


@app.command("status")
def status_command(
    production: Annotated[str | None, typer.Option(help="Name of the production; the site's default if not given.")] = (
        None
    ),
) -> None:
    """Print who makes the products of each stage, and why it is not a kernel."""
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.catalog.suspensions import suspended
    from stereo_tasks.planning.engines import choose_engines
    from stereo_tasks.products.provenance import science_versions
    from stereo_tasks.settings import load_settings
    from stereo_tasks.stages import stages

    settings = load_settings()
    versions, out_of_use = science_versions(settings.site.science_python), suspended(Catalog.of_site(settings))
    chosen = choose_engines(stages(), settings.production(production), versions, out_of_use)
    for stage in stages():
        if stage.tool:
            choice = chosen[stage.name]
            typer.echo(f"{stage.name:13} {choice.engine:5} {choice.reason}".rstrip())


@app.command("allow")
def allow_command(
    stages: Annotated[list[str], typer.Argument(help="Stages whose kernel may be used again.")],
    reason: Annotated[str, typer.Option(help="What you found: somebody else will want to know.")],
    by: Annotated[str | None, typer.Option("--by", help="Who does it; your user name if not given.")] = None,
) -> None:
    """Use kernels again that were out of use, since they made something else than magic-cta-pipe."""
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.catalog.suspensions import allow

    allowed = allow(Catalog.of_site(), stages, by=by or getpass.getuser(), reason=reason)
    for stage in stages:
        typer.echo(f"{stage}: {'used again from the next plan on' if stage in allowed else 'was not out of use'}")
