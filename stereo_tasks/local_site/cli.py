"""The commands of this room, for ``stereo`` to mount: up, down, demo, site-status."""

from __future__ import annotations

import os
import sys
import time
from typing import Annotated

import typer
from rich.console import Console

from stereo_tasks.local_site import control
from stereo_tasks.local_site.demo import prepare_demo_config, run_demo
from stereo_tasks.settings import load_settings
from stereo_tasks.settings.load import site_folder


def up_command(
    port: Annotated[int | None, typer.Option(help="Port of the web interface instead of the configured one.")] = None,
) -> None:
    """Start the site in the background: the database, its SLURM cluster if it has one of its own, and Airflow."""
    settings = load_settings()
    begin = time.monotonic()
    address = control.up(
        settings, port=port, echo=lambda line: typer.echo(f"{time.monotonic() - begin:5.1f} s  {line}")
    )
    typer.echo(f"\n{address}")
    typer.echo(f"users and passwords: {control.login_path(settings)}")
    if sys.stdout.isatty():  # passwords belong on a terminal only, never in a file or a pipe
        for user, password in control.logins(settings).items():
            typer.echo(f"  {user:10} {password}")
    typer.echo("stop it with `stereo down`")


def down_command() -> None:
    """Stop the site, with everything it has started."""
    count = control.down(load_settings())
    typer.echo(f"stopped {count} processes" if count else "nothing was running")


def site_status_command() -> None:
    """Say what runs of the site; exit code 0 if everything does, 3 if not."""
    settings = load_settings()
    status = control.status(settings)
    for name, condition in status.services.items():
        typer.echo(f"{name:15} {condition}")
    if status.healthy:
        typer.echo("health:         " + ", ".join(f"{name} {word}" for name, word in status.healthy.items()))
    typer.echo(f"{status.processes} processes, {status.memory_mb:.0f} MB")
    if status.running and status.port:
        typer.echo(control.address(settings, status.port))
    raise typer.Exit(0 if status.running else 3)


def demo_command(
    keep: Annotated[bool, typer.Option(help="Leave the site running at the end, to look at it.")] = False,
) -> None:
    """Simulate a night, process it, and compare what comes out with what went in."""
    console = Console(soft_wrap=not sys.stdout.isatty())
    for path in prepare_demo_config(site_folder()):
        console.print(f"wrote {path}", highlight=False)
    os.environ.setdefault("STEREO_SITE", str(site_folder()))
    code = run_demo(load_settings(), keep=keep, console=console)
    if keep and code != 130:
        console.print("The site still runs; stop it with `stereo down`.")
    raise typer.Exit(code)
