"""The CSV export of the collaboration's sheet -> observations and problems."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from stereo_tasks.nights import Night
from stereo_tasks.stereo_log import cells
from stereo_tasks.stereo_log.observation import LogProblem, Observation, StereoLogError, shortened
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


def parse_sheet(content: bytes, name: str) -> tuple[tuple[Observation, ...], tuple[LogProblem, ...]]:
    """Parse the CSV export: some lines of preamble, a header of two lines, one row a night and source.

    Rows that cannot be understood are reported and do not stop the others: each becomes one `LogProblem`, and nothing
    of it an observation.

    Parameters
    ----------
    content : bytes
        The whole file.
    name : str
        Name of the file or address, for messages.

    Raises
    ------
    StereoLogError
        If there is no header in it.
    """
    remaining = rows(content.decode("utf-8-sig", errors="replace"))
    positions = _header(remaining, name)
    observations: list[Observation] = []
    problems: list[LogProblem] = []
    seen = _Seen()
    for row in remaining:
        try:
            observation = _observation(row, positions)
            seen.add(observation)
        except _RowError as error:
            night = _night_of(row, positions)
            problems.append(LogProblem(row.line, error.column, shortened(error.text), str(error), night))
        else:
            observations.append(observation)
    return tuple(observations), tuple(problems)


def _header(remaining: Iterable[Row], name: str) -> dict[str, int]:
    """Advance behind the header, and return the position of each column."""
    iterator = iter(remaining)
    for first in iterator:
        if first.cells[:2] == ("Date", "Source"):
            break
    else:
        raise StereoLogError(f"{name} has no line that starts with 'Date,Source': is it the stereo log, as CSV?")
    second = next(iterator, None)
    if second is None:
        raise StereoLogError(f"{name} ends within its header")
    positions: dict[str, int] = {}
    for titles in (first.cells, second.cells):
        for position, title in enumerate(titles):
            if title:
                positions.setdefault(" ".join(title.split()), position)
    if lacking := [title for _, title, _ in _COLUMNS if title not in positions]:
        raise StereoLogError(f"{name} has no column {', '.join(lacking)} (line {first.line}): was the sheet changed?")
    return positions


def _night_of(row: Row, positions: dict[str, int]) -> Night | None:
    """Return the night of a damaged row, if that much of it can be read."""
    try:
        return cells.night(row.cells[positions["Date"]])
    except (cells.CellError, IndexError):
        return None


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
    _check(values)
    return Observation(**values, line=row.line)


def _check(values: dict[str, Any]) -> None:
    """Check what the cells say together."""
    first, last = values["magic_first_run"], values["magic_last_run"]
    if last < first:
        raise _RowError("Last run", str(last), f"before the first run {first}")
    if last - first >= _MAX_MAGIC_RUNS:
        raise _RowError("Last run", str(last), f"{last - first + 1} runs from {first}: more than a night can hold")
    if first < _SINGLE_TELESCOPE_BELOW <= last:
        raise _RowError("First run", str(first), f"runs of one telescope and of both up to {last}")
    lowest, highest = values["zenith_min_deg"], values["zenith_max_deg"]
    if lowest > highest:
        raise _RowError("Min Zd [deg]", f"{lowest:g}", f"above the maximum {highest:g}")
    same_wobble, observed = values["same_wobble_min"], values["observation_min"]
    if same_wobble > observed:
        raise _RowError("Same wobble (min)", f"{same_wobble:g}", f"more than all, {observed:g}")


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
