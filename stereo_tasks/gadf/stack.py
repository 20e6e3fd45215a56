"""One HDU index and one observation index of many folders of DL3, made of theirs: no DL3 is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from stereo_tasks.gadf import format as gadf
from stereo_tasks.gadf.check import HDU_INDEX, OBS_INDEX

VERSION_CARD = "SEASON"
"""In both indices: a reader that opened them one after the other can tell whether they belong together."""


@dataclass(frozen=True, slots=True)
class _Indices:
    hdu: Any
    obs: Any


def stack_indices(folders: Mapping[str, Path], target: Path, version: str) -> dict[str, str]:
    """Write the two index files of many folders.

    Parameters
    ----------
    folders : mapping of str to pathlib.Path
        Folders of DL3 with their indices, each by its path as seen from `target`, in the order in which their
        observations are to be listed.
    target : pathlib.Path
        Where the two files are written, if any observation is left.
    version : str
        Written into both as ``SEASON``.

    Returns
    -------
    dict of str to str
        The folders that were left out, each with the reason.
    """
    left_out: dict[str, str] = {}
    taken: dict[str, _Indices] = {}
    known: set[int] = set()
    for name, folder in folders.items():
        found = _read(folder)
        reference = next(iter(taken.values()), None)
        if problem := found if isinstance(found, str) else _does_not_fit(found, reference, known):
            left_out[name] = problem
        elif isinstance(found, _Indices):
            taken[name] = found
            known |= {int(number) for number in found.obs.data["OBS_ID"]}
    if taken:
        _write(target / OBS_INDEX, [one.obs for one in taken.values()], version)
        directories = np.concatenate(
            [[f"{name}/{_below(row)}".rstrip("/") for row in one.hdu.data["FILE_DIR"]] for name, one in taken.items()]
        )
        _write(target / HDU_INDEX, [one.hdu for one in taken.values()], version, {"FILE_DIR": directories})
    return left_out


def leave_out(folder: Path, observations: Sequence[int]) -> None:
    """Remove observations from the two index files of a folder, which is a working one.

    Parameters
    ----------
    folder : pathlib.Path
        Folder with the index files, which are written anew.
    observations : sequence of int
        Their ``OBS_ID``.
    """
    for name in (HDU_INDEX, OBS_INDEX):
        with fits.open(folder / name, memmap=False) as hdus:
            table = hdus[1]
            kept = table.data[~np.isin(table.data["OBS_ID"], list(observations))]
            made = fits.BinTableHDU(kept, header=table.header, name=table.name)
            (folder / name).unlink()  # it may be a hard link
            fits.HDUList([fits.PrimaryHDU(), made]).writeto(folder / name, checksum=True)


def files_of(folder: Path) -> dict[int, set[str]]:
    """Return the names of the files of each observation that the HDU index of a folder lists."""
    found: dict[int, set[str]] = {}
    with fits.open(folder / HDU_INDEX, memmap=False) as hdus:
        for row in hdus[1].data:
            found.setdefault(int(row["OBS_ID"]), set()).add(str(row["FILE_NAME"]).strip())
    return found


def _read(folder: Path) -> _Indices | str:
    try:
        tables = []
        for name in (HDU_INDEX, OBS_INDEX):
            with fits.open(folder / name, memmap=False) as hdus:
                hdus[1].data  # noqa: B018 - read while the file is open
                tables.append(hdus[1])
    except (OSError, IndexError, ValueError, TypeError) as error:
        return f"its index cannot be read ({type(error).__name__}: {error}): publish it again"
    for table, columns in zip(tables, (gadf.HDU_INDEX_COLUMNS, gadf.OBS_INDEX_COLUMNS), strict=True):
        if missing := sorted(set(columns) - set(table.columns.names)):
            return f"its index has no {', '.join(missing)}, as before there was a format: publish it again"
    return _Indices(*tables)


def _does_not_fit(found: _Indices, reference: _Indices | None, known: set[int]) -> str:
    if reference is None:
        return ""
    cards = [{card: one.obs.header.get(card) for card in gadf.TIME_CARDS} for one in (found, reference)]
    if cards[0] != cards[1]:
        return f"its times are counted in another way: {cards[0]}, and not {cards[1]}"
    if twice := sorted(known & {int(number) for number in found.obs.data["OBS_ID"]}):
        return f"another folder has its observations {', '.join(map(str, twice))}, too"
    return ""


def _below(directory: object) -> str:
    text = str(directory).strip()
    return "" if text in (".", "./") else text


def _write(path: Path, tables: Sequence[Any], version: str, other: Mapping[str, Any] | None = None) -> None:
    """Write tables as one: the columns that all have, under the header of the last."""
    columns = []
    for column in tables[-1].columns:
        if not all(column.name in table.columns.names for table in tables):
            continue
        values = (other or {}).get(column.name)
        if values is None:
            values = np.concatenate([np.asarray(table.data[column.name]) for table in tables])
        width = max(*(len(str(value)) for value in values), 1) if values.dtype.kind in "SU" else 0
        columns.append(fits.Column(column.name, f"{width}A" if width else column.format, column.unit, array=values))
    header = tables[-1].header.copy(strip=True)
    header[VERSION_CARD] = (version, "version of the publication")
    made = fits.BinTableHDU.from_columns(columns, header=header, name=tables[-1].name)
    fits.HDUList([fits.PrimaryHDU(), made]).writeto(path, overwrite=True, checksum=True)
