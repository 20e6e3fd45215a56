"""``stereo catalog``: the revision of the catalog's tables, backups, and making the tables again."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stereo_tasks.commands.edge import Edge

if TYPE_CHECKING:
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.settings import Settings

catalog_app = typer.Typer(no_args_is_help=True, help="The catalog: upgrade, backup, restore, rebuild.")


@catalog_app.command("upgrade")
def upgrade_command(context: typer.Context) -> None:
    """Bring the tables to the revision that this program needs; every row stays."""
    from stereo_tasks.catalog import schema
    from stereo_tasks.catalog.taking_over import take_over
    from stereo_tasks.settings import load_settings

    settings = load_settings()
    with _catalog(context, settings) as catalog:
        before = schema.revisions(catalog)
        schema.migrate(catalog)
        taken_over = take_over(catalog)
        after = schema.revisions(catalog)
    typer.echo(
        f"the catalog is at revision {after.current}"
        + (", as before" if before.current == after.current else f", it was at {before.current or 'none'}")
    )
    if taken_over:
        typer.echo(f"{taken_over} decisions of people that it lacked were taken over")


@catalog_app.command("downgrade")
def downgrade_command(
    context: typer.Context,
    revision: Annotated[str, typer.Argument(help="Such as 0001, or -1 for the one before.")],
    yes: Annotated[bool, typer.Option("--yes", help="What the older revision does not know may be lost.")] = False,
) -> None:
    """Bring the tables back to an older revision, for an older program. Stop the site before."""
    from stereo_tasks.catalog import schema
    from stereo_tasks.catalog.errors import CatalogError
    from stereo_tasks.settings import load_settings

    if not yes:
        raise CatalogError(
            f"tables and columns that revision {revision} does not know would be lost: "
            "make a backup, stop the site, then say so with --yes"
        )
    with _catalog(context, load_settings()) as catalog:
        before = schema.revisions(catalog)
        schema.downgrade(catalog, revision)
        after = schema.revisions(catalog)
    typer.echo(f"the catalog is at revision {after.current or 'none'}, it was at {before.current or 'none'}")


@catalog_app.command("revision")
def revision_command(
    context: typer.Context,
    message: Annotated[str, typer.Argument(help="What changes, in a few words.")],
) -> None:
    """Write the migration from the tables to the models of this checkout (for developers)."""
    from stereo_tasks.catalog import schema
    from stereo_tasks.settings import load_settings

    with _catalog(context, load_settings()) as catalog:
        path = schema.write_revision(catalog, message)
    typer.echo(f"{path}\nread it, correct it, and test it with rows in every table")


@catalog_app.command("rebuild")
def rebuild_command(context: typer.Context) -> None:
    """Make again what the catalog copies from the stereo log, the output tree, the raw files and people's decisions.

    Who reads it sees the old rows until the new ones are complete; who writes waits.
    """
    from stereo_tasks.catalog import schema
    from stereo_tasks.catalog.rebuild import rebuild
    from stereo_tasks.settings import load_settings

    settings = load_settings()
    begin = time.monotonic()
    with _catalog(context, settings) as catalog:
        schema.migrate(catalog)
        found = rebuild(catalog, settings)
    for number, what in (
        (found.decisions, "decisions that it lacked"), (found.observations, "observations"), (found.plans, "plans"),
        (found.records, "records"), (found.products, "products"), (found.publications, "publications"),
        (found.runs, "runs of telescopes"),
    ):  # fmt: skip
        typer.echo(f"{number:8} {what}")
    typer.echo(f"rebuilt in {time.monotonic() - begin:.1f} s; readiness is brought up to date by the next detection")


@catalog_app.command("backup")
def backup_command(
    context: typer.Context,
    keep: Annotated[
        int | None, typer.Option(min=1, help="Remove the oldest backups but so many; all stay if not given.")
    ] = None,
) -> None:
    """Write a backup of the catalog. Nothing has to stop for it; the DAG back_up_catalog does it every day."""
    from stereo_tasks.catalog.backup import back_up
    from stereo_tasks.settings import load_settings

    settings = load_settings()
    with _catalog(context, settings) as catalog:
        path = back_up(catalog, settings.site.paths.backups, keep=keep)
    typer.echo(f"{path}, {path.stat().st_size / 1e6:.1f} MB")


@catalog_app.command("restore")
def restore_command(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="As `stereo catalog backup` wrote it.")],
    yes: Annotated[
        bool, typer.Option("--yes", help="Replace what is in the catalog; that is backed up first.")
    ] = False,
) -> None:
    """Make the catalog what it was at a backup, with what people decided since. Stop the site before."""
    from stereo_tasks.catalog.backup import restore
    from stereo_tasks.settings import load_settings

    settings = load_settings()
    with _catalog(context, settings) as catalog:
        done = restore(catalog, path, settings.site.paths.backups, yes=yes)
    typer.echo(f"the catalog is that of {path}, with {done.decisions} decisions that people took since")
    if done.before:
        typer.echo(f"what it was before is in {done.before}")
    typer.echo("what was processed since the backup is read in by `stereo catalog rebuild`")


@contextmanager
def _catalog(context: typer.Context, settings: Settings) -> Iterator[Catalog]:
    """Give the catalog; the embedded database is started for it if the site is down."""
    from stereo_tasks.catalog.database import URL_FILE_VARIABLE, URL_VARIABLE, Catalog

    named = os.environ.get(URL_VARIABLE) or os.environ.get(URL_FILE_VARIABLE)
    with nullcontext() if named else Edge.of(context).running_database(settings):
        yield Catalog.of_site(settings)
