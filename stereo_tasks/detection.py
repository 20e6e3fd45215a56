"""Finding the nights that can be processed: log, policy, files, and what was emitted before."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from stereo_tasks.catalog import holds, requests
from stereo_tasks.catalog.ledger import write_ledger
from stereo_tasks.catalog.observations import update_observations
from stereo_tasks.catalog.session import engine as catalog_engine
from stereo_tasks.inventory import (
    InventoryError,
    NightFiles,
    Readiness,
    night_is_old,
    night_over,
    readiness,
    scan_night,
)
from stereo_tasks.nights import Night
from stereo_tasks.settings import Settings, load_settings
from stereo_tasks.stereo_log import Observation, read_log, select

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReadyNight:
    """A night that can be processed and was not emitted with this content."""

    night: Night
    signature: str
    """SHA-256 of the accepted rows of the log and of the night's files."""
    reason: str
    """What is there, and what is missing if the night is partial."""


def detect_ready_nights(
    now: dt.datetime | None = None,
    *,
    production: str | None = None,
    settings: Settings | None = None,
    engine: Engine | None = None,
) -> list[ReadyNight]:
    """Return the nights of the last ``look_back_days`` that are ready and new, the oldest first.

    A night is new as long as nobody called `mark_emitted` with this content, so that a crash between the two loses
    nothing. The catalog's observations and readiness ledger are brought up to date on the way.

    Parameters
    ----------
    now : datetime.datetime, optional
        The time, with its zone.
    production : str, optional
        Name of the production, which says the version of the LST-1 files; the default one by default.
    settings : Settings, optional
        The site's by default.
    engine : sqlalchemy.Engine, optional
        Of the catalog.

    Raises
    ------
    StereoLogError
        If the log as a whole cannot be read.
    CatalogError
        If the catalog cannot be used.
    """
    now = now or dt.datetime.now(dt.UTC)
    settings = settings or load_settings()
    engine = engine or catalog_engine(settings)
    name = settings.production(production).name

    log = read_log(settings.site.paths.stereo_log)
    for problem in log.problems:
        _log.warning("stereo log, %s", problem)
    selection = select(log.observations, settings.policy)
    update_observations(selection, engine=engine)

    held = {one.night for one in holds.open_holds(name, engine=engine) if one.source == holds.WHOLE_NIGHT}
    nights = _recent(selection.accepted, settings, now)
    emitted = requests.emitted(nights, name, engine=engine)
    found: list[ReadyNight] = []
    ledger: list[tuple[Night, str, Readiness]] = []
    for night, rows in nights.items():
        try:
            files = _files(night, name, settings)
        except InventoryError as error:
            _log.error("%s is left for the next time: %s", night, error)
            continue
        states = [(row, readiness(row, files, settings.policy, now)) for row in rows]
        ledger += [(night, row.source, state) for row, state in states]
        signature = _signature(rows, files)
        if night.evening in held or (night, signature) in emitted or not _complete(night, states, settings, now):
            continue
        found.append(ReadyNight(night, signature, _reason(states)))
    write_ledger(ledger, name, engine=engine)
    return found


def mark_emitted(
    nights: ReadyNight | Iterable[ReadyNight],
    *,
    production: str | None = None,
    settings: Settings | None = None,
    engine: Engine | None = None,
) -> None:
    """Remember that nights were handed on, so that they are not found again with the same content.

    Parameters
    ----------
    nights : ReadyNight or iterable of ReadyNight
        As `detect_ready_nights` returned them.
    production, settings, engine
        The same as for `detect_ready_nights`.
    """
    settings = settings or load_settings()
    engine = engine or catalog_engine(settings)
    name = settings.production(production).name
    for one in (nights,) if isinstance(nights, ReadyNight) else nights:
        requests.remember(one.night, name, one.signature, one.reason, engine=engine)


def _recent(
    accepted: Iterable[Observation], settings: Settings, now: dt.datetime
) -> dict[Night, tuple[Observation, ...]]:
    """Return the accepted rows of nights that are over and not too long ago, in order of the nights."""
    oldest = now.astimezone(dt.UTC).date() - dt.timedelta(days=settings.policy.look_back_days)
    rows: defaultdict[Night, list[Observation]] = defaultdict(list)
    for row in accepted:
        if row.night.evening >= oldest and night_over(row.night, now):
            rows[row.night].append(row)
    return {night: tuple(rows[night]) for night in sorted(rows)}


def _files(night: Night, production: str, settings: Settings) -> NightFiles:
    paths, wanted = settings.site.paths, settings.production(production)
    return scan_night(
        night,
        magic_calibrated=paths.magic_calibrated,
        lst_dl1=paths.lst_dl1,
        lst_version=wanted.lst_version,
        lst_tailcut=wanted.lst_tailcut,
    )


def _signature(rows: Sequence[Observation], files: NightFiles) -> str:
    parts = [*sorted(row.checksum for row in rows), files.signature]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _complete(
    night: Night, states: Sequence[tuple[Observation, Readiness]], settings: Settings, now: dt.datetime
) -> bool:
    """Return whether a night goes out: with all its sources, or when it is old with those that can be processed."""
    if all(state.ready for _, state in states):
        return True
    return (
        night_is_old(night, settings.policy, now)
        and any(state.ready for _, state in states)
        and all(state.settled for _, state in states)
    )


def _reason(states: Sequence[tuple[Observation, Readiness]]) -> str:
    return " | ".join(f"{row.source}: {state.reason}" for row, state in states)
