"""Space on the file systems that products and state lie on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stereo_tasks.settings import Settings


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system."""

    name: str
    """Of the path in ``config/site.yaml``."""
    path: Path
    free_gb: float
    total_gb: float


def disks(settings: Settings) -> Iterator[Disk]:
    """Yield the file systems of products and state, each once."""
    seen: set[int] = set()
    for name in ("output", "state"):
        path: Path = getattr(settings.site.paths, name)
        place = next(folder for folder in (path, *path.parents) if folder.exists())
        if (device := place.stat().st_dev) in seen:
            continue
        seen.add(device)
        usage = shutil.disk_usage(place)
        yield Disk(name, path, usage.free / 1e9, usage.total / 1e9)
