"""``stereo hold`` and ``stereo release``: a person keeps a night, or a source of it, from being processed."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import typer

from stereo_tasks.commands.person import ByOption, name_of
from stereo_tasks.errors import StereoError

if TYPE_CHECKING:
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.catalog.models import HoldRow
    from stereo_tasks.nights import Night

NightArgument = Annotated[str, typer.Argument(help="Evening date, such as 2024-01-10.")]
SourceOption = Annotated[str, typer.Option("--source", help="Only this source of the night; else the whole night.")]
ProductionOption = Annotated[str | None, typer.Option(help="Name of the production; the site's default if not given.")]


class HoldError(StereoError):
    """A night cannot be held or released as asked; the text says why."""


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
    from stereo_tasks.catalog import holds
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.nights import Night
    from stereo_tasks.settings import load_settings

    settings, one = load_settings(), Night(night)
    name, end = settings.production(production).name, _until(until)
    if not reason.strip():
        raise HoldError("a hold needs a reason: somebody else will find it")
    catalog = Catalog.of_site(settings)
    _check_source(catalog, one, source)
    if not holds.hold(catalog, one, name, reason, by=name_of(by), source=source, until=end):
        found = [row for row in holds.open_holds(catalog, name, night=one) if row.source == source]
        said = _described(found[0]) if found else "somebody was quicker"
        raise HoldError(f"{_subject(one, source)} of {name} is held already, {said}. Release it first to change that")
    row = next(row for row in holds.open_holds(catalog, name, night=one) if row.source == source)
    typer.echo(f"{_subject(one, source)} of {name} is held, {_described(row)}")
    _say_what_happens(catalog, one, name, row)


def release_command(
    night: NightArgument,
    source: SourceOption = "",
    production: ProductionOption = None,
    by: ByOption = None,
) -> None:
    """Release a night, or a source of it, that a person held."""
    from stereo_tasks.catalog import holds
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.nights import Night
    from stereo_tasks.settings import load_settings

    settings, one = load_settings(), Night(night)
    name = settings.production(production).name
    catalog = Catalog.of_site(settings)
    found = holds.open_holds(catalog, name, night=one)
    mine = [row for row in found if row.source == source]
    if not mine or not holds.release(catalog, one, name, by=name_of(by), source=source):
        raise HoldError(_nothing_to_release(one, source, name, found))
    typer.echo(f"{_subject(one, source)} of {name} is released; it was held, {_described(mine[0])}")
    if others := [row for row in found if row not in mine]:
        left = (f"{row.source or 'the whole night'}, {_described(row)}" for row in others)
        typer.echo("still held: " + "; ".join(left))
    else:
        typer.echo(
            "detect_nights hands it on within half an hour if it is complete and not processed yet; "
            f"to process it now: stereo backfill {one} {one}"
        )


def _until(text: str | None) -> dt.datetime | None:
    if text is None:
        return None
    try:
        end = dt.datetime.fromisoformat(text)
    except ValueError:
        raise HoldError(f"{text!r} is no date: write --until 2024-02-01") from None
    end = end if end.tzinfo else end.replace(tzinfo=dt.UTC)
    if end <= dt.datetime.now(dt.UTC):
        raise HoldError(f"{text} has passed: a hold ends in the future")
    return end


def _check_source(catalog: Catalog, night: Night, source: str) -> None:
    """Refuse a source that the log does not have in this night: a hold on it would hold nothing."""
    from stereo_tasks.catalog.observations import sources_of

    known = sources_of(catalog, night)
    if source and known and source not in known:
        raise HoldError(f"the log has no {source} in the night of {night}; it has {', '.join(known)}")


def _say_what_happens(catalog: Catalog, night: Night, production: str, row: HoldRow) -> None:
    from stereo_tasks.catalog.locks import held_locks

    for lock in held_locks(catalog):
        if (lock.night, lock.production) == (night, production):
            typer.echo(f"{lock.owner} works on the night since {_time(lock.since)} and goes on: stop it in Airflow")
    what = f"{row.source} is left out of the night" if row.source else "the night is not handed on or planned"
    end = f"until {_time(row.until_utc)}" if row.until_utc else "until `stereo release`"
    typer.echo(f"{what} {end}; what is published stays")


def _nothing_to_release(night: Night, source: str, production: str, found: tuple[HoldRow, ...]) -> str:
    text = f"nobody holds {_subject(night, source)} of {production}"
    if not found:
        return text
    options = [f"{f'--source {row.source}' if row.source else 'the whole night'} ({_described(row)})" for row in found]
    return f"{text}; held are: {', '.join(options)}"


def _described(row: HoldRow) -> str:
    until = f" until {_time(row.until_utc)}" if row.until_utc else ""
    return f"by {row.held_by} since {_time(row.held_utc)}{until}: {row.reason}"


def _subject(night: Night, source: str) -> str:
    return f"{source} in the night of {night}" if source else f"the night of {night}"


def _time(time: dt.datetime) -> str:
    return f"{time.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
