"""Listing the folders of a night, each of them once."""

from __future__ import annotations

import os
import re
import stat
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

from stereo_tasks.inventory.files import InventoryError, LstSubrun, MagicSubrun, NightFiles
from stereo_tasks.nights import Night

# 20201219_M1_05093711.001_Y_1ES0647+250-W0.40+035.root: one leading zero, seven digits of the run, three of the subrun.
_MAGIC = re.compile(
    r"(?P<date>\d{8})_M(?P<telescope>[12])_0(?P<run>\d{7})\.(?P<subrun>\d{3})_Y_"
    r"(?P<source>[A-Za-z0-9+._-]+?)(?:-W(?P<wobble>\d\.\d{2})[+-]\d{3})?\.root",
    re.ASCII,
)
_LST = re.compile(r"dl1_LST-1\.Run(?P<run>\d{5})\.(?P<subrun>\d{4})\.h5", re.ASCII)
# lstosa puts these beside the subruns: files of whole runs, data checks, muon tables. No inputs, and nothing odd.
_LST_NEIGHBOUR = re.compile(r"dl1_LST-1\.Run\d{5}\.h5|(datacheck|muons)_.*", re.ASCII)
_NIGHT_FINISHED = "NightFinished.txt"
_ANY_TAILCUT = "tailcut*"


@dataclass(frozen=True, slots=True)
class _File:
    folder: Path
    name: str
    size_bytes: int
    modified_ns: int
    arrived_ns: int

    @property
    def path(self) -> Path:
        return self.folder / self.name


@dataclass(slots=True)
class _Findings:
    magic: defaultdict[tuple[int, int], list[MagicSubrun]] = field(default_factory=lambda: defaultdict(list))
    lst: defaultdict[int, list[LstSubrun]] = field(default_factory=lambda: defaultdict(list))
    odd: list[tuple[Path, str]] = field(default_factory=list)
    zero_size: set[tuple[str, int, int]] = field(default_factory=set)


def scan_night(
    night: Night,
    *,
    magic_calibrated: Path,
    lst_dl1: Path,
    lst_version: str | Sequence[str],
    lst_tailcut: str | None,
) -> NightFiles:
    """List the files of a night.

    Missing folders count as empty. A folder that exists and cannot be listed is an error: an outage of the file system
    must not look like a night without data.

    Parameters
    ----------
    night : Night
        The night. MAGIC's folder is that of the morning after.
    magic_calibrated : pathlib.Path
        Root of MAGIC's calibrated files, above ``M1`` and ``M2``.
    lst_dl1 : pathlib.Path
        Root of LST-1's DL1 files, above ``YYYYMMDD``.
    lst_version : str or sequence of str
        lstchain version as in the path, ``v0.10``; the leading ``v`` may be left out. Of several, each run is taken of
        the newest that has it.
    lst_tailcut : str or None
        Cleaning as in the path, ``tailcut84``. None takes the only one that is there; none, if there are several.

    Raises
    ------
    InventoryError
        If a folder exists and cannot be listed.
    """
    found, stamp = _Findings(), night.magic_stamp
    for telescope in (1, 2):
        folder = magic_calibrated / f"M{telescope}" / "event" / "Calibrated" / Path(night.magic_date)
        for file in _listed(folder, found):
            _take_magic(file, telescope, stamp, found)
    lst_night, versions = lst_dl1 / night.lst_date, newest_first(lst_version)
    problem = _scan_lst(lst_night, versions, lst_tailcut, found)
    wanted = [f"{version}/{lst_tailcut or _ANY_TAILCUT}" for version in versions]

    magic: dict[tuple[int, int], tuple[MagicSubrun, ...]] = {}
    duplicates: list[tuple[Path, Path, str]] = []
    for key in sorted(found.magic):
        magic[key], ignored = _each_subrun_once(found.magic[key])
        duplicates += ignored
    return NightFiles(
        night=night,
        magic=magic,
        lst={run: tuple(sorted(found.lst[run], key=attrgetter("subrun"))) for run in sorted(found.lst)},
        duplicates=tuple(duplicates),
        odd=tuple(sorted(found.odd)),
        night_finished=_exists(lst_night / _NIGHT_FINISHED),
        zero_size=frozenset(found.zero_size),
        lst_wanted=" or ".join(wanted),
        lst_others=() if found.lst or problem else _others(lst_night, wanted),
        lst_problem=problem,
    )


def newest_first(versions: str | Sequence[str]) -> list[str]:
    """Return lstchain versions as they stand in paths (``v0.10``), the newest first."""
    names = [versions] if isinstance(versions, str) else versions
    numbers = {f"v{name.removeprefix('v')}": [int(part) for part in re.findall(r"\d+", name)] for name in names}
    return sorted(numbers, key=lambda name: numbers[name], reverse=True)


def _scan_lst(lst_night: Path, versions: Sequence[str], tailcut: str | None, found: _Findings) -> str:
    """Take each run of LST-1 from the newest version that has it; return why none is taken, if so."""
    for version in versions:
        tailcuts = [tailcut] if tailcut else _tailcuts(lst_night, version)
        if len(tailcuts) > 1:
            found.lst.clear()
            return (
                f"{lst_night / version} has {' and '.join(tailcuts)}: say in config/productions.yaml which of them is "
                "meant (lst_tailcut)"
            )
        newer = set(found.lst)
        for name in tailcuts:
            for file in _listed(lst_night / version / name, found):
                if not _LST_NEIGHBOUR.fullmatch(file.name):
                    _take_lst(file, newer, found)
    return ""


