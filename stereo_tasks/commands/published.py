"""``stereo published``, ``rollback`` and ``withdraw``: versions of what users read, and what they should not."""

from __future__ import annotations

import datetime as dt
import getpass
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

console = Console(width=None if sys.stdout.isatty() else 250)
_SHOWN = 20

ProductionOption = Annotated[str | None, typer.Option(help="Name of the production; the site's default if not given.")]
ByOption = Annotated[str | None, typer.Option("--by", help="Who does it; your user name if not given.")]


def published_command(
    source: Annotated[str, typer.Argument(help="The source, as in the stereo log.")],
    night: Annotated[str | None, typer.Option(help="Only this night: its evening date, or 'season'.")] = None,
    production: ProductionOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list of objects, one a version.")] = False,
    renew: Annotated[bool, typer.Option("--renew", help="Bring the season up to date with the nights first.")] = False,
) -> None:
    """List what is published of a source: the versions of the season and of each night, the newest first."""
    from stereo_tasks.processing.publishing import retention
    from stereo_tasks.products import versions
    from stereo_tasks.products.season_publication import publish_season
    from stereo_tasks.settings import load_settings

    settings = load_settings()
    root = settings.site.paths.output / settings.production(production).name / source
    folders = sorted(root.glob("DL3/*/published"))
    for folder in folders if renew else ():
        with versions.locked(folder):
            publish_season(folder, retention(settings))
    name = _name(night) if night else None
    found = [
        one
        for folder in folders
        for link in sorted(folder.iterdir(), reverse=True)
        if link.is_symlink() and not link.name.startswith(".") and name in (None, link.name)
        for one in _versions(link)
    ]
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    if not found:
        console.print(f"nothing of {source} is published")
        return
    table = Table("what", "version", "made (UTC)", "", "runs", "QA", "remarks", box=None, pad_edge=False)
    for one in found:
        now = "current" if one["current"] else ""
        table.add_row(
            one["what"], one["version"], one["made_utc"], now, str(one["runs"]), one["qa"], "; ".join(one["remarks"])
        )
    console.print(table)


def rollback_command(
    source: Annotated[str, typer.Argument(help="The source, as in the stereo log.")],
    what: Annotated[str, typer.Argument(metavar="NIGHT|season", help="Evening date, such as 2024-01-10; or 'season'.")],
    reason: Annotated[str, typer.Option(help="Why: those who read the data will ask.")],
    to: Annotated[
        str | None, typer.Option(help="The version; by default the one that was made before the current one.")
    ] = None,
    production: ProductionOption = None,
    by: ByOption = None,
) -> None:
    """Go back to an earlier version of a night, and of the season with it, or of the season alone.

    What was rolled back is not published again by itself; other content is. A season stays so until a night changes.
    """
    from stereo_tasks.airflow_api.announcing import announce_published
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.nights import Night
    from stereo_tasks.processing.rolling_back import rollback
    from stereo_tasks.products.versions import SEASON
    from stereo_tasks.settings import load_settings

    settings, night = load_settings(), None if what == SEASON else Night(what)
    done = rollback(
        Catalog.of_site(settings), settings, source, night, reason, by=by or _user(), to=to, production=production
    )
    typer.echo(f"{done.link} was version {done.before}, and is {done.after} now")
    if night is not None:
        typer.echo(f"{done.link.parent / SEASON} lists that version of the night")
        for line in announce_published(settings, night, source, production, done.link):
            typer.echo(line)


def withdraw_command(
    what: Annotated[str, typer.Argument(metavar="NIGHT|RUN", help="Evening date, or run of LST-1 (OBS_ID).")],
    reason: Annotated[str, typer.Option(help="Why: those who used the data will ask.")],
    source: Annotated[str | None, typer.Option("--source", help="Only this source of the night.")] = None,
    lifts: Annotated[bool, typer.Option("--lift", help="It can be used again.")] = False,
    production: ProductionOption = None,
    by: ByOption = None,
) -> None:
    """Withdraw a run, or a night, from what is published: from the night and from the season of its source.

    It does not come back when the night is published again. What was made of it is named, and stays as it is.
    """
    from stereo_tasks.airflow_api.announcing import announce_published
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.nights import Night
    from stereo_tasks.processing.withdrawing import withdraw
    from stereo_tasks.settings import load_settings

    settings = load_settings()
    meant = int(what) if what.isdigit() and len(what) < len("20240110") else Night(what)
    found = withdraw(
        Catalog.of_site(settings), settings, meant, reason, by=by or _user(), source=source, production=production,
        lifts=lifts,
    )  # fmt: skip
    for one in found:
        typer.echo(one.said(lifts=lifts))
        _say_derived(one.derived, one.source)
        for line in announce_published(settings, one.night, one.source, production, one.links[-1]):
            typer.echo(line)


def _say_derived(derived: tuple[str, ...], source: str) -> None:
    if not derived:
        return
    typer.echo(f"made of it, {len(derived)} files, which stay as they are until they are made again:")
    for path in derived[:_SHOWN]:
        typer.echo(f"  {path}")
    if len(derived) > _SHOWN:
        typer.echo(f"  and {len(derived) - _SHOWN} more")
    if any("/datasets/" in path for path in derived):
        typer.echo(f"to make the data sets again: stereo dataset build {source}")


def _versions(link: Path) -> list[dict[str, Any]]:
    from stereo_tasks.products import versions

    found = []
    for folder in versions.versions(link):
        story = json.loads((folder / versions.MANIFEST).read_text())
        made = dt.datetime.fromtimestamp((folder / versions.MANIFEST).stat().st_mtime, tz=dt.UTC)
        remarks = [f"withdrawn, run {run}: {reason}" for run, reason in story.get("withdrawn", {}).items()]
        remarks += [f"left out, {name}: {reason}" for name, reason in story.get("left_out", {}).items()]
        if note := versions.rolled_back(folder):
            remarks.append(f"rolled back by {note.by}, {note.at_utc[:16]} UTC: {note.reason}")
        nights = story.get("nights")
        found.append({
            "what": link.name, "version": versions.version_name(folder), "made_utc": f"{made:%Y-%m-%d %H:%M:%S}",
            "current": versions.current(link) == folder, "qa": story.get("qa", ""),
            "runs": f"{len(nights)} nights" if nights is not None else len(story.get("runs", {})),
            "remarks": remarks, "folder": str(folder),
        })  # fmt: skip
    return found


def _name(night: str) -> str:
    from stereo_tasks.nights import Night
    from stereo_tasks.products.versions import SEASON

    return night if night == SEASON else Night(night).lst_date


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        raise typer.BadParameter("this user has no name: say who you are with --by NAME") from None
