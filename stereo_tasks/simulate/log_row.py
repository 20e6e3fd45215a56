"""The stereo log in the layout of the real one: a preamble, two header lines, one row a night and source."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from stereo_tasks.nights import Night
from stereo_tasks.simulate.atomic import write_text

_COLUMNS = 14

_PREAMBLE: tuple[list[str], ...] = (
    [
        "Date of MAGIC data directories refers to the morning after data taking. Convention in LST is the opposite: "
        "directories refer to the day (evening) when the data taking starts."
    ],
    ['Observing the same source means "FOVs within 5 deg"; Same wobble means "FOVs within 0.1 deg" '],
    [],
    ["Simulated observations: no photon of this log ever came from the sky."],
    [],
)

_HEADER = (
    [
        "Date",
        "Source",
        "Conditions",
        "Trigger (MAGIC)",
        "Stereo",
        "HV",
        "Min Zd [deg]",
        "Max Zd [deg]",
        "LST",
        "MAGIC",
        "",
        "",
        "",
        "Notes",
    ],
    [
        "(LST convention)",
        "",
        "",
        "",
        "",
        "",
        "LST-1 only",
        "LST-1 only",
        "Data runs",
        "First run",
        "Last run",
        "Obs. time (min)",
        "Same wobble (min)",
        "",
    ],
)


@dataclass(frozen=True)
class LogRow:
    """One row: a source in a night, observed with all three telescopes."""

    night: Night
    source: str
    zenith_deg: tuple[float, float]
    lst_runs: tuple[int, ...]
    magic_runs: tuple[int, int]
    minutes: float

    def cells(self) -> list[str]:
        """Return the row's cells as the log writes them."""
        minutes = f"{self.minutes:.2f}"
        return [
            self.night.log_date,
            self.source,
            "['Dark']",
            "['L3T']",
            "[True]",
            "['Nominal']",
            f"{self.zenith_deg[0]:.2f}",
            f"{self.zenith_deg[1]:.2f}",
            str(list(self.lst_runs)),
            str(self.magic_runs[0]),
            str(self.magic_runs[1]),
            minutes,
            minutes,
            "",
        ]


def update_log(path: Path, rows: list[LogRow]) -> None:
    """Put a night's rows into the log: rows of the same night are replaced, all others stay as they are.

    Parameters
    ----------
    path : pathlib.Path
        The log; made if it does not exist.
    rows : list of LogRow
        Rows of one night.
    """
    date = rows[0].night.log_date
    kept = [cells for cells in _read_rows(path) if cells[0] != date]
    cells = sorted([*kept, *(row.cells() for row in rows)], key=lambda row: row[0])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for line in (*_PREAMBLE, [], *_HEADER, *cells):
        writer.writerow([*line, *[""] * (_COLUMNS - len(line))])
    write_text(path, text.getvalue())


def _read_rows(path: Path) -> list[list[str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))
    header = next((i for i, line in enumerate(lines) if line and line[0] == _HEADER[1][0]), None)
    if header is None:
        raise ValueError(f"{path} is no stereo log: no line starts with {_HEADER[1][0]!r}; move it away")
    return [line for line in lines[header + 1 :] if any(line)]
