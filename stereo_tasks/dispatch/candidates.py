"""What can be processed of a night now, and what keeps the rest: files, people's holds, Monte Carlo, configuration."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stereo_tasks.catalog import holds
from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.holds import WHOLE_NIGHT
from stereo_tasks.catalog.models import HoldRow
from stereo_tasks.inventory import InventoryError, NightFiles, Readiness, readiness, scan_night
from stereo_tasks.inventory.headers import with_header_positions
from stereo_tasks.nights import Night
from stereo_tasks.planning.choices import choose, lacking_models
from stereo_tasks.products.models import Models, find_models
from stereo_tasks.settings import Settings
from stereo_tasks.stereo_log import Observation, Selection


@dataclass(frozen=True, slots=True)
class Candidate:
    """An accepted observation, and whether it can be processed."""

    row: Observation
    readiness: Readiness

    @property
    def source(self) -> str:
        """Name of the source."""
        return self.row.source

    def __str__(self) -> str:
        """Return source and readiness in one line."""
        return f"{self.source}: {self.readiness.reason}"


class LogNights:
    """The rows of the stereo log by night."""

    def __init__(self, selection: Selection) -> None:
        self.accepted: defaultdict[Night, list[Observation]] = defaultdict(list)
        self.rejected: defaultdict[Night, list[tuple[Observation, str]]] = defaultdict(list)
        for row in selection.accepted:
            self.accepted[row.night].append(row)
        for row, reason in selection.rejected:
            self.rejected[row.night].append((row, reason))

    def rows(self, night: Night) -> list[Observation]:
        """Return all rows of a night, accepted or not."""
        return [*self.accepted.get(night, ()), *(row for row, _ in self.rejected.get(night, ()))]


class FileFinder:
    """Lists the files of a night once for all productions that take the same LST-1 files; keeps one night."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._night: Night | None = None
        self._found: dict[tuple[str, str], NightFiles | InventoryError] = {}

    def files(self, night: Night, production: str) -> NightFiles:
        """Return the files of a night.

        Raises
        ------
        InventoryError
            If a folder is there and cannot be listed.
        """
        if night != self._night:
            self._night, self._found = night, {}
        wanted, paths = self._settings.production(production), self._settings.site.paths
        key = wanted.lst_version, wanted.lst_tailcut
        if key not in self._found:
            try:
                self._found[key] = scan_night(
                    night,
                    magic_calibrated=paths.magic_calibrated,
                    lst_dl1=paths.lst_dl1,
                    lst_version=wanted.lst_version,
                    lst_tailcut=wanted.lst_tailcut,
                )
            except InventoryError as error:
                self._found[key] = error
        found = self._found[key]
        if isinstance(found, InventoryError):
            raise found
        return found

    def listed(self, night: Night) -> list[NightFiles]:
        """Return what was found of a night that was just asked for; of several productions, the files of the first."""
        found = self._found.values() if night == self._night else ()
        return [one for one in found if isinstance(one, NightFiles)][:1]


class NightInspector:
    """Inspects nights for one production.

    Parameters
    ----------
    settings : Settings
        The site's.
    production : str
        Name of the production.
    open_holds : iterable of HoldRow
        People's holds of this production that hold now.
    finder : FileFinder, optional
        Shared with other productions.
    """

    def __init__(
        self, settings: Settings, production: str, open_holds: Iterable[HoldRow], finder: FileFinder | None = None
    ) -> None:
        self.production = production
        self.finder = finder or FileFinder(settings)
        self._settings = settings
        self._holds = {(Night(one.night), one.source): one for one in open_holds}
        self._models: dict[tuple[Path, Path], Models] = {}

    def inspect(
        self, night: Night, accepted: Sequence[Observation], rows: Iterable[Observation], now: dt.datetime
    ) -> tuple[Candidate, ...]:
        """Return the state of each accepted observation of a night.

        Parameters
        ----------
        night : Night
            The night.
        accepted : sequence of Observation
            What is processed of it by the policy.
        rows : iterable of Observation
            All rows that the log has for it, which tell whose MAGIC runs are whose.
        now : datetime.datetime
            The time, with its zone.

        Raises
        ------
        InventoryError
            If a folder is there and cannot be listed.
        """
        files, rows = self.finder.files(night, self.production), tuple(rows)
        settings = with_header_positions(self._settings, accepted, files, rows)
        states = []
        for row in accepted:
            others = [one for one in rows if one.source != row.source]
            blocked = self._blocked(night, row.source, settings)
            states.append(
                Candidate(row, readiness(row, files, self._settings.policy, now, others=others, blocked=blocked))
            )
        return tuple(states)

    def held(self, night: Night, source: str) -> str:
        """Return by whom and why a source is held; empty if it is not."""
        one = self._holds.get((night, WHOLE_NIGHT)) or self._holds.get((night, source))
        return _held(one) if one else ""

    def _blocked(self, night: Night, source: str, settings: Settings) -> list[str]:
        """Return what keeps a source back besides its files."""
        held = self.held(night, source)
        production = settings.production(self.production)
        chosen = choose(night, source, settings, production)
        lacking = list(chosen.blockers)
        if tree := chosen.monte_carlo:
            lacking += lacking_models(self._find(tree.forests_folder, tree.irf_folder), production)
        return [*([held] if held else []), *(f"{one.subject}: {one.reason}" for one in lacking)]

    def _find(self, forests: Path, irfs: Path) -> Models:
        key = forests, irfs
        if key not in self._models:
            try:
                self._models[key] = find_models(forests, irfs)
            except OSError as error:
                raise InventoryError(
                    f"{error.filename or forests} cannot be looked at ({error.strerror}): is the file system there?"
                ) from error
        return self._models[key]


def held_sources(catalog: Catalog, night: Night, production: str, *, now: dt.datetime | None = None) -> dict[str, str]:
    """Return the sources of a night that people hold, each with its reason; an empty name stands for all of them."""
    return {one.source: _held(one) for one in holds.open_holds(catalog, production, night=night, now=now)}


def _held(one: HoldRow) -> str:
    until = f" until {_minute(one.until_utc)}" if one.until_utc else ""
    command = f"stereo release {one.night}" + (f" --source {one.source}" if one.source else "")
    return f"held by {one.held_by} since {_minute(one.held_utc)}{until}: {one.reason} ('{command}' ends it)"


def _minute(time: dt.datetime) -> str:
    return f"{time.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
