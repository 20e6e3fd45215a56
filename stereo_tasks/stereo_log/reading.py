"""Reading the stereo log, wherever it is and in whichever format."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from stereo_tasks.stereo_log.automcp import HDF5_MAGIC, SUFFIXES, parse_lst_runs, parse_tables, read_tables
from stereo_tasks.stereo_log.fetch import fetch_log
from stereo_tasks.stereo_log.observation import (
    LogProblem,
    LstRunFacts,
    Observation,
    RunFacts,
    StereoLog,
    StereoLogError,
)
from stereo_tasks.stereo_log.origin import default_cache, is_url, shown
from stereo_tasks.stereo_log.sheet import parse_sheet

if TYPE_CHECKING:
    from stereo_tasks.settings import Settings

_log = logging.getLogger(__name__)

ASK_AGAIN_AFTER_S = 60.0  # hundreds of tasks that start together ask the server once
_MAX_BYTES = 100_000_000
_MAX_FILES = 4
_KEPT = 4
_Parsed = tuple[tuple[Observation, ...], tuple[LogProblem, ...]]
_known: dict[str, StereoLog] = {}  # by checksum; all of a log is immutable


def read_log(
    origin: str | Path, cache_folder: Path | None = None, *, ask_again_after_s: float = ASK_AGAIN_AFTER_S
) -> StereoLog:
    """Read a stereo log.

    Rows that cannot be understood are reported and do not stop the others: each becomes one `LogProblem`, and nothing
    of it an observation. Reading the same content again in the same process takes milliseconds.

    Parameters
    ----------
    origin : str or pathlib.Path
        The sheet's CSV export, as a file or as an http(s) address of which a copy is kept; or autoMCP's tables, as one
        HDF5 file or as the folder that holds the files.
    cache_folder : pathlib.Path, optional
        Where copies of addresses are kept; the user's cache by default. `read_site_log` uses the site's.
    ask_again_after_s : float
        A server that was asked less than so many seconds ago is not asked again; then the copy is read.

    Raises
    ------
    StereoLogError
        If there is no such file, no answer and no copy, or no log in it.
    """
    if is_url(origin):
        return _read_url(str(origin), cache_folder or default_cache(), ask_again_after_s)
    path = Path(origin)
    files = _automcp_files(path)
    if len(files) > _MAX_FILES:
        raise StereoLogError(f"{path} has {len(files)} HDF5 files: give a folder with autoMCP's one or two alone")
    if files:
        return _read_automcp(path, {str(one): _content(one) for one in files})
    content = _content(path)
    if content.startswith(HDF5_MAGIC):
        return _read_automcp(path, {str(path): content})
    log = _remembered(_checksum(content), lambda: parse_sheet(content, str(path)))
    return replace(log, origin=str(path))


def read_site_log(settings: Settings) -> StereoLog:
    """Read the log of a site: ``paths.stereo_log``, with copies in ``{state}/stereo_log``.

    Where the log is the sheet, its rows get what the tables of ``paths.automcp`` know of their LST-1 runs.

    Raises
    ------
    StereoLogError
        If the log or the tables cannot be read: without them, runs would get the Monte Carlo of another NSB.
    """
    paths = settings.site.paths
    log = read_log(paths.stereo_log, paths.state / "stereo_log")
    return log if paths.automcp is None else with_run_facts(log, paths.automcp)


def with_run_facts(log: StereoLog, tables: Path) -> StereoLog:
    """Give the rows of the sheet what autoMCP's tables know of their LST-1 runs.

    Parameters
    ----------
    log : StereoLog
        The sheet. Rows that come from tables stay as they are.
    tables : pathlib.Path
        A file of autoMCP, or the folder that holds its files.

    Raises
    ------
    StereoLogError
        If they cannot be read.
    """
    if not tables.exists():
        raise StereoLogError(f"{tables} does not exist: correct paths.automcp in config/site.yaml, or take it out")
    contents = {str(one): _content(one) for one in _automcp_files(tables) or [tables]}
    known, problems = _run_facts(tuple(contents.items()), str(tables))
    checksum = _checksum("\n".join([log.checksum, *map(_checksum, contents.values())]).encode())
    rows = tuple(_with_facts(row, known) for row in log.observations)
    return replace(log, observations=rows, problems=(*log.problems, *problems), checksum=checksum)


@lru_cache(maxsize=1)
def _run_facts(
    contents: tuple[tuple[str, bytes], ...], name: str
) -> tuple[dict[int, LstRunFacts], tuple[LogProblem, ...]]:
    return parse_lst_runs(read_tables(dict(contents)), name)


def _with_facts(row: Observation, known: Mapping[int, LstRunFacts]) -> Observation:
    facts = tuple(known[run] for run in row.lst_runs if run in known)
    return replace(row, facts=RunFacts(facts, ())) if facts and row.facts is None else row


def _read_url(origin: str, cache_folder: Path, ask_again_after_s: float) -> StereoLog:
    fetched = fetch_log(origin, cache_folder, max_age_s=ask_again_after_s)
    if fetched.warning:
        _log.warning("%s", fetched.warning)
    content = _content(fetched.path)
    log = _remembered(_checksum(content), lambda: parse_sheet(content, shown(origin)))
    return replace(
        log,
        origin=shown(origin),
        etag=fetched.etag,
        last_modified=fetched.last_modified,
        warnings=(fetched.warning,) if fetched.warning else (),
    )


def _read_automcp(path: Path, contents: dict[str, bytes]) -> StereoLog:
    checksums = [_checksum(content) for content in contents.values()]
    checksum = checksums[0] if len(checksums) == 1 else _checksum("\n".join(sorted(checksums)).encode())
    log = _remembered(checksum, lambda: parse_tables(read_tables(contents), str(path)))
    return replace(log, origin=str(path))


def _automcp_files(path: Path) -> list[Path]:
    """Return autoMCP's files if a path is one of them by its name, or a folder with some."""
    try:
        if path.is_dir():
            return sorted(one for one in path.iterdir() if one.suffix in SUFFIXES and one.is_file())
        return [path] if path.suffix in SUFFIXES and path.is_file() else []
    except (OSError, ValueError):  # reading it will say what is wrong
        return []


def _content(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise StereoLogError(f"{path} cannot be read: it is not a file")
        if path.stat().st_size > _MAX_BYTES:
            raise StereoLogError(f"{path} has more than {_MAX_BYTES / 1e6:g} MB: that is no stereo log")
        return path.read_bytes()
    except FileNotFoundError:
        raise StereoLogError(
            f"{path} does not exist: export the stereo log as CSV to it, "
            "or correct paths.stereo_log in config/site.yaml (--log on the command line)"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise StereoLogError(f"{path} cannot be read: {error}") from None


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _remembered(checksum: str, parse: Callable[[], _Parsed]) -> StereoLog:
    log = _known.get(checksum)
    if log is None:
        log = StereoLog(*parse(), checksum)
        for oldest in list(_known)[: -(_KEPT - 1)]:
            _known.pop(oldest, None)
        _known[checksum] = log
    return log