def _tailcuts(lst_night: Path, version: str) -> list[str]:
    try:
        return sorted(path.name for path in (lst_night / version).glob(_ANY_TAILCUT) if path.is_dir())
    except OSError as error:
        raise InventoryError(f"{lst_night} cannot be listed ({error.strerror}): is the file system there?") from error


def _listed(folder: Path, found: _Findings) -> list[_File]:
    """Return the regular files of a folder in order of their names."""
    files: list[_File] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    status = entry.stat()
                except FileNotFoundError:
                    if entry.is_symlink():
                        found.odd.append((Path(entry.path), "a link to nothing"))
                    continue  # else: gone since the folder was listed
                if stat.S_ISREG(status.st_mode):
                    arrived_ns = max(status.st_mtime_ns, status.st_ctime_ns)
                    files.append(_File(folder, entry.name, status.st_size, status.st_mtime_ns, arrived_ns))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InventoryError(f"{folder} cannot be listed ({error.strerror}): is the file system there?") from error
    return sorted(files, key=attrgetter("name"))


def _others(lst_night: Path, wanted: Sequence[str]) -> tuple[str, ...]:
    """Return the versions and cleanings that a night of LST-1 has, for the person who wonders about the wanted one."""
    try:
        found = {f"{path.parent.name}/{path.name}" for path in lst_night.glob("v*/tailcut*") if path.is_dir()}
    except OSError as error:
        raise InventoryError(f"{lst_night} cannot be listed ({error.strerror}): is the file system there?") from error
    return tuple(sorted(found.difference(wanted)))


def _exists(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise InventoryError(f"{path} cannot be looked at ({error.strerror}): is the file system there?") from error


def _unusable(file: _File) -> str:
    """Return why a file is not used, whatever its name."""
    if file.name.startswith("."):
        return "a hidden file: a transfer under way or broken off"
    return ""


def _take_magic(file: _File, telescope: int, stamp: str, found: _Findings) -> None:
    match = _MAGIC.fullmatch(file.name)
    if reason := _unusable(file):
        pass
    elif match is None:
        reason = "not a name of a calibrated file, such as 20201219_M1_05093711.001_Y_1ES0647+250-W0.40+035.root"
    elif int(match["telescope"]) != telescope:
        reason = f"named after M{match['telescope']}, in the folder of M{telescope}"
    elif match["date"] != stamp:
        reason = f"its name says {match['date']}, its folder {stamp}"
    elif match["subrun"] == "000":
        reason = "subrun 0, and MAGIC counts from 1"
    elif file.size_bytes == 0:
        reason = "empty"
        found.zero_size.add((f"M{telescope}", int(match["run"]), int(match["subrun"])))
    else:
        run, subrun = int(match["run"]), int(match["subrun"])
        wobble_deg = float(match["wobble"]) if match["wobble"] else None
        sizes_and_times = file.size_bytes, file.modified_ns, file.arrived_ns
        found.magic[telescope, run].append(
            MagicSubrun(file.path, telescope, run, subrun, match["source"], *sizes_and_times, wobble_deg)
        )
        return
    found.odd.append((file.path, reason))


def _take_lst(file: _File, newer: set[int], found: _Findings) -> None:
    """Take a file of LST-1, unless a newer version has its run."""
    match = _LST.fullmatch(file.name)
    if match and int(match["run"]) in newer:
        return
    if reason := _unusable(file):
        pass
    elif match is None:
        reason = "not a name of a DL1 file, such as dl1_LST-1.Run03281.0000.h5"
    elif file.size_bytes == 0:
        reason = "empty"
        found.zero_size.add(("LST-1", int(match["run"]), int(match["subrun"])))
    else:
        run = int(match["run"])
        found.lst[run].append(
            LstSubrun(file.path, run, int(match["subrun"]), file.size_bytes, file.modified_ns, file.arrived_ns)
        )
        return
    found.odd.append((file.path, reason))


def _each_subrun_once(
    files: list[MagicSubrun],
) -> tuple[tuple[MagicSubrun, ...], list[tuple[Path, Path, str]]]:
    """Keep one file of each subrun: the largest, and of equally large ones the first by name."""
    kept: dict[int, MagicSubrun] = {}
    ignored: list[tuple[Path, Path, str]] = []
    for file in sorted(files, key=lambda one: (one.subrun, -one.size_bytes, one.path.name)):
        if file.subrun not in kept:
            kept[file.subrun] = file
            continue
        winner = kept[file.subrun]
        if winner.size_bytes == file.size_bytes:
            reason = f"the same subrun twice, both of {file.size_bytes} bytes: the first by name is kept"
        else:
            reason = f"the same subrun twice: the larger is kept, {winner.size_bytes} against {file.size_bytes} bytes"
        ignored.append((winner.path, file.path, reason))
    return tuple(kept.values()), ignored
