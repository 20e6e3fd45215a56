"""The files of the standalone analyses, of LST-1 alone and of MAGIC alone: only those of the runs that are wanted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Literal

from stereo_tasks.inventory.files import InventoryError
from stereo_tasks.inventory.scan import newest_first
from stereo_tasks.nights import Night

_LST = {
    level: re.compile(rf"{level}_LST-1\.Run(?P<run>\d{{5}})(?P<subrun>\.\d{{4}})?\.h5", re.ASCII)
    for level in ("dl1", "dl2")
}
# 20201219_05093711_Q_1ES0647+250-W0.40+035.root: the run in eight digits; a run may have several files.
_MELIBEA = re.compile(r"(?P<date>\d{8})_(?P<run>\d{8})(?:\.\d{3})?_Q_.+\.root", re.ASCII)


def lst_files(
    level: Literal["dl1", "dl2"],
    folder: Path | None,
    night: Night,
    runs: AbstractSet[int],
    *,
    version: str | Sequence[str],
    tailcut: str | None,
) -> tuple[Path, ...]:
    """Return lstchain's files of some runs of LST-1.

    Parameters
    ----------
    level : str
        ``dl1`` or ``dl2``.
    folder : pathlib.Path or None
        Root of the files, above ``YYYYMMDD/{version}/{tailcut}``; None if the site has none.
    night : Night
        The night.
    runs : set of int
        Runs of LST-1. A night has runs of several sources in one folder.
    version : str or sequence of str
        lstchain versions as in the path, ``v0.10``; of several, each run has the newest that is there.
    tailcut : str or None
        Cleaning as in the path, ``tailcut84``; None: the only one that is there.

    Returns
    -------
    tuple of pathlib.Path
        By name; where there is a file of the whole run, those of its subruns are left out.

    Raises
    ------
    InventoryError
        If a folder exists and cannot be listed, or it is not said which of several cleanings is meant.
    """
    if folder is None:
        return ()
    found: dict[int, list[Path]] = {}
    for name in newest_first(version):
        place = _cleaned(folder / night.lst_date / name, tailcut)
        of_version: dict[int, list[re.Match[str]]] = {}
        for match in _matches(place, _LST[level]):
            of_version.setdefault(int(match["run"]), []).append(match)
        for run in (runs & of_version.keys()) - found.keys():
            whole = [match for match in of_version[run] if not match["subrun"]]
            found[run] = [place / match.string for match in whole or of_version[run]]
    return tuple(path for _, paths in sorted(found.items()) for path in paths)


def melibea_files(folder: Path | None, night: Night, runs: AbstractSet[int]) -> tuple[Path, ...]:
    """Return the melibea files of some runs of MAGIC.

    Parameters
    ----------
    folder : pathlib.Path or None
        Root of the melibea files, above ``YYYY/MM/DD``; None if the site has none.
    night : Night
        The night; MAGIC's folder is that of the morning after.
    runs : set of int
        Runs of MAGIC.

    Returns
    -------
    tuple of pathlib.Path
        By name.

    Raises
    ------
    InventoryError
        If the folder exists and cannot be listed.
    """
    if folder is None:
        return ()
    place = folder / night.magic_date
    found = _matches(place, _MELIBEA)
    return tuple(place / m.string for m in found if m["date"] == night.magic_stamp and int(m["run"]) in runs)


def _cleaned(folder: Path, tailcut: str | None) -> Path:
    if tailcut:
        return folder / tailcut
    there = sorted(folder.glob("tailcut*"))
    if len(there) > 1:
        names = " and ".join(path.name for path in there)
        raise InventoryError(
            f"{folder} has {names}: say in config/productions.yaml which of them is meant (lst_tailcut)"
        )
    return there[0] if there else folder


def _matches(folder: Path, pattern: re.Pattern[str]) -> list[re.Match[str]]:
    try:
        names = sorted(path.name for path in folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InventoryError(f"{folder} cannot be listed ({error.strerror}): is the file system there?") from error
    return [match for name in names if (match := pattern.fullmatch(name))]
