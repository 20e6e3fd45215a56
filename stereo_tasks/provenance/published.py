"""One version of a publication: what is in its folder, and which products it was made of."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from stereo_tasks.errors import StereoError
from stereo_tasks.planning.plan import Plan
from stereo_tasks.products.record import FileMark, Record
from stereo_tasks.products.versions import MANIFEST, VERSIONS
from stereo_tasks.products.withdrawn import CRATE
from stereo_tasks.stages.night import INDEX


class NotPublishedError(StereoError):
    """There is no such publication, or version of one; the text says which there are."""


@dataclass(frozen=True)
class PublishedVersion:
    """One version of what was published of a night and source."""

    folder: Path
    """Not the link that users read, but the folder that it pointed to."""
    manifest: dict[str, Any]
    """What ``published.json`` says."""

    @property
    def name(self) -> str:
        """What distinguishes it from other versions of the night and source."""
        return self.folder.name.partition(".")[2]

    @property
    def is_current(self) -> bool:
        """Whether it is what users read now."""
        link = self.folder.parent.parent / self.folder.name.partition(".")[0]
        return link.is_symlink() and link.readlink().name == self.folder.name

    @cached_property
    def plan(self) -> Plan:
        """The plan that it was published under."""
        return Plan.load(self.manifest["plan"])

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the software that made the DL3."""
        return {**self.plan.versions, **self.manifest.get("software", {})}

    def product(self, path: Path) -> Path:
        """Return the product that a file in the folder is; the index for the folder itself and what describes it."""
        outputs = [Path(output) for element in self.plan.elements for output in element.outputs]
        index = [Path(element.outputs[0]) for _, element in self.plan.of_stage(INDEX)]
        return next((output for output in outputs if output.name == path.name), (index or [path])[0])

    def mark(self, path: Path) -> FileMark | None:
        """Return a file of the folder with the checksum that its description gives; None if it gives none."""
        try:
            entities = json.loads((self.folder / CRATE).read_text())["@graph"]
            status = path.stat()
        except (OSError, ValueError, KeyError):  # published before there were descriptions
            return None
        known = {entity["@id"]: entity["sha256"] for entity in entities if "sha256" in entity}
        sha256 = known.get(path.name)
        return FileMark(str(path), status.st_size, status.st_mtime_ns, sha256) if sha256 else None

    def replaced(self, records: Iterable[Record]) -> tuple[str, ...]:
        """Return which elements made their products again since: the records tell of those."""
        then = self.manifest.get("runs", {})
        return tuple(
            record.element
            for record in records
            if record.element in then and then[record.element]["fingerprint"] != record.fingerprint
        )


def version_of(path: Path) -> PublishedVersion | None:
    """Return the publication of a night that a file or folder belongs to; None if it belongs to none."""
    folder = (path if path.is_dir() else path.parent).resolve()
    if folder.parent.name != VERSIONS:  # such as that of a season, which is an index of nights
        return None
    try:
        return PublishedVersion(folder, json.loads((folder / MANIFEST).read_text()))
    except (OSError, ValueError):
        return None


def find_version(production: Path, night: str, source: str, version: str | None = None) -> PublishedVersion:
    """Find what is published of a night and source in a production.

    Parameters
    ----------
    production : pathlib.Path
        Folder of the production in the output tree.
    night : str
        LST-1's date, such as ``20240110``.
    source : str
        Name of the source.
    version : str, optional
        Which version; what users read now if not given.

    Raises
    ------
    NotPublishedError
        If there is none.
    """
    links = sorted(production.glob(f"{source}/DL3/*/published/{night}"), key=lambda link: link.lstat().st_mtime)
    folders = {
        folder.name.partition(".")[2]: folder
        for link in links
        for folder in sorted((link.parent / VERSIONS).glob(f"{night}.*"))
    }
    if version is None and links:
        folders[""] = links[-1].resolve()  # with other cuts the tree has another link: the one that was turned last
    folder = folders.get(version or "")
    found = version_of(folder) if folder else None
    if found is None:
        there = f"there are {', '.join(sorted(filter(None, folders)))}" if version and folders else "process it first"
        wanted = f"version {version} of " if version else ""
        raise NotPublishedError(f"{wanted}{source} on {night} is not published in {production.name}: {there}")
    return found
