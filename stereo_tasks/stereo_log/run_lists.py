"""The two text files with runs, from which people's own scripts start their jobs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from stereo_tasks.products.files import write_atomically
from stereo_tasks.stereo_log.observation import Observation, StereoLogError

_NAME = re.compile(r"[A-Za-z0-9+_-][A-Za-z0-9+._-]{0,99}", re.ASCII)


def magic_runs_text(rows: Iterable[Observation]) -> str:
    """Return the list of MAGIC runs: one line with all runs of each row, from the first to the last."""
    lines = ["# MAGIC runs (separed by commas for each night)"]  # spelled as the scripts' authors spell it
    for number, row in enumerate(rows):
        lines += [f"# Night {number}", _joined(row)]
    return "\n".join(lines)


def common_data_text(rows: Iterable[Observation]) -> str:
    """Return the list of LST-1 runs, each with all MAGIC runs of its row."""
    lines = ["#LST runs - MAGIC runs (separed by commas)"]
    for number, row in enumerate(rows):
        lines.append(f"# Night {number}")
        lines += [f"{run}-{_joined(row)}" for run in row.lst_runs]
    return "\n".join(lines)


def _joined(row: Observation) -> str:
    return ",".join(str(run) for run in row.magic_runs)


def write_run_lists(rows: Iterable[Observation], folder: Path, name: str, *, overwrite: bool = False) -> list[Path]:
    """Write ``common_data{name}.txt`` and ``MAGIC_runs{name}.txt``.

    Files that hold the same already are left as they are.

    Parameters
    ----------
    rows : iterable of Observation
        In the order in which nights are numbered.
    folder : pathlib.Path
        Made if missing.
    name : str
        Of the selection, such as ``Crab``.
    overwrite : bool
        Replace files that hold something else.

    Returns
    -------
    list of pathlib.Path
        Both files.

    Raises
    ------
    StereoLogError
        If there is no row, the name cannot be a part of a file's name, or a file holds something else.
    """
    chosen = list(rows)
    if not chosen:
        raise StereoLogError("no row is selected, so no run lists are written; --why says what excludes each row")
    if not _NAME.fullmatch(name):
        raise StereoLogError(f"{name!r} cannot be a part of a file's name: letters, digits and + - . _ only")
    texts = {
        folder / f"common_data{name}.txt": common_data_text(chosen),
        folder / f"MAGIC_runs{name}.txt": magic_runs_text(chosen),
    }
    try:
        different = [path for path, text in texts.items() if path.exists() and path.read_bytes() != text.encode()]
        if different and not overwrite:
            raise StereoLogError(
                f"{', '.join(map(str, different))} holds other runs: give --overwrite to replace, or another name "
                "with --as. Nothing was written"
            )
        for path, text in texts.items():
            if not path.exists() or path in different:
                write_atomically(path, text)
    except OSError as error:
        raise StereoLogError(f"the run lists cannot be written to {folder}: {error}") from None
    return list(texts)
