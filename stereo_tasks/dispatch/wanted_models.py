"""Forests and IRFs that nights wait for and that can be made: what `prepare_mc` is asked for."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stereo_tasks.catalog import requests
from stereo_tasks.catalog.database import Catalog
from stereo_tasks.dispatch.candidates import FileFinder, LogNights
from stereo_tasks.inventory import InventoryError
from stereo_tasks.inventory.headers import with_header_positions
from stereo_tasks.nights import Night
from stereo_tasks.planning.choices import choose
from stereo_tasks.products.models import SAMPLES, find_all, variant
from stereo_tasks.products.tree import MonteCarloTree
from stereo_tasks.settings import Settings
from stereo_tasks.settings.production import Production
from stereo_tasks.settings.sources import find_source
from stereo_tasks.stereo_log import read_site_log, select

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WantedModels:
    """A set of forests and IRFs that lacks, though there is Monte Carlo to make it of."""

    production: str
    key: str
    """Period, NSB level, version and declination line, see `MonteCarloTree.key`."""
    mark: str
    """Of what they are made: Monte Carlo, cuts, event type, weights. What was asked for once is asked for again only
    when one of these has changed."""

    @property
    def run_id(self) -> str:
        """Name of the run of `prepare_mc`: Airflow has each name once, so that the same is made once."""
        return f"wanted__{self.production}__{self.key.replace('/', '.')}__{self.mark}"

    @property
    def conf(self) -> dict[str, object]:
        """Parameters of the run."""
        return {"production": self.production, "only": [self.key]}


def wanted_models(catalog: Catalog, settings: Settings, now: dt.datetime | None = None) -> list[WantedModels]:
    """Return what the nights of the last ``look_back_days`` lack, and those that people asked for.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    settings : Settings
        The site's.
    now : datetime.datetime, optional
        The time, with its zone.

    Raises
    ------
    StereoLogError
        If the log cannot be read.
    """
    now = now or dt.datetime.now(dt.UTC)
    oldest = now.astimezone(dt.UTC).date() - dt.timedelta(days=settings.policy.look_back_days)
    nights = LogNights(select(read_site_log(settings).observations, settings.policy))
    wanted: list[WantedModels] = []
    finder = FileFinder(settings)
    for name in settings.policy.detect_productions or (settings.production().name,):
        asked = {Night(one.night) for one in requests.waiting_requests(catalog, name)}
        due = [night for night in sorted(nights.accepted) if night.evening >= oldest or night in asked]
        production = settings.production(name)
        trees = dict(pair for night in due for pair in _trees(night, nights, finder, settings, production))
        for tree, models in find_all({tree: tree for tree in trees}).items():
            if models.can_be_made:
                wanted.append(WantedModels(name, tree.key, _mark(tree, trees[tree])))
    return wanted


def _trees(
    night: Night, nights: LogNights, finder: FileFinder, settings: Settings, production: Production
) -> Iterator[tuple[MonteCarloTree, Production]]:
    """Yield where the Monte Carlo of a night lies, with the production as it is for it."""
    for row in nights.accepted[night]:
        effective, known = production.effective(night, row.source), settings
        if effective.position is None and find_source(settings.sources, row.source) is None:
            try:
                files = finder.files(night, effective)
            except InventoryError as error:
                _log.error("%s is left for the next time: %s", night, error)
                continue
            known = with_header_positions(settings, [row], files, nights.rows(night))
        for tree in choose(night, row.source, known, effective, [row]).trees.values():
            yield variant(tree, high_density=effective.high_density), effective


def _mark(tree: MonteCarloTree, production: Production) -> str:
    files = [path for sample in SAMPLES for path in sorted(tree.dl1_folder(sample).glob("dl1_*.h5"))]
    content = [production.mcp_version, production.mcp, [_stamp(path) for path in files]]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _stamp(path: Path) -> tuple[str, int, int]:
    status = path.stat()
    return path.name, status.st_size, status.st_mtime_ns
