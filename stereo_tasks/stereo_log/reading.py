"""Reading the stereo log (CSV export of the spreadsheet)."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from stereo_tasks.nights import Night
from stereo_tasks.stereo_log import cells
from stereo_tasks.stereo_log.observation import LogProblem, Observation, StereoLog, StereoLogError
from stereo_tasks.stereo_log.records import Row, rows

_MAX_MAGIC_RUNS = 60  # of one row; the log of 2019-2022 has 23 at most
_SINGLE_TELESCOPE_BELOW = 5_000_000
_DAY_MIN = 24 * 60.0

_minutes = functools.partial(cells.number, maximum=_DAY_MIN, unit="minutes")
_zenith = functools.partial(cells.number, maximum=90.0, unit="deg")

# Field of Observation, name of the column in the log (first or second line of the header), reader of the cell.
_COLUMNS: tuple[tuple[str, str, Callable[[str], Any]], ...] = (
    ("night", "Date", cells.night),
    ("source", "Source", cells.source),
    ("conditions", "Conditions", cells.words),
    ("trigger", "Trigger (MAGIC)", cells.words),
    ("stereo", "Stereo", cells.flags),
    ("hv", "HV", cells.words),
    ("zenith_min_deg", "Min Zd [deg]", _zenith),
    ("zenith_max_deg", "Max Zd [deg]", _zenith),
    ("lst_runs", "Data runs", cells.lst_runs),
    ("magic_first_run", "First run", cells.integer),
    ("magic_last_run", "Last run", cells.integer),
    ("observation_min", "Obs. time (min)", _minutes),
    ("same_wobble_min", "Same wobble (min)", _minutes),
)
_NOTES = "Notes"


class _RowError(ValueError):
    def __init__(self, column: str, text: str, message: str) -> None:
        super().__init__(message)
        self.column, self.text = column, text


def read_log(path: str | Path) -> StereoLog:
    """Read a stereo log.

    Rows that cannot be understood are reported and do not stop the others: each becomes one `LogProblem`, and nothing
    of it an observation.

    Parameters
    ----------
    path : str or pathlib.Path
        CSV file with some lines of preamble, a header of two lines, and one row a night and source. Dates are evening
        dates.

    Raises
    ------
    StereoLogError
        If there is no such file, or no header in it.
    """
    content = _content(Path(path))
    remaining = rows(content.decode("utf-8-sig", errors="replace"))
    positions = _header(remaining, path)
    observations: list[Observation] = []
    problems: list[LogProblem] = []
    seen = _Seen()
    for row in remaining:
        try:
            observation = _observation(row, positions)
            seen.add(observation)
        except _RowError as error:
            problems.append(LogProblem(row.line, error.column, _shortened(error.text), str(error)))
        else:
            observations.append(observation)
    return StereoLog(tuple(observations), tuple(problems), hashlib.sha256(content).hexdigest())


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise StereoLogError(
            f"{path} does not exist: export the stereo log as CSV to it, "
            "or correct paths.stereo_log in config/site.yaml"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise StereoLogError(f"{path} cannot be read: {error}") from None


def _header(remaining: Iterable[Row], path: str | Path) -> dict[str, int]:
    """Advance behind the header, and return the position of each column."""
    iterator = iter(remaining)
    for first in iterator:
        if first.cells[:2] == ("Date", "Source"):
            break
    else:
        raise StereoLogError(f"{path} has no line that starts with 'Date,Source': is it the stereo log, as CSV?")
    second = next(iterator, None)
    if second is None:
        raise StereoLogError(f"{path} ends within its header")
    positions: dict[str, int] = {}
    for names in (first.cells, second.cells):
        for position, name in enumerate(names):
            if name:
                positions.setdefault(" ".join(name.split()), position)
    if lacking := [name for _, name, _ in _COLUMNS if name not in positions]:
        raise StereoLogError(f"{path} has no column {', '.join(lacking)} (line {first.line}): was the sheet changed?")
    return positions


def _observation(row: Row, positions: dict[str, int]) -> Observation:
    if row.damage:
        raise _RowError("", row.text, row.damage)
    if any(row.cells[max(positions.values()) + 1 :]):
        raise _RowError("", row.text, "more cells than the header has columns: is a list without its quotes?")
    values: dict[str, Any] = {}
    for name, column, read in _COLUMNS:
        position = positions[column]
        text = row.cells[position] if position < len(row.cells) else ""
        try:
            values[name] = read(text)
        except cells.CellError as error:
            raise _RowError(column, text, str(error) if text else "nothing is written here") from None
    notes = positions.get(_NOTES, len(row.cells))
    values["notes"] = row.cells[notes] if notes < len(row.cells) else ""
    observation = Observation(**values, line=row.line)
    _check(observation)
    return observation


def _check(row: Observation) -> None:
    """Check what the cells say together."""
    first, last = row.magic_first_run, row.magic_last_run
    if last < first:
        raise _RowError("Last run", str(last), f"before the first run {first}")
    if last - first >= _MAX_MAGIC_RUNS:
        raise _RowError("Last run", str(last), f"{last - first + 1} runs from {first}: more than a night can hold")
    if first < _SINGLE_TELESCOPE_BELOW <= last:
        raise _RowError("First run", str(first), f"runs of one telescope and of both up to {last}")
    if row.zenith_min_deg > row.zenith_max_deg:
        raise _RowError("Min Zd [deg]", f"{row.zenith_min_deg:g}", f"above the maximum {row.zenith_max_deg:g}")
    if row.same_wobble_min > row.observation_min:
        raise _RowError("Same wobble (min)", f"{row.same_wobble_min:g}", f"more than all, {row.observation_min:g}")


class _Seen:
    """What the rows so far claimed; no two rows may claim the same."""

    def __init__(self) -> None:
        self._sources: dict[tuple[Night, str], Observation] = {}
        self._lst_runs: dict[int, Observation] = {}

    def add(self, row: Observation) -> None:
        other = self._sources.get((row.night, row.source))
        if other is not None:
            raise _RowError("Source", row.source, f"{row.night} has it on line {other.line}, too: join the rows")
        for run in row.lst_runs:
            if run in self._lst_runs:
                other = self._lst_runs[run]
                raise _RowError("Data runs", str(run), f"line {other.line} ({other}) has this LST-1 run already")
        self._sources[row.night, row.source] = row
        self._lst_runs.update(dict.fromkeys(row.lst_runs, row))


def _shortened(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= 120 else one_line[:117] + "..."
