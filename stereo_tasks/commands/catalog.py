"""``stereo catalog``: the revision of the catalog's tables, and making them again."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from stereo_tasks.commands.edge import Edge

if TYPE_CHECKING:
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.settings import Settings

catalog_app = typer.Typer(no_args_is_help=True, help="The catalog's tables: upgrade, downgrade, rebuild.")


@catalog_app.command("upgrade")
def upgrade_command(context: typer.Context) -> None:
    """Bring the tables to the revision that this program needs; every row stays."""
    from stereo_tasks.catalog import schema
    from stereo_tasks.catalog.rebuild import complete_journal
    from stereo_tasks.settings import load_settings

    settings = load_settings()
    with _catalog(context, settings) as catalog:
        before = schema.revisions(catalog)
        schema.migrate(catalog)
        saved = complete_journal(catalog, settings)
        after = schema.revisions(catalog)
    typer.echo(
        f"the catalog is at revision {after.current}"
        + (", as before" if before.current == after.current else f", it was at {before.current or 'none'}")
    )
    if saved:
        typer.echo(f"{saved} rows that were in no journal are in it now")


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
            f"tables and columns that revision {revision} does not know would be lost (the journal keeps what people "
            "decided): stop the site, then say so with --yes"
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
    """Make the catalog again from the journal, the stereo log, the output tree and the raw files.

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
        (found.entries, "entries of the journal"), (found.observations, "observations"), (found.plans, "plans"),
        (found.records, "records"), (found.products, "products"), (found.publications, "publications"),
        (found.runs, "runs of telescopes"),
    ):  # fmt: skip
        typer.echo(f"{number:8} {what}")
    if found.saved:
        typer.echo(f"{found.saved:8} rows that were in no journal are in it now")
    typer.echo(f"rebuilt in {time.monotonic() - begin:.1f} s; readiness is brought up to date by the next detection")


@contextmanager
def _catalog(context: typer.Context, settings: Settings) -> Iterator[Catalog]:
    """Give the catalog; the embedded database is started for it if the site is down."""
    from stereo_tasks.catalog.database import URL_FILE_VARIABLE, URL_VARIABLE, Catalog

    named = os.environ.get(URL_VARIABLE) or os.environ.get(URL_FILE_VARIABLE)
    with nullcontext() if named else Edge.of(context).running_database(settings):
        yield Catalog.of_site(settings)
