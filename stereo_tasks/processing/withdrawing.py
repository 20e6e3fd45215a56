"""Withdrawing what is published: a run, or a night of a source, out of the published night and the season."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stereo_tasks.catalog import decisions, publications, tree, withdrawals
from stereo_tasks.catalog.database import Catalog
from stereo_tasks.nights import Night
from stereo_tasks.processing.publishing import retention
from stereo_tasks.products import versions
from stereo_tasks.products.publication import turn_night
from stereo_tasks.products.season_publication import publish_season
from stereo_tasks.products.versions import MANIFEST, SEASON
from stereo_tasks.products.withdrawn import WHOLE_NIGHT, full_version
from stereo_tasks.provenance.derived import derived_from
from stereo_tasks.provenance.published import NotPublishedError
from stereo_tasks.settings import Settings


@dataclass(frozen=True, slots=True)
class Changed:
    """What a withdrawal, or the end of one, did to a source."""

    night: Night
    source: str
    run: int
    """0: all of the night."""
    new: bool
    """False if it was decided before."""
    links: tuple[Path, ...]
    """Of the night, for each set of cuts: what users read."""
    derived: tuple[str, ...]
    """Files that were made of it, and stay as they are until they are made again."""

    def said(self, *, lifts: bool) -> str:
        """Say what was done."""
        subject = f"{f'run {self.run}' if self.run else 'all'} of {self.source}, night of {self.night}"
        if lifts:
            state = "is published again" if self.new else "was not withdrawn"
        else:
            state = "is withdrawn" if self.new else "was withdrawn before"
        return f"{subject}, {state}: {', '.join(map(str, self.links))}"


def withdraw(
    catalog: Catalog,
    settings: Settings,
    what: Night | int,
    reason: str,
    *,
    by: str,
    source: str | None = None,
    production: str | None = None,
    lifts: bool = False,
) -> tuple[Changed, ...]:
    """Withdraw a run or night, or lift a withdrawal; whoever reads it now goes on undisturbed.

    Parameters
    ----------
    catalog : Catalog
        Where the decision is noted.
    settings : Settings
        Of the site.
    what : Night or int
        A night, or a run of LST-1, which is the ``OBS_ID`` of the DL3.
    reason : str
        Why, for those who used it.
    by : str
        Who.
    source : str, optional
        Of the night; all that are published by default.
    production : str, optional
        Name of the production; the site's default if not given.
    lifts : bool, optional
        Lift the withdrawal instead.

    Returns
    -------
    tuple of Changed
        For each source.

    Raises
    ------
    NotPublishedError
        If nothing like it is published.
    NoReasonError
        If there is no reason.
    """
    name = settings.production(production).name
    folder = settings.site.paths.output / name
    subjects = list(_subjects(folder, what, source))
    if not subjects:
        subject = f"the night of {what}" if isinstance(what, Night) else f"run {what}"
        of = f" of {source}" if source else ""
        raise NotPublishedError(f"{subject}{of} is not published in {name}; to keep it from that: stereo hold")
    changed = []
    for night, one, run in subjects:
        decide = withdrawals.lift if lifts else withdrawals.withdraw
        new = decide(catalog, night, one, name, reason, by=by, run=run)
        links = tuple(sorted((folder / one).glob(f"DL3/*/published/{night.lst_date}")))
        for link in links:
            renew(settings, link, name)
        note_publication(catalog, folder / one, name, night)
        derived = tuple(_derived(folder / one, night, run, links))
        changed.append(Changed(night, one, run, new, links, derived))
    return tuple(changed)


def renew(settings: Settings, link: Path, production: str) -> None:
    """Turn the link of a night to what is not withdrawn of its version, and bring the season up to date."""
    folder = settings.site.paths.output / decisions.FOLDER
    with versions.locked(link.parent):
        withdrawn = withdrawals.withdrawn_runs(folder, production, link.parents[3].name)
        now = versions.current(link)
        if now is not None:
            turn_night(link, full_version(now), withdrawn.get(Night(link.name), {}))
        publish_season(link.parent, retention(settings))


def note_publication(catalog: Catalog, root: Path, production: str, night: Night) -> None:
    """Let the catalog know what users read of a night and source now."""
    with catalog.transaction(writes=True) as session:
        publications.write(session, tree.publication_values(root, production, night, root.name))


def _subjects(folder: Path, what: Night | int, source: str | None) -> Iterator[tuple[Night, str, int]]:
    """Yield night, source and run of what is meant."""
    if isinstance(what, Night):
        links = folder.glob(f"{source or '*'}/DL3/*/published/{what.lst_date}")
        yield from ((what, one, WHOLE_NIGHT) for one in sorted({link.parents[3].name for link in links}))
        return
    found = {
        (Night(link.name), link.parents[3].name, what)
        for link in folder.glob(f"{source or '*'}/DL3/*/published/????????")
        if link.name.isdigit() and what in _runs(link)
    }
    yield from sorted(found)


def _runs(link: Path) -> set[int]:
    """Return the runs of a published night, with those that are withdrawn."""
    try:
        story: dict[str, Any] = json.loads((link / MANIFEST).read_text())
    except (OSError, ValueError):
        return set()
    return {int(name.rpartition("/")[2]) for name in story.get("runs", {})} | set(map(int, story.get("withdrawn", {})))


def _derived(root: Path, night: Night, run: int, links: tuple[Path, ...]) -> Iterator[str]:
    """Yield the files that were made of a run, or of a night: of its products, or of what was published with it."""
    date = night.lst_date
    number = rf"Run{run:05d}\." if run else ""
    of_night = re.compile(rf"{re.escape(str(root))}/(DL1Coincident|DL2|DL3/[^/]+)/{date}/.*{number}")
    published = [str(link.parent) for link in links]
    prefixes = tuple(f"{folder}/{part}" for folder in published for part in (date, f"{versions.VERSIONS}/{date}."))
    seasons = tuple(f"{folder}/{part}" for folder in published for part in (SEASON, versions.SEASONS))

    def is_meant(path: str) -> bool:
        if path.startswith(seasons):
            return f"/{date}." in path or "-index." in path
        return bool(of_night.match(path)) or path.startswith(prefixes)

    for record in derived_from(root, is_meant):
        yield from (mark.path for mark in record.outputs)
