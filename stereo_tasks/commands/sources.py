"""``stereo sources``: where the sources of the log are, and how that is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stereo_tasks.settings import Settings
    from stereo_tasks.settings.sources import SourcePosition

app = typer.Typer(help="Where the sources of the log are, and how that is known.", no_args_is_help=True)

_SERVER_TIMEOUT_S = 20


@app.command("list")
def list_command() -> None:
    """Print all sources with position (ICRS, deg), origin and aliases, and those of the log that have none."""
    from stereo_tasks.settings import load_settings

    settings = load_settings()
    for name, position in settings.sources.items():
        aliases = f"  ({', '.join(position.aliases)})" if position.aliases else ""
        typer.echo(f"{name:18} {position.ra_deg:9.4f} {position.dec_deg:+9.4f}  {position.origin}{aliases}")
    for name in _unknown(settings):
        typer.echo(f"{name:18} {'-':>9} {'-':>9}  in the headers of its MAGIC files")


@app.command("resolve")
def resolve_command(
    name: Annotated[str, typer.Argument(help="The source, as the log writes it.")],
    ask: Annotated[str | None, typer.Option("--ask", help="How the name server calls it, if not the same.")] = None,
) -> None:
    """Ask a name server where a source is, and write the answer to the site's config/sources.yaml."""
    from stereo_tasks.settings import load_settings
    from stereo_tasks.settings.sources import find_source

    settings = load_settings()
    if found := find_source(settings.sources, name):
        known, position = found
        alias = "" if known == name else f" ({known})"
        typer.echo(f"{name}{alias} is known: {position.ra_deg:.4f} {position.dec_deg:+.4f} deg, {position.origin}")
        return
    position = resolved(ask or name)
    path = settings.site.root / "config" / "sources.yaml"
    add_source(path, name, position)
    typer.echo(f"{name}: {position.ra_deg:.4f} {position.dec_deg:+.4f} deg, {position.origin}; written to {path}")


def resolved(name: str) -> SourcePosition:
    """Ask the name server (CDS Sesame: SIMBAD, NED, VizieR) where a source is.

    Raises
    ------
    SourceError
        If there is no network, or nobody knows the name.
    """
    import datetime as dt

    from astropy.coordinates import SkyCoord
    from astropy.coordinates.name_resolve import NameResolveError
    from astropy.utils.data import conf

    from stereo_tasks.settings.sources import SourceError, SourcePosition

    try:
        with conf.set_temp("remote_timeout", _SERVER_TIMEOUT_S):
            place = SkyCoord.from_name(name).icrs
    except NameResolveError as error:
        raise SourceError(
            f"no name server told where {name} is ({error}): try where there is a network, try another spelling with "
            "--ask, or write the position into config/sources.yaml"
        ) from None
    return SourcePosition(
        ra_deg=round(float(place.ra.deg), 5),
        dec_deg=round(float(place.dec.deg), 5),
        origin=f"Sesame name server, asked for {name} on {dt.datetime.now(dt.UTC):%Y-%m-%d}",
    )


def add_source(path: Path, name: str, position: SourcePosition) -> None:
    """Add a position to a site's table. What stands there already stays as it is, with its comments.

    Parameters
    ----------
    path : pathlib.Path
        The site's ``config/sources.yaml``; made if it is not there.
    name : str
        Name of the source.
    position : SourcePosition
        Where it is, and who said so.

    Raises
    ------
    SourceError
        If the file is not a table of sources that a line can be added to.
    """
    import yaml

    from stereo_tasks.products.files import write_atomically
    from stereo_tasks.settings.sources import SourceError

    before = path.read_text() if path.exists() else ""
    # JSON is YAML: names and texts are quoted as they need to be.
    values = json.dumps(position.model_dump(exclude_defaults=True), ensure_ascii=False)
    after = before + "\n" * (bool(before) and not before.endswith("\n")) + f"{json.dumps(name)}: {values}\n"
    try:
        known = yaml.safe_load(before) or {}
        if name in known or yaml.safe_load(after) != {**known, name: json.loads(values)}:
            raise TypeError
    except (yaml.YAMLError, TypeError):
        raise SourceError(f"{path} is no table of sources that a line can be added to: correct it first") from None
    write_atomically(path, after)


def _unknown(settings: Settings) -> list[str]:
    """Return the sources of the log that the table does not have; none where there is no log."""
    from stereo_tasks.settings.sources import find_source
    from stereo_tasks.stereo_log import StereoLogError, read_site_log

    try:
        log = read_site_log(settings)
    except StereoLogError:
        return []
    names = {row.source for row in log.observations}
    return sorted(name for name in names if find_source(settings.sources, name) is None)
