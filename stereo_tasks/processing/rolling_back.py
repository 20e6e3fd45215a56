"""Going back to an earlier version of what is published; it stays so until something else is published."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stereo_tasks.catalog import decisions, withdrawals
from stereo_tasks.catalog.database import Catalog
from stereo_tasks.nights import Night
from stereo_tasks.processing.publishing import retention
from stereo_tasks.processing.withdrawing import note_publication
from stereo_tasks.products import versions
from stereo_tasks.products.publication import turn_night
from stereo_tasks.products.season_publication import publish_season
from stereo_tasks.products.versions import MANIFEST, SEASON, VERSIONS, version_name
from stereo_tasks.products.withdrawn import full_version, without
from stereo_tasks.provenance.published import NotPublishedError
from stereo_tasks.settings import Settings


@dataclass(frozen=True, slots=True)
class Back:
    """What a rollback did."""

    link: Path
    """What users read."""
    before: str
    """Version that they read until now."""
    after: str


def rollback(
    catalog: Catalog,
    settings: Settings,
    source: str,
    night: Night | None,
    reason: str,
    *,
    by: str,
    to: str | None = None,
    production: str | None = None,
) -> Back:
    """Let users read an earlier version of a night, with a season to it, or of the season alone.

    What is rolled back is not published again by itself; other content is.

    Parameters
    ----------
    catalog : Catalog
        Where the decision is noted.
    settings : Settings
        Of the site.
    source : str
        The source.
    night : Night or None
        Which night; None: the season. That of the season holds until a night of the source changes.
    reason : str
        Why, for those who read it.
    by : str
        Who.
    to : str, optional
        The version, or how its name begins; by default the one that was made before the current one.
    production : str, optional
        Name of the production; the site's default if not given.

    Raises
    ------
    NotPublishedError
        If there is no such version, or it has runs that were withdrawn since.
    NoReasonError
        If there is no reason.
    """
    reason = decisions.given_reason(reason, "a rollback needs a reason: those who read the data will ask for it")
    name = settings.production(production).name
    root = settings.site.paths.output / name / source
    link = _link(root, night)
    with versions.locked(link.parent):
        withdrawn = withdrawals.withdrawn_runs(settings.site.paths.output / decisions.FOLDER, name, source)
        now, target = full_version(versions.current(link) or link), _target(link, to)
        if night is None:
            _refuse_withdrawn(link, target, withdrawn)
        _decide(catalog, root, link, now, target, by, reason)
        if night is None:
            versions.turn(link, target)
        else:
            turn_night(link, target, withdrawn.get(night, {}))
            publish_season(link.parent, retention(settings))
    if night is not None:
        note_publication(catalog, root, name, night)
    return Back(link, version_name(now), version_name(target))


def _link(root: Path, night: Night | None) -> Path:
    name = SEASON if night is None else night.lst_date
    links = sorted(root.glob(f"DL3/*/published/{name}"), key=lambda link: link.lstat().st_mtime)
    if not links:
        what = "no season" if night is None else f"no night of {night}"
        raise NotPublishedError(f"{what} of {root.name} is published in {root.parent.name}")
    return links[-1]  # with other cuts the tree has another link: the one that was turned last


def _target(link: Path, to: str | None) -> Path:
    """Return the folder of the version to go back to."""
    now = full_version(versions.current(link) or link)
    there = [folder for folder in versions.versions(link) if full_version(folder) == folder]
    others = [folder for folder in there if folder != now]
    if to is not None:
        found = [folder for folder in others if version_name(folder).startswith(to)]
    else:
        found = there[there.index(now) + 1 :][:1] if now in there else []
    if len(found) == 1:
        return found[0]
    names = ", ".join(version_name(folder) for folder in others) or "none"
    wanted = f"version {to}" if to else "version made before the current one"
    raise NotPublishedError(f"there is no one {wanted} of {link.name}; others than the current one are: {names}")


def _refuse_withdrawn(link: Path, target: Path, withdrawn: Mapping[Night, Mapping[int, str]]) -> None:
    """Refuse a version of a season that lists what was withdrawn since."""
    story: dict[str, Any] = json.loads((target / MANIFEST).read_text())
    for night, runs in withdrawn.items():
        folder = link.parent / VERSIONS / str(story["nights"].get(night.lst_date, ""))
        if runs and (full_version(folder) / MANIFEST).exists() and without(full_version(folder), runs) != folder:
            reasons = "; ".join(sorted(set(runs.values())))
            raise NotPublishedError(f"{target.name} lists runs of {night} that were withdrawn since: {reasons}")


def _decide(catalog: Catalog, root: Path, link: Path, now: Path, target: Path, by: str, reason: str) -> None:
    """Note the decision, in the files of decisions and beside the versions."""
    values = {
        "production": root.parent.name, "source": root.name, "what": link.name, "before": version_name(now),
        "after": version_name(target), "reason": reason, "by": by,
    }  # fmt: skip
    catalog.note_decision("rollback", dt.datetime.now(dt.UTC), values)
    versions.note_rollback(now, target, by, reason)
    versions.lift_rollback(target)
