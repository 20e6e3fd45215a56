"""The folders of DL3 that users read of a source: versions of publications, which never change."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stereo_tasks.errors import StereoError
from stereo_tasks.nights import Night
from stereo_tasks.products.models import ModelFile
from stereo_tasks.products.tree import NightTree

SEASON_LINK = "season"
"""Beside the links of the nights: one index over all of them."""
INDICES = ("hdu-index.fits.gz", "obs-index.fits.gz")
_MANIFEST = "published.json"
_NUMBERS = "?" * 8
"""A night's link has its LST date."""


class PublishedFolderError(StereoError):
    """A folder of published DL3 cannot be read."""


@dataclass(frozen=True, slots=True)
class PublishedFolder:
    """One version of a publication."""

    path: Path
    """The version's own folder, behind the link."""
    index: tuple[ModelFile, ...]
    """HDU index and observation index."""
    dl3: tuple[ModelFile, ...]
    """The files that the HDU index lists."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Versions of nights that a season does not list, with the reason."""

    @property
    def version(self) -> str:
        """Name of the version, such as ``20240110.4739027ffb8a``."""
        return self.path.name


def published_folders(
    root: Path, cuts: str, first: Night | None = None, last: Night | None = None
) -> tuple[PublishedFolder, ...]:
    """Find what is published of a source: the season, where there is one and no range is asked for, or the nights.

    Parameters
    ----------
    root : pathlib.Path
        ``{output}/{production}/{source}``.
    cuts : str
        Name of the cuts, as in the tree.
    first, last : Night, optional
        Only nights from the first to the last, both included.

    Raises
    ------
    PublishedFolderError
        If an index cannot be read, or a file that it lists is not there.
    """
    folder = NightTree(root, Night("2018-10-10"), cuts).published.parent
    season = folder / SEASON_LINK
    if first is None and last is None and season.exists():
        return (_published(season),) if _has_index(season) else ()
    nights = [(Night(link.name), link) for link in sorted(folder.glob(_NUMBERS)) if link.name.isdigit()]
    wanted = [link for night, link in nights if (first is None or night >= first) and (last is None or night <= last)]
    return tuple(_published(link) for link in wanted if _has_index(link))


def _has_index(link: Path) -> bool:
    """Return whether there is anything in a publication: what a withdrawal has emptied has no index."""
    return all((link / name).is_file() for name in INDICES)


def _published(link: Path) -> PublishedFolder:
    folder = link.resolve()
    try:
        index = tuple(_file(folder / name) for name in INDICES)
        dl3 = tuple(_file(path) for path in _listed(folder))
    except (OSError, KeyError, ValueError) as error:
        raise PublishedFolderError(f"{folder} cannot be read ({error}): publish it again") from error
    return PublishedFolder(folder, index, dl3, _left_out(folder))


def _left_out(folder: Path) -> dict[str, str]:
    try:
        return {str(name): str(why) for name, why in json.loads((folder / _MANIFEST).read_text())["left_out"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # of a night, which leaves none out
        return {}


def _listed(folder: Path) -> Sequence[Path]:
    from astropy.table import Table  # not for those who need the names only

    table = Table.read(folder / INDICES[0])
    files = {(str(row["FILE_DIR"]).strip(), str(row["FILE_NAME"]).strip()) for row in table}
    return sorted((folder / directory / name).resolve() for directory, name in files)


def _file(path: Path) -> ModelFile:
    status = path.stat()
    return ModelFile(path, status.st_size, status.st_mtime_ns)
