"""Which nights of a source are published, and what products of theirs lie in the output tree."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from stereo_tasks.nights import Night
from stereo_tasks.products.models import ModelFile
from stereo_tasks.products.publication import MANIFEST
from stereo_tasks.products.tree import NightTree

_DL3 = re.compile(r"dl3/(\d+)")
_MAGIC = re.compile(r"dl1_M1\.Run(\d{8})\.h5")
_COINCIDENT = re.compile(r"Run(\d+)\.(\d+)\.h5$")


@dataclass(frozen=True, slots=True)
class PublishedNight:
    """A night of a source of which there is DL3 for users, with the products that it was made of."""

    night: Night
    dl2: dict[int, ModelFile]
    """By LST-1 run: those that are published."""
    coincident: dict[tuple[int, int], ModelFile]
    """By LST-1 run and subrun."""
    missing: tuple[str, ...]
    """What should be there, each with what to do."""
    magic_runs: frozenset[int] = frozenset()
    """Those whose DL1 was looked through for coincidences."""
    index: ModelFile | None = None
    """The observation index, which has the live times."""


def published_nights(
    root: Path, cuts: str, first: Night | None = None, last: Night | None = None
) -> tuple[PublishedNight, ...]:
    """Find the published nights of a source, in their order.

    Parameters
    ----------
    root : pathlib.Path
        ``{output}/{production}/{source}``.
    cuts : str
        Name of the cuts, as in the tree.
    first, last : Night, optional
        Only nights from the first to the last, both included.
    """
    folder = NightTree(root, Night("2018-10-10"), cuts).published.parent
    nights = [Night(link.name) for link in sorted(folder.glob("????????")) if link.name.isdigit()]
    return tuple(
        _published(NightTree(root, night, cuts))
        for night in nights
        if (first is None or night >= first) and (last is None or night <= last)
    )


def _published(tree: NightTree) -> PublishedNight:
    missing: list[str] = []
    dl2 = {}
    for run in _runs(tree, missing):
        path = tree.dl2(run)
        if file := _file(path):
            dl2[run] = file
        else:
            missing.append(f"no {path}: process the night again")
    coincident = {}
    for path in sorted(tree.coincident(0, 0).parent.glob("dl1_MAGIC_LST-1.Run*.h5")):
        match = _COINCIDENT.search(path.name)
        if match and int(match[1]) in dl2 and (file := _file(path)):
            coincident[int(match[1]), int(match[2])] = file
    magic = tree.dl1_merged(1, 0).parent.glob("dl1_M1.Run*.h5")
    runs = frozenset(int(match[1]) for path in magic if (match := _MAGIC.fullmatch(path.name)))
    index = _file(tree.published / tree.index[1].name)
    return PublishedNight(tree.night, dl2, coincident, tuple(missing), runs, index)


def _runs(tree: NightTree, missing: list[str]) -> list[int]:
    manifest = tree.published / MANIFEST
    try:
        story = json.loads(manifest.read_text())
        return sorted(int(match[1]) for name in story["runs"] if (match := _DL3.fullmatch(name)))
    except (OSError, ValueError, KeyError, TypeError) as error:
        missing.append(f"{manifest} cannot be read ({type(error).__name__}): publish the night again")
        return []


def _file(path: Path) -> ModelFile | None:
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return ModelFile(path, status.st_size, status.st_mtime_ns)
