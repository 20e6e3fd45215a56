"""What can be processed of a night now, and what keeps the rest: files, people's holds, Monte Carlo, configuration."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stereo_tasks.catalog import holds
from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.holds import WHOLE_NIGHT
from stereo_tasks.catalog.models import HoldRow
from stereo_tasks.inventory import InventoryError, NightFiles, Readiness, readiness, scan_night
from stereo_tasks.inventory.headers import with_header_positions
from stereo_tasks.nights import Night
from stereo_tasks.planning.choices import choose
from stereo_tasks.planning.lacking import lacking_models
from stereo_tasks.planning.plan import Blocker, blocks_all
from stereo_tasks.products.models import Models, find_all
from stereo_tasks.products.tree import MonteCarloTree
from stereo_tasks.settings import Settings
from stereo_tasks.settings.production import Production
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
        self._found: dict[tuple[str | tuple[str, ...], str | None], NightFiles | InventoryError] = {}

    def files(self, night: Night, production: Production) -> NightFiles:
        """Return the files of a night that a production takes.

        Raises
        ------
        InventoryError
            If a folder is there and cannot be listed.
        """
        if night != self._night:
            self._night, self._found = night, {}
        paths, key = self._settings.site.paths, (production.lst_version, production.lst_tailcut)
        if key not in self._found:
            try:
                self._found[key] = scan_night(
                    night,
                    magic_calibrated=paths.magic_calibrated,
                    lst_dl1=paths.lst_dl1,
                    lst_version=production.lst_version,
                    lst_tailcut=production.lst_tailcut,
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
        self._models: dict[MonteCarloTree, Models] = {}

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
        states, rows, accepted = [], tuple(rows), tuple(accepted)
        for row in accepted:
            production = self._settings.production(self.production).effective(night, row.source)
            files = self.finder.files(night, production)
            others = [one for one in rows if one.source != row.source]
            settings = with_header_positions(self._settings, [row], files, rows)
            blocked, held = self._blocked(row, production, settings)
            state = readiness(
                row, files, self._settings.policy, now, others=others, blocked=blocked, held=held
            )  # fmt: skip
            states.append(Candidate(row, state))
        return tuple(states)

    def held(self, night: Night, source: str) -> str:
        """Return by whom and why a source is held; empty if it is not."""
        one = self._holds.get((night, WHOLE_NIGHT)) or self._holds.get((night, source))
        return _held(one) if one else ""

    def _blocked(
        self, row: Observation, production: Production, settings: Settings
    ) -> tuple[list[str], dict[int, str]]:
        """Return what keeps a source back besides its files: the whole of it, or single runs."""
        held = self.held(row.night, row.source)
        lacking = self._lacking(row, production, settings)
        texts = [f"{one.subject}: {one.reason}" for one in lacking]
        if held or blocks_all(lacking, row.lst_runs):
            return [*([held] if held else []), *texts], {}
        return [], {run: text for one, text in zip(lacking, texts, strict=True) for run in one.runs}

    def _lacking(self, row: Observation, production: Production, settings: Settings) -> list[Blocker]:
        chosen = choose(row.night, row.source, settings, production, [row])
        models = {level: self._find(tree, production.high_density) for level, tree in chosen.trees.items()}
        return [*chosen.blockers, *lacking_models(models, chosen, production, [row])]

    def _find(self, tree: MonteCarloTree, high_density: bool) -> Models:
        if tree not in self._models:
            try:
                self._models |= find_all({tree: tree}, high_density=high_density)
            except OSError as error:
                place = error.filename or tree.forests_folder
                raise InventoryError(
                    f"{place} cannot be looked at ({error.strerror}): is the file system there?"
                ) from error
        return self._models[tree]


def held_sources(catalog: Catalog, night: Night, production: str, *, now: dt.datetime | None = None) -> dict[str, str]:
    """Return the sources of a night that people hold, each with its reason; an empty name stands for all of them."""
    return {one.source: _held(one) for one in holds.open_holds(catalog, production, night=night, now=now)}


def _held(one: HoldRow) -> str:
    until = f" until {_minute(one.until_utc)}" if one.until_utc else ""
    command = f"stereo release {one.night}" + (f" --source {one.source}" if one.source else "")
    return f"held by {one.held_by} since {_minute(one.held_utc)}{until}: {one.reason} ('{command}' ends it)"


def _minute(time: dt.datetime) -> str:
    return f"{time.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
