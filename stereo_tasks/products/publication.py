"""Publication: DL3 and index appear together or not at all; the old stay until the new keep the format."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stereo_tasks.errors import StereoError
from stereo_tasks.gadf.judgement import Judgement
from stereo_tasks.products import versions
from stereo_tasks.products.files import hard_link, write_atomically
from stereo_tasks.products.versions import MANIFEST, VERSIONS, RolledBack
from stereo_tasks.products.withdrawn import CRATE, full_version, without

SHOWN_PROBLEMS = 20


class PublicationError(StereoError):
    """DL3 and index do not fit together; nothing was published."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What is published of one night and source."""

    folder: Path
    """The link that users read."""
    new: bool
    """Whether this call changed it."""
    rolled_back: RolledBack | None = None
    """Why it was not turned to this content: somebody had rolled it back."""


def publish(
    link: Path,
    dl3: Sequence[Path],
    index: Sequence[Path],
    story: Mapping[str, Any],
    judgements: Mapping[int, Judgement] | None = None,
    *,
    others: Sequence[Path] = (),
    describe: Callable[[Path], Mapping[str, Any]] | None = None,
    withdrawn: Mapping[int, str] | None = None,
) -> Publication:
    """Publish DL3 files with their index as one folder, if all of it is true to its format.

    The files are hard links into a folder of their own, which is complete before the link `link` is turned to it. A
    publication of the same content is left as it is. The caller holds the lock of the links, if there are others.

    Parameters
    ----------
    link : pathlib.Path
        What users read, as in `NightTree.published`.
    dl3 : sequence of pathlib.Path
        The DL3 files that the index lists.
    index : sequence of pathlib.Path
        HDU index and observation index.
    story : mapping
        Where this came from: plan, fingerprints, versions, QA verdict; written as ``published.json``.
    judgements : mapping of int to Judgement, optional
        What quality assurance says of each observation; written into the observation index.
    others : sequence of pathlib.Path, optional
        What goes with them as it is now, such as the QA page; no reason by itself to publish again.
    describe : callable, optional
        Gives the content of ``ro-crate-metadata.json`` from the folder; called only if there is something to publish.
    withdrawn : mapping of int to str, optional
        What is not to be published though it is among the DL3; see `stereo_tasks.products.withdrawn`.

    Raises
    ------
    PublicationError
        If index and files do not agree, or something is not as the format demands.
    """
    _check(dl3, index)
    judged = judgements or {}
    full = link.parent / VERSIONS / f"{link.name}.{_digest([*dl3, *index], judged)}"
    if not (full / MANIFEST).exists():
        with versions.new_version(full) as work:
            for path in (*dl3, *others):
                hard_link(path, work / path.name)
            from stereo_tasks.gadf.amend import judge_index
            from stereo_tasks.gadf.check import OBS_INDEX

            for path in index:  # of their own: they say of this publication what later ones may say differently
                shutil.copy2(path, work / path.name)
            judge_index(work / OBS_INDEX, judged)
            _check_format(work)
            if describe is not None:
                write_atomically(work / CRATE, json.dumps(describe(work), indent=1))
            write_atomically(work / MANIFEST, json.dumps(story, indent=1, sort_keys=True))
    return turn_night(link, full, withdrawn or {})


def turn_night(link: Path, full: Path, withdrawn: Mapping[int, str]) -> Publication:
    """Turn the link of a night to a version, without the runs that are withdrawn.

    Parameters
    ----------
    link, withdrawn
        As for `publish`.
    full : pathlib.Path
        Folder of the version with all runs.
    """
    before = versions.current(link)
    is_other = before is None or full_version(before) != full
    if is_other and (note := versions.rolled_back(full)):
        return Publication(link, new=False, rolled_back=note)
    folder = without(full, withdrawn)
    if before == folder:
        return Publication(link, new=False)
    versions.turn(link, folder)
    return Publication(link, new=True)


def stable_path(folder: str) -> str:
    """Return the link that users read, of the folder that it pointed to when that was published.

    The folder of a version goes with the second publication after it.
    """
    path = Path(folder)
    return str(path.parent.parent / path.name.partition(".")[0]) if path.parent.name == VERSIONS else folder


def _check(dl3: Sequence[Path], index: Sequence[Path]) -> None:
    from astropy.table import Table

    hdu_index = next(path for path in index if path.name.startswith("hdu-index"))
    listed = {str(name) for name in Table.read(hdu_index)["FILE_NAME"]}
    given = {path.name for path in dl3}
    if listed != given:
        raise PublicationError(
            f"the index lists {sorted(listed)}, the DL3 files are {sorted(given)}: request the night again"
        )
    if missing := [path.name for path in dl3 if not path.exists()]:
        raise PublicationError(f"{', '.join(missing)} not there: request the night again")


def _check_format(folder: Path) -> None:
    from stereo_tasks.gadf.check import check_folder  # with astropy: the catalog only needs our names

    if problems := check_folder(folder):
        lines = [str(problem) for problem in problems[:SHOWN_PROBLEMS]]
        if more := len(problems) - len(lines):
            lines.append(f"and {more} more: 'stereo check-dl3' on the folder of the DL3 says which")
        raise PublicationError("not published, it is not as GADF demands:\n" + "\n".join(lines))


def _digest(paths: Sequence[Path], judgements: Mapping[int, Judgement]) -> str:
    content = hashlib.sha256(repr(sorted(judgements.items())).encode())
    for path in paths:
        status = path.stat()
        content.update(f"{path.name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return content.hexdigest()[:12]
