"""Overruling the verdict of a run: the decision, and the published index that follows it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stereo_tasks.catalog import overrules, publications
from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.models import Overrule
from stereo_tasks.catalog.records import read_night
from stereo_tasks.catalog.run_verdicts import find_run
from stereo_tasks.errors import StereoError
from stereo_tasks.gadf.format import QUALITY
from stereo_tasks.nights import Night
from stereo_tasks.planning.plan import Plan
from stereo_tasks.processing.publishing import publish, published_folder
from stereo_tasks.settings import Settings

_log = logging.getLogger(__name__)


class NotFollowedError(StereoError):
    """What is published does not say what a person decided."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What a decision on a run came to."""

    run: Any
    """The verdict of QA, with production, night, source and run."""
    overrule: Overrule
    """Open, or just lifted."""
    published: tuple[Path, ...]
    """Folders that users read, whose index says it now."""
    problem: str
    """Why a published index does not say it yet, and what to do; empty: it does, or nothing is published."""


def overrule(
    catalog: Catalog, settings: Settings, production: str, run: str, level: str, reason: str, *, by: str
) -> Followed:
    """Overrule the verdict of a run; what is published of it follows at once.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    settings : Settings
        Of the site.
    production : str
        Name of the production.
    run : str
        Number of the LST-1 run, or ``NIGHT/SOURCE/RUN``.
    level : str
        ``good``, ``warning`` or ``bad``.
    reason : str
        Why, for the person who finds it.
    by : str
        Who.

    Raises
    ------
    UnknownRunError
        If QA has no verdict of the run, or there are several.
    OverruleError
        If the run is overruled already, or level or reason are none. Nothing is changed then.
    DecisionError
        If the file of decisions cannot be written. Nothing is changed then.
    """
    found = find_run(catalog, production, run)
    return _follow(catalog, settings, found, overrules.overrule(catalog, found, level, reason, by=by))


def lift(catalog: Catalog, settings: Settings, production: str, run: str, reason: str = "", *, by: str) -> Followed:
    """Lift the overrule of a run; what is published of it follows at once.

    Parameters and errors are those of `overrule`; the reason may be left out.
    """
    found = find_run(catalog, production, run)
    return _follow(catalog, settings, found, overrules.lift(catalog, found, reason, by=by))


def _follow(catalog: Catalog, settings: Settings, run: Any, decided: Overrule) -> Followed:
    night, folders = Night(run.night), []
    level = decided.level if decided.lifted_utc is None else run.level
    for row in publications.published(catalog, run.production, first=night, last=night, source=run.source):
        try:
            plan = Plan.load(row.plan)
            before = published_folder(plan).readlink()
            folder = publish(plan, settings)
            if folder is None:
                raise NotFollowedError("its products are not what they were when it was published")
            read_night(catalog, plan)
            if folder.readlink() != before:
                folders.append(folder)
            _check(folder, run.run, level)
        except (StereoError, OSError, ValueError, KeyError) as error:  # the decision stands, whatever becomes of it
            _log.warning("%s of %s is not published anew: %s", run.source, night, error)
            problem = f"{error}. It follows when the night is processed again: stereo backfill {night} {night}"
            return Followed(run, decided, tuple(folders), problem)
    return Followed(run, decided, tuple(folders), "")


def _check(folder: Path, run: int, level: str) -> None:
    """See what users read of a run, if it is there for them at all."""
    from astropy.table import Table

    from stereo_tasks.gadf.check import OBS_INDEX

    index = Table.read(folder / OBS_INDEX)
    said = [int(row["QUALITY"]) for row in index if row["OBS_ID"] == run]
    if any(quality != QUALITY[level] for quality in said):
        raise NotFollowedError(f"{folder} stays as it is, with QUALITY {said[0]} of the run")
