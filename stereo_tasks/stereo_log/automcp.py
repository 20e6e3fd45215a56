"""autoMCP's tables (``joint_obs``, ``MAGIC1/runs_M1``, ``MAGIC2/runs_M2``) -> observations and problems.

autoMCP keeps one row per LST-1 run, and one per run of each MAGIC telescope, in one or two HDF5 files. An observation
is what they have of one night and source. They know each run's NSB, tailcut and lstchain version, which the sheet does
not; they do not know conditions, zenith distances and the whole observation time.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from stereo_tasks.nights import Night
from stereo_tasks.stereo_log import automcp_tables, cells
from stereo_tasks.stereo_log.automcp_tables import KEYS
from stereo_tasks.stereo_log.observation import (
    LogProblem,
    LstRunFacts,
    MagicRunFacts,
    Observation,
    RunFacts,
    StereoLogError,
    shortened,
)

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
SUFFIXES = frozenset({".h5", ".hdf", ".hdf5"})
_TIMEOUT_S = 180.0
_LST, _MAGIC = KEYS[0], dict(enumerate(KEYS[1:], start=1))
_MAX_MAGIC_RUN = 999_999_999
_MAX_SUBRUNS = 9_999

Table = Mapping[str, Any]
"""``columns``: names; ``rows``: one list of plain values each."""


def read_tables(contents: Mapping[str, bytes]) -> dict[str, Table]:
    """Read the tables of some HDF5 files, in a process of its own.

    Parameters
    ----------
    contents : mapping
        Content of each file by its name.

    Raises
    ------
    StereoLogError
        If a file cannot be read, or two of them hold the same table.
    """
    names = list(contents)
    with tempfile.TemporaryDirectory(prefix="stereo-log-") as folder:
        paths = [Path(folder) / f"{number}.h5" for number in range(len(names))]
        for path, name in zip(paths, names, strict=True):
            path.write_bytes(contents[name])
        answer = _answer([str(path) for path in paths], ", ".join(names))
    if "error" in answer:
        raise StereoLogError(
            f"{names[answer['number']]} cannot be read as tables of autoMCP: {answer['error']}. If autoMCP is writing "
            "it just now, try again; else restore it"
        )
    tables: dict[str, Table] = {}
    owner: dict[str, str] = {}
    for name, found in zip(names, answer["tables"], strict=True):
        for key, table in found.items():
            if key in tables:
                raise StereoLogError(f"{owner[key]} and {name} both hold {key}: leave only the one that counts")
            tables[key], owner[key] = table, name
    return tables


def _answer(paths: list[str], names: str) -> dict[str, Any]:
    # Nobody else can write to these copies; network file systems often have no locks at all.
    environment = {**os.environ, "HDF5_USE_FILE_LOCKING": "FALSE"}
    # As a file, not as a module: it needs nothing of this package, whose import would take longer than the reading.
    command = [sys.executable, "-I", automcp_tables.__file__, *paths]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, env=environment, check=False)
        answer = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise StereoLogError(f"{names}: not read within {_TIMEOUT_S:g} s; is it damaged?") from None
    except ValueError:
        if b"No module named" in done.stderr:
            said = done.stderr.decode(errors="replace").strip().splitlines()[-1]
            raise StereoLogError(f"autoMCP's tables need the control environment ('make setup'): {said}") from None
        raise StereoLogError(f"{names}: reading it crashed (exit code {done.returncode}): it is damaged") from None
    if not isinstance(answer, dict):
        raise StereoLogError(f"{names}: reading it gave nothing that can be used")
    return answer


def parse_tables(tables: Mapping[str, Table], name: str) -> tuple[tuple[Observation, ...], tuple[LogProblem, ...]]:
    """Make observations of autoMCP's tables.

    Runs that cannot be understood are reported, and the others of their night and source taken without them.

    Parameters
    ----------
    tables : mapping
        The three tables by their keys.
    name : str
        Of the file or folder, for messages.

    Raises
    ------
    StereoLogError
        If a table or one of its columns is missing.
    """
    problems: list[LogProblem] = []
    lst = _read(tables, _LST, _LST_COLUMNS, name, problems, _LST_OPTIONAL)
    magic: defaultdict[tuple[Night, str], list[MagicRunFacts]] = defaultdict(list)
    for telescope, key in _MAGIC.items():
        for row in _unique(_read(tables, key, _MAGIC_COLUMNS, name, problems), "Run ID", key, problems):
            magic[row["DATE"], row["source"]].append(MagicRunFacts(row["Run ID"], telescope, row["number of subruns"]))
    groups: defaultdict[tuple[Night, str], list[dict[str, Any]]] = defaultdict(list)
    for row in _unique(lst, "LST1_run", _LST, problems):
        groups[row["DATE"], row["source"]].append(row)
    observations = []
    for key_of_group in sorted(groups, key=lambda one: (one[0].evening, one[1])):
        rows = groups[key_of_group]
        runs = _common(rows, magic.get(key_of_group, []))
        if runs:
            observations.append(_observation(*key_of_group, rows, runs))
        else:
            message = "autoMCP's tables have no MAGIC run of this night and source that fits its trigger"
            text = f"{key_of_group[0]} {key_of_group[1]}"
            problems.append(LogProblem(min(row["line"] for row in rows), f"{_LST} source", text, message))
    return tuple(observations), tuple(sorted(problems, key=lambda one: (one.column, one.line)))


def parse_lst_runs(tables: Mapping[str, Table], name: str) -> tuple[dict[int, LstRunFacts], tuple[LogProblem, ...]]:
    """Return what the table of LST-1 runs knows of each run; the other tables need not be there.

    Parameters
    ----------
    tables, name
        As for `parse_tables`.
    """
    problems: list[LogProblem] = []
    rows = _unique(_read(tables, _LST, _LST_COLUMNS, name, problems, _LST_OPTIONAL), "LST1_run", _LST, problems)
    return {row["LST1_run"]: _lst_facts(row) for row in rows}, tuple(problems)


def _lst_facts(row: Mapping[str, Any]) -> LstRunFacts:
    return LstRunFacts(
        row["LST1_run"], row["perfect_match_time_min"], row["nsb"], row["error_code_nsb"], row["tailcut"],
        row["processed_lstchain_file"], row["lstchain_versions"],
    )  # fmt: skip


def _observation(
    night: Night, source: str, rows: Sequence[dict[str, Any]], runs: Sequence[MagicRunFacts]
) -> Observation:
    rows = sorted(rows, key=lambda row: int(row["LST1_run"]))
    lst = tuple(map(_lst_facts, rows))
    numbers = [one.run for one in runs]
    return Observation(
        night=night,
        source=source,
        conditions=(),
        trigger=_each(rows, "MAGIC_trigger"),
        stereo=_each(rows, "MAGIC_stereo"),
        hv=_each(rows, "MAGIC_HV"),
        zenith_min_deg=None,
        zenith_max_deg=None,
        lst_runs=tuple(one.run for one in lst),
        magic_first_run=min(numbers),
        magic_last_run=max(numbers),
        observation_min=None,
        same_wobble_min=round(sum(one.same_wobble_min for one in lst), 6),
        notes="",
        line=min(row["line"] for row in rows),
        facts=RunFacts(lst, tuple(sorted(runs, key=lambda one: (one.run, one.telescope)))),
    )


def _each(rows: Iterable[dict[str, Any]], column: str) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(row[column] for row in rows))


def _common(rows: Sequence[dict[str, Any]], runs: Sequence[MagicRunFacts]) -> list[MagicRunFacts]:
    """Return the MAGIC runs that belong to an observation: of both telescopes, or for mono data of the one it names."""
    if any(row["MAGIC_stereo"] for row in rows):
        both = set.intersection(*({one.run for one in runs if one.telescope == number} for number in (1, 2)))
        return [one for one in runs if one.run in both]
    wanted = {int(row["MAGIC_trigger"][-1]) for row in rows if row["MAGIC_trigger"] in {"L1_M1", "L1_M2"}}
    return [one for one in runs if not wanted or one.telescope in wanted]


def _unique(
    rows: Iterable[dict[str, Any]], column: str, key: str, problems: list[LogProblem]
) -> Iterable[dict[str, Any]]:
    """Yield rows, but of those that name the same run only the first."""
    seen: dict[int, int] = {}
    for row in rows:
        run = row[column]
        if run in seen:
            problems.append(LogProblem(row["line"], f"{key} {column}", str(run), f"row {seen[run]} has this run, too"))
        else:
            seen[run] = row["line"]
            yield row


def _read(
    tables: Mapping[str, Table],
    key: str,
    readers: Mapping[str, Callable[[Any], Any]],
    name: str,
    problems: list[LogProblem],
    optional: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Read the columns of one table; a row with a damaged cell is reported and left out."""
    if key not in tables:
        raise StereoLogError(
            f"{name} has no table {key}: put autoMCP's file of the LST-1 runs and its file of the MAGIC runs into one "
            "folder, and give that folder"
        )
    positions = {title: position for position, title in enumerate(tables[key]["columns"])}
    defaults = optional or {}
    if lacking := [title for title in readers if title not in positions and title not in defaults]:
        raise StereoLogError(f"{name}: table {key} has no column {', '.join(lacking)}")
    rows = []
    for line, values in enumerate(tables[key]["rows"], start=1):
        row: dict[str, Any] = {"line": line}
        for title, read in readers.items():
            if title not in positions:
                row[title] = defaults[title]
                continue
            value = values[positions[title]]
            try:
                row[title] = read(value)
            except cells.CellError as error:
                problems.append(LogProblem(line, f"{key} {title}", shortened(str(value)), str(error)))
                break
        else:
            rows.append(row)
    return rows


