"""A version of a published night without what was withdrawn from it; the version with it stays for who reads it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from stereo_tasks.products.files import hard_link, sha256_of
from stereo_tasks.products.versions import MANIFEST, new_version

WHOLE_NIGHT = 0
"""In place of the number of a run: all runs of the night."""
CRATE = "ro-crate-metadata.json"
"""Description of the folder for other programs (https://w3id.org/ro/crate)."""
NOTE = "WITHDRAWN.txt"
_MARK = "-"  # between the name of the version with all runs and what tells this one apart


def without(full: Path, withdrawn: Mapping[int, str]) -> Path:
    """Return the version of a night without withdrawn runs, made if it is not there.

    Parameters
    ----------
    full : pathlib.Path
        Folder of the version with all runs.
    withdrawn : mapping of int to str
        By LST-1 run, or `WHOLE_NIGHT`: who withdrew it, when and why, for people.

    Returns
    -------
    pathlib.Path
        `full` itself if it has none of these runs.
    """
    if not withdrawn:
        return full
    from stereo_tasks.gadf.stack import files_of, leave_out

    files = files_of(full)
    gone = sorted(files if WHOLE_NIGHT in withdrawn else files.keys() & withdrawn.keys())
    if not gone:
        return full
    digest = hashlib.sha256(repr(gone).encode()).hexdigest()[:6]
    folder = full.with_name(f"{full.name}{_MARK}{digest}")
    if (folder / MANIFEST).exists():
        return folder
    left = files.keys() - set(gone)
    names = set().union(*(files[run] for run in gone))
    if not left:
        names |= {path.name for path in full.glob("*-index.fits.gz")}
    with new_version(folder) as work:
        for path in full.iterdir():
            if path.name not in names:
                hard_link(path, work / path.name)
        if left:
            leave_out(work, gone)
        reasons = {run: withdrawn[run if run in withdrawn else WHOLE_NIGHT] for run in gone}
        _replace(work / NOTE, _note(reasons, left))
        if (full / CRATE).exists():
            _replace(work / CRATE, json.dumps(_crate(full, work, names), indent=1))
        story = json.loads((full / MANIFEST).read_text())
        story["runs"] = {name: one for name, one in story.get("runs", {}).items() if _run(name) not in reasons}
        story["withdrawn"] = {str(run): reason for run, reason in reasons.items()}
        _replace(work / MANIFEST, json.dumps(story, indent=1, sort_keys=True))
    return folder


def full_version(folder: Path) -> Path:
    """Return the version with all runs that a version was made of; itself, if nothing was withdrawn from it."""
    return folder.with_name(folder.name.partition(_MARK)[0])


def _run(element: str) -> int:
    return int(element.rpartition("/")[2])


def _replace(path: Path, content: str) -> None:
    path.unlink(missing_ok=True)  # a hard link to the file of the full version
    path.write_text(content)


def _note(reasons: Mapping[int, str], left: Collection[int]) -> str:
    lines = ["Withdrawn from this publication; do not use it if you have it from elsewhere.", ""]
    lines += [f"run {run}: {reason}" for run, reason in reasons.items()]
    lines += ["", f"Left in it: {', '.join(map(str, sorted(left)))}." if left else "Nothing of this night is left."]
    return "\n".join([*lines, ""])


def _crate(full: Path, work: Path, names: Collection[str]) -> dict[str, Any]:
    """Return the description without the files that are gone, and of the index as it is now."""
    content: dict[str, Any] = json.loads((full / CRATE).read_text())
    graph = [entity for entity in content["@graph"] if entity["@id"] not in names]
    for entity in graph:
        for key, value in entity.items():
            if isinstance(value, list):
                entity[key] = [one for one in value if not (isinstance(one, dict) and one.get("@id") in names)]
        if "sha256" in entity and (path := work / entity["@id"]).name.endswith("-index.fits.gz"):
            entity |= {"sha256": sha256_of(path), "contentSize": str(path.stat().st_size)}
    content["@graph"] = graph
    return content
