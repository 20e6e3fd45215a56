"""``stereo production``: named ways of processing."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Productions: named ways of processing.")


@app.callback()
def _group() -> None:
    """Keep ``create`` a command of its own, although it is the only one."""


@app.command("create")
def create_command(
    name: Annotated[str, typer.Argument(help="Name of the new production.")],
    values: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]...", help="What is different, such as nsb=2.0 or mcp.create_irf.theta.efficiency=0.8."
        ),
    ] = None,
    like: Annotated[
        str | None, typer.Option("--from", help="The production that it is like; the site's default if not given.")
    ] = None,
) -> None:
    """Write a production into the site's config/productions.yaml: like another one but for some values."""
    from stereo_tasks.products.files import write_atomically
    from stereo_tasks.settings.load import load_settings, site_folder
    from stereo_tasks.settings.new_production import productions_file, with_production

    given: dict[str, str] = {}
    for text in values or []:
        key, equals, value = text.partition("=")
        if not equals or not key or key in given:
            raise typer.BadParameter(f"{text!r}: give each key once, as key=value")
        given[key] = value
    site = site_folder()
    path = productions_file(site)
    write_atomically(path, with_production(site, name, like or load_settings(site).productions.default, given))
    typer.echo(f"production {name} is in {path}; its products go to {load_settings(site).site.paths.output / name}")
