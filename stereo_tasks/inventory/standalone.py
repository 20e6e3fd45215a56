"""The files of the standalone analyses, of LST-1 alone and of MAGIC alone: only those of the runs that are wanted."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from stereo_tasks.inventory.files import InventoryError
from stereo_tasks.nights import Night

_LST = re.compile(r"dl2_LST-1\.Run(?P<run>\d{5})(?P<subrun>\.\d{4})?\.h5", re.ASCII)
# 20201219_05093711_Q_1ES0647+250-W0.40+035.root: the run in eight digits; a run may have several files.
_MELIBEA = re.compile(r"(?P<date>\d{8})_(?P<run>\d{8})(?:\.\d{3})?_Q_.+\.root", re.ASCII)


def lst_dl2_files(
    folder: Path | None, night: Night, runs: Collection[int], *, version: str, tailcut: str
) -> tuple[Path, ...]:
    """Return lstchain's DL2 files of some runs of LST-1.

    Parameters
    ----------
    folder : pathlib.Path or None
        Root of the DL2 files, above ``YYYYMMDD/{version}/{tailcut}``; None if the site has none.
    night : Night
        The night.
    runs : collection of int
        Runs of LST-1. A night has runs of several sources in one folder.
    version, tailcut : str
        lstchain version and cleaning as in the path, ``v0.10`` and ``tailcut84``.

    Returns
    -------
    tuple of pathlib.Path
        By name; where there is a file of the whole run, those of its subruns are left out.

    Raises
    ------
    InventoryError
        If the folder exists and cannot be listed.
    """
    if folder is None:
        return ()
    place = folder / night.lst_date / f"v{version.removeprefix('v')}" / tailcut
    found = [match for match in _matches(place, _LST) if int(match["run"]) in runs]
    whole = {match["run"] for match in found if not match["subrun"]}
    return tuple(place / match.string for match in found if not match["subrun"] or match["run"] not in whole)


def melibea_files(folder: Path | None, night: Night, runs: Collection[int]) -> tuple[Path, ...]:
    """Return the melibea files of some runs of MAGIC.

    Parameters
    ----------
    folder : pathlib.Path or None
        Root of the melibea files, above ``YYYY/MM/DD``; None if the site has none.
    night : Night
        The night; MAGIC's folder is that of the morning after.
    runs : collection of int
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


def _matches(folder: Path, pattern: re.Pattern[str]) -> list[re.Match[str]]:
    try:
        names = sorted(path.name for path in folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InventoryError(f"{folder} cannot be listed ({error.strerror}): is the file system there?") from error
    return [match for name in names if (match := pattern.fullmatch(name))]
