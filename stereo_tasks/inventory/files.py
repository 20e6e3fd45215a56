"""The files of a night, as found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stereo_tasks.errors import StereoError
from stereo_tasks.nights import Night


class InventoryError(StereoError):
    """A folder cannot be listed although it exists; what was there before still counts."""


@dataclass(frozen=True, slots=True)
class MagicSubrun:
    """A calibrated file of one MAGIC telescope."""

    path: Path
    telescope: int
    """1 or 2."""
    run: int
    subrun: int
    """From 1."""
    source: str
    """Source in the file's name, without the wobble position."""
    size_bytes: int
    modified_ns: int
    arrived_ns: int
    """When the file appeared here or changed last; later than ``modified_ns`` when a copy kept its old times."""
    wobble_offset_deg: float | None = None
    """Distance of the pointing from the source, from the file's name; None where the name has no wobble position."""


@dataclass(frozen=True, slots=True)
class LstSubrun:
    """A DL1 file of LST-1."""

    path: Path
    run: int
    subrun: int
    """From 0."""
    size_bytes: int
    modified_ns: int
    arrived_ns: int
    """When the file appeared here or changed last; later than ``modified_ns`` when a copy kept its old times."""


@dataclass(frozen=True, slots=True)
class NightFiles:
    """All files of a night."""

    night: Night
    magic: dict[tuple[int, int], tuple[MagicSubrun, ...]]
    """By (telescope, run); sorted by subrun, each subrun once."""
    lst: dict[int, tuple[LstSubrun, ...]]
    """By run; sorted by subrun, each subrun once."""
    duplicates: tuple[tuple[Path, Path, str], ...]
    """(kept, ignored, reason) where one telescope, run and subrun has several files."""
    odd: tuple[tuple[Path, str], ...]
    """(path, reason) of files that are not used: names not understood, empty files, transfers."""
    night_finished: bool
    """Whether LST-1's ``NightFinished.txt`` is there."""
    zero_size: frozenset[tuple[str, int, int]]
    """(``LST-1``, ``M1`` or ``M2``; run; subrun) of files without a byte in them."""
    lst_wanted: str
    """Version and cleaning of the DL1 that was looked for, such as ``v0.10/tailcut84``; of several, all of them."""
    lst_others: tuple[str, ...]
    """Those that the night has instead; looked for only where the wanted one is not there."""
    lst_problem: str = ""
    """Why no DL1 of LST-1 is taken although there is some, and what to do."""

    @property
    def lst_versions(self) -> dict[str, tuple[int, ...]]:
        """The LST-1 runs by the version and cleaning of their DL1, such as ``v0.10/tailcut84``."""
        runs: dict[str, tuple[int, ...]] = {}
        for run, subruns in self.lst.items():
            folder = subruns[0].path.parent
            version = f"{folder.parent.name}/{folder.name}"
            runs[version] = (*runs.get(version, ()), run)
        return runs

    @property
    def empty(self) -> bool:
        """Whether no file of the night can be used."""
        return not self.magic and not self.lst


def gaps(subruns: Sequence[MagicSubrun] | Sequence[LstSubrun]) -> tuple[int, ...]:
    """Return the subrun numbers missing inside the sequence of one run.

    MAGIC counts from 1, LST-1 from 0. What is missing after the last file cannot be known from the files.

    Parameters
    ----------
    subruns : sequence of MagicSubrun or of LstSubrun
        Files of one run (and one telescope), in any order.
    """
    if not subruns:
        return ()
    first = 1 if isinstance(subruns[0], MagicSubrun) else 0
    found = {one.subrun for one in subruns}
    return tuple(number for number in range(first, max(found)) if number not in found)
