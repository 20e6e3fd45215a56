"""``stereo sign-off``: a person has looked at a night, and says so."""

from __future__ import annotations

from typing import Annotated

import typer

from stereo_tasks.commands.person import ByOption, name_of


def sign_off_command(
    night: Annotated[str, typer.Argument(help="Evening date, such as 2024-01-10.")],
    remark: Annotated[str, typer.Option("--remark", "--reason", help="For who reads it.")] = "",
    lift: Annotated[bool, typer.Option("--lift", help="Take the sign-off back.")] = False,
    production: Annotated[
        str | None, typer.Option(help="Name of the production; the site's default if not given.")
    ] = None,
    by: ByOption = None,
) -> None:
    """Sign a night off as it is now; it is no longer signed off when a verdict or a publication of it changes."""
    from stereo_tasks.catalog import sign_offs
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.nights import Night
    from stereo_tasks.settings import load_settings
    from stereo_tasks.status.runs import list_runs

    settings, one = load_settings(), Night(night)
    name, catalog, person = settings.production(production).name, Catalog.of_site(settings), name_of(by)
    if lift:
        taken = sign_offs.lift(catalog, one, name, remark, by=person)
        typer.echo(f"the night of {one} of {name} is not signed off any more; it was {taken}")
        return
    for run in list_runs(catalog, name, first=one, last=one):
        typer.echo(f"  {run.source} {run.run}: {run.effective} {run.why}".rstrip())
    signed = sign_offs.sign_off(catalog, one, name, remark, by=person)
    typer.echo(f"the night of {one} of {name} is signed off {signed}")