# --- cells: numbers come as texts, and texts as numbers, as the years went by ---


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _night(value: Any) -> Night:
    return cells.night(_text(_whole(value)))


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _integer(value: Any, *, maximum: int) -> int:
    text = _text(_whole(value))
    if isinstance(value, bool) or not text.isascii() or not text.isdigit() or len(text) > 12:
        raise cells.CellError("not a whole number")
    if not 0 < int(text) <= maximum:
        raise cells.CellError(f"not between 1 and {maximum}")
    return int(text)


def _truth(value: Any) -> bool:
    truth = {"True": True, "False": False}.get(str(value)) if isinstance(value, bool | str) else None
    if truth is None:
        raise cells.CellError("neither True nor False")
    return truth


def _word(value: Any) -> str:
    (word,) = cells.words(f"[{_text(value)!r}]")
    return word


def _number(value: Any, *, maximum: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise cells.CellError("not a number") from None
    if isinstance(value, bool) or not 0 <= number <= maximum:  # NaN is not, either
        raise cells.CellError(f"not between 0 and {maximum:g}")
    return number


def _nsb(value: Any) -> float | None:
    return None if _text(value) in {"", "nan"} else _number(value, maximum=100)


def _error_code(value: Any) -> int | None:
    text = _text(_whole(value))
    if text in {"", "nan"}:
        return None
    if text not in {"-1", "0", "1", "2", "3"}:
        raise cells.CellError("not one of autoMCP's codes -1, 0, 1, 2, 3")
    return int(text)


def _versions(value: Any) -> tuple[str, ...]:
    text = _text(value)
    if text in {"", "[]", "nan"}:
        return ()
    parts = [part.strip().strip("'\"") for part in text.strip("[]").split(",")]
    return tuple(_version(part) for part in parts)


def _version(text: str) -> str:
    if not cells.VERSION.fullmatch(text):
        raise cells.CellError("not a version of lstchain, such as v0.10")
    return text


def _version_of_file(value: Any) -> str:
    """Return the version from the path of a file, ``.../v0.10/tailcut84/dl1_LST-1.Run03265.h5``."""
    text = _text(value)
    if text in {"", "nan"}:
        return ""
    parts = text.split("/")
    if len(parts) < 3:
        raise cells.CellError("not the path of an LST-1 file: .../{version}/{tailcut}/dl1_LST-1.RunNNNNN.h5")
    return _version(parts[-3])


def _tailcut(value: Any) -> str:
    text = _text(value)
    return "" if text in {"", "nan"} else _word(text)


_LST_COLUMNS: dict[str, Callable[[Any], Any]] = {
    "DATE": _night,
    "source": lambda value: cells.source(_text(value)),
    "LST1_run": functools.partial(_integer, maximum=99_999),
    "MAGIC_stereo": _truth,
    "MAGIC_trigger": _word,
    "MAGIC_HV": _word,
    "perfect_match_time_min": functools.partial(_number, maximum=24 * 60.0),
    "nsb": _nsb,
    "lstchain_versions": _versions,
    "processed_lstchain_file": _version_of_file,
    "tailcut": _tailcut,
    "error_code_nsb": _error_code,
}
# A table whose NSB nobody has measured yet.
_LST_OPTIONAL: dict[str, Any] = {
    "nsb": None, "lstchain_versions": (), "processed_lstchain_file": "", "tailcut": "", "error_code_nsb": None,
}  # fmt: skip
_MAGIC_COLUMNS: dict[str, Callable[[Any], Any]] = {
    "DATE": _night,
    "source": lambda value: cells.source(_text(value)),
    "Run ID": functools.partial(_integer, maximum=_MAX_MAGIC_RUN),
    "number of subruns": functools.partial(_integer, maximum=_MAX_SUBRUNS),
}
