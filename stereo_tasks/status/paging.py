"""A long range of nights page by page: what a page costs does not depend on how long the range is."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.known_nights import newest_known_nights
from stereo_tasks.nights import Night
from stereo_tasks.settings import Settings
from stereo_tasks.status.collecting import StatusTable, status_table
from stereo_tasks.status.state import NightState, SourceStatus

NIGHTS_A_PAGE = 50
_MOST_LOOKED_AT = 120
"""Nights among which those of a state are looked for: what has only few of them ends before it is full."""


@dataclass(frozen=True, slots=True)
class StatusPage:
    """The newest nights of a range."""

    table: StatusTable
    older: Night | None
    """The night with which the next page begins; None: this is the last one."""


def status_page(
    catalog: Catalog,
    first: Night,
    last: Night,
    *,
    settings: Settings,
    production: str | None = None,
    source: str | None = None,
    state: NightState | None = None,
    now: dt.datetime | None = None,
) -> StatusPage:
    """Return the states of the newest nights of a range of which anything is known.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    first, last : Night
        The range, both included; of the next page `last` is `StatusPage.older`.
    settings : Settings
        Configuration of the site.
    production : str, optional
        Name of the production; the default one by default.
    source : str, optional
        Only this source.
    state : NightState, optional
        Only this state.
    now : datetime.datetime, optional
        The time, with its zone.

    Raises
    ------
    CatalogError
        If the catalog cannot be used.
    SettingsError
        If there is no such production.
    """
    now = now or dt.datetime.now(dt.UTC)
    name = settings.production(production).name
    known = newest_known_nights(catalog, name, first, last, number=_MOST_LOOKED_AT + 1, source=source)
    found: list[SourceStatus] = []
    looked_at = 0
    for end in (NIGHTS_A_PAGE, _MOST_LOOKED_AT):
        table = status_table(
            catalog, first, last, settings=settings, production=name, sources=[source] if source else (),
            states=[state] if state else (), only=known[looked_at:end], now=now,
        )  # fmt: skip
        found += table.sources
        looked_at = min(end, len(known))
        if state is None or looked_at == len(known) or len({status.night for status in found}) >= NIGHTS_A_PAGE:
            break
    nights = sorted({status.night for status in found}, reverse=True)
    shown = set(nights[:NIGHTS_A_PAGE])
    older = next(iter([*nights[NIGHTS_A_PAGE:], *known[looked_at:]]), None)
    kept = sorted(
        (status for status in found if status.night in shown), key=lambda status: (status.night, status.source)
    )
    return StatusPage(replace(table, sources=tuple(kept)), older)
