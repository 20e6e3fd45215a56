"""Publication of a season: one HDU index and one observation index over all published nights of a source.

``season`` is a link to a folder that never changes, with the two index files and the link ``nights`` to the folders of
the nights' versions. The index names the version of each night (``nights/20240110.4739027ffb8a``): whoever has opened
it reads the events of that version, even if he goes through ``season`` and it was turned meanwhile.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stereo_tasks.nights import Night
from stereo_tasks.products import versions
from stereo_tasks.products.files import sweep_all
from stereo_tasks.products.publication import Publication
from stereo_tasks.products.tree import NightTree
from stereo_tasks.products.versions import MANIFEST, SEASON, VERSIONS, Retention

NIGHTS = "nights"
NOTE = "EMPTY.txt"
_log = logging.getLogger(__name__)


def season_link(root: Path, cuts: str) -> Path:
    """Return what users read of a season; programs read its `resolve()`, once, so that it does not turn under them.

    Parameters
    ----------
    root : pathlib.Path
        ``{output}/{production}/{source}``.
    cuts : str
        Name of the cuts, as in the tree.
    """
    return NightTree(root, Night("2018-10-10"), cuts).published.parent / SEASON


def publish_season(published: Path, retention: Retention | None = None) -> Publication | None:
    """Bring the season up to date with the nights that are published; the caller holds the lock of the links.

    Parameters
    ----------
    published : pathlib.Path
        Folder of the links of a source and cuts.
    retention : Retention, optional
        Which old versions of season and nights stay.

    Returns
    -------
    Publication or None
        None if nothing of the source was ever published.
    """
    link = published / SEASON
    nights = current_nights(published)
    if not nights and not link.is_symlink():
        return None
    folder = _folder(link, nights)
    before = versions.current(link)
    if before == folder:
        return Publication(link, new=False)
    # Holds until another version was read: then nights have changed, and this is what they have come to again.
    if (note := versions.rolled_back(folder)) and before is not None and before.name == note.to:
        _log.warning("%s was rolled back by %s (%s): it stays as it is", folder.name, note.by, note.reason)
        return Publication(link, new=False, rolled_back=note)
    if not (folder / MANIFEST).exists():
        _make(folder, nights)
    versions.turn(link, folder)
    forget_all(published, retention or Retention())
    return Publication(link, new=True)


def current_nights(published: Path) -> dict[str, Path]:
    """Return the folders of the current versions of the nights, by LST-1's date."""
    links = (link for link in sorted(published.glob("????????")) if link.name.isdigit())
    return {link.name: folder for link in links if (folder := versions.current(link)) and folder.is_dir()}


def forget_all(published: Path, retention: Retention) -> None:
    """Remove old versions of the season and of the nights; versions that a season lists stay as long as it."""
    versions.forget(published / SEASON, retention)
    needed = [
        published / VERSIONS / name
        for season in (published / versions.SEASONS).glob(f"{SEASON}.*")
        for name in _manifest(season).get("nights", {}).values()
    ]
    for link in published.glob("????????"):
        if link.name.isdigit():
            versions.forget(link, retention, needed)
    sweep_all(published)


def _folder(link: Path, nights: Mapping[str, Path]) -> Path:
    content = hashlib.sha256(repr([folder.name for folder in nights.values()]).encode())
    return versions.folder_of_versions(link) / f"{SEASON}.{content.hexdigest()[:12]}"


def _make(folder: Path, nights: Mapping[str, Path]) -> None:
    from stereo_tasks.gadf.check import HDU_INDEX
    from stereo_tasks.gadf.stack import stack_indices

    listed = {night: one for night, one in nights.items() if (one / HDU_INDEX).exists()}  # else: all was withdrawn
    with versions.new_version(folder) as work:
        (work / NIGHTS).symlink_to(Path("..", "..", VERSIONS))
        names = {f"{NIGHTS}/{one.name}": one for one in listed.values()}
        left_out = stack_indices(names, work, versions.version_name(folder))
        for name, reason in left_out.items():
            _log.warning("%s is not in the season: %s", name, reason)
        story = {
            "nights": {night: one.name for night, one in listed.items()},
            "left_out": {name.removeprefix(f"{NIGHTS}/"): reason for name, reason in left_out.items()},
        }
        if len(left_out) == len(listed):
            (work / NOTE).write_text("Nothing of this source is published now: all of it was withdrawn, or left out.\n")
        (work / MANIFEST).write_text(json.dumps(story, indent=1, sort_keys=True))


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError):
        return {}
    return found
