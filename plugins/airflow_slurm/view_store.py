"""What all processes of a machine share about a cluster: the last answer, and every end that was seen."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from airflow_slurm.array import ArrayHandle, JobState, JobStatus
from airflow_slurm.parsing import QueueRow, jobs_of

_TABLES = """
CREATE TABLE IF NOT EXISTS asked (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    asked_s REAL, answered INTEGER, error TEXT, answered_s REAL, failures INTEGER
);
CREATE TABLE IF NOT EXISTS arrays (
    token TEXT PRIMARY KEY, id TEXT, jobs INTEGER, watched_s REAL, ended INTEGER DEFAULT 0
);
CREATE TABLE IF NOT EXISTS rows (token TEXT PRIMARY KEY, lines TEXT);
CREATE TABLE IF NOT EXISTS ends (token TEXT, job INTEGER, status TEXT, PRIMARY KEY (token, job)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS missing (
    token TEXT, job INTEGER, since_s REAL, gap_s REAL, PRIMARY KEY (token, job)
) WITHOUT ROWID;
"""
_KEPT_S = 14 * 86_400.0
_FIELD, _LINE = "\x1f", "\n"
_TIMES = ("submitted_utc", "started_utc", "ended_utc")


@dataclass(frozen=True, slots=True)
class Asked:
    """The last question to the cluster, whoever asked it."""

    asked_s: float = 0.0
    """When, as a Unix time."""
    answered: bool = False
    error: str = ""
    answered_s: float = 0.0
    """When the cluster answered last, as a Unix time."""
    failures: int = 0
    """Questions without an answer since then."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A watched job that the cluster does not list."""

    since_s: float
    """Since when, as a Unix time."""
    gap_s: float | None
    """If it waited in the answer before: how long before it was missed that was, in seconds."""


class ViewStore:
    """A small database in a file of a local file system. Each call opens it anew: it is used by threads and forks.

    Parameters
    ----------
    path : pathlib.Path
        The file; made if it is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.parent.stat().st_uid != os.getuid():
            raise PermissionError(f"{path.parent} belongs to somebody else; name a folder of your own as state_folder")
        with self._open() as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(_TABLES)

    @contextlib.contextmanager
    def _open(self, *, write: bool = False) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self.path, timeout=20, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous=NORMAL")
            if write:
                connection.execute("BEGIN IMMEDIATE")
            yield connection
            if write:
                connection.execute("COMMIT")
        finally:
            connection.close()  # rolls back what was not committed

    def asked(self) -> Asked:
        """Return when the cluster was asked last, and whether it answered."""
        with self._open() as connection:
            row = connection.execute("SELECT asked_s, answered, error, answered_s, failures FROM asked").fetchone()
        return Asked() if row is None else Asked(row[0], bool(row[1]), *row[2:])

    def note_failure(self, now_s: float, error: str) -> None:
        """Write down that the cluster did not answer; what was known stays."""
        with self._open(write=True) as connection:
            connection.execute(
                "INSERT INTO asked VALUES (1, ?, 0, ?, 0, 1) ON CONFLICT (one) DO UPDATE SET "
                "asked_s = excluded.asked_s, answered = 0, error = excluded.error, failures = failures + 1",
                (now_s, error),
            )

    def note_answer(self, now_s: float, rows: Mapping[str, list[QueueRow]]) -> dict[str, dict[int, QueueRow]]:
        """Take over an answer; return rows of jobs that run although they had ended, by token and job number.

        Parameters
        ----------
        now_s : float
            The time, as a Unix time.
        rows : mapping
            The rows of all arrays, by token.
        """
        with self._open(write=True) as connection:
            known = _handles(connection)
            reappeared: dict[str, dict[int, QueueRow]] = {}
            for token, listed in rows.items():
                ended = _ended(connection, token)
                for job, row in jobs_of(listed, known.get(token)).items():
                    if row.state.final and job not in ended:
                        _note_end(connection, token, job, row.status)
                    elif not row.state.final and job in ended and token in known:
                        reappeared.setdefault(token, {})[job] = row
            self._note_missing(connection, now_s, rows, known)
            self._replace_rows(connection, rows)
            connection.execute(
                "INSERT INTO asked VALUES (1, ?, 1, '', ?, 0) ON CONFLICT (one) DO UPDATE SET "
                "asked_s = excluded.asked_s, answered = 1, error = '', answered_s = excluded.answered_s, failures = 0",
                (now_s, now_s),
            )
            return reappeared

    def _note_missing(
        self,
        connection: sqlite3.Connection,
        now_s: float,
        rows: Mapping[str, list[QueueRow]],
        known: Mapping[str, ArrayHandle],
    ) -> None:
        open_tokens = {token for (token,) in connection.execute("SELECT token FROM arrays WHERE ended = 0")}
        connection.execute("DELETE FROM missing WHERE token NOT IN (SELECT token FROM arrays WHERE ended = 0)")
        for token in open_tokens:
            handle = known[token]
            done = _ended(connection, token)
            if len(done) >= handle.jobs:
                connection.execute("UPDATE arrays SET ended = 1 WHERE token = ?", (token,))
                connection.execute("DELETE FROM missing WHERE token = ?", (token,))
                continue
            listed = set(jobs_of(rows.get(token, ()), handle))
            absent = set(range(handle.jobs)) - done - listed
            missed = {job for (job,) in connection.execute("SELECT job FROM missing WHERE token = ?", (token,))}
            found_again = ((token, job) for job in missed - absent)
            connection.executemany("DELETE FROM missing WHERE token = ? AND job = ?", found_again)
            if absent - missed:
                before = _rows(connection, token, handle)
                answered = connection.execute("SELECT answered_s FROM asked").fetchone()
                gap_s = now_s - answered[0] if answered else None
                waited = {job for job, row in before.items() if row.state == JobState.PENDING}
                connection.executemany(
                    "INSERT INTO missing VALUES (?, ?, ?, ?)",
                    [(token, job, now_s, gap_s if job in waited else None) for job in absent - missed],
                )

    def _replace_rows(self, connection: sqlite3.Connection, rows: Mapping[str, list[QueueRow]]) -> None:
        before = dict(connection.execute("SELECT token, lines FROM rows"))
        new = {token: _LINE.join(map(_FIELD.join, listed)) for token, listed in rows.items()}
        connection.executemany("DELETE FROM rows WHERE token = ?", [(token,) for token in before.keys() - new.keys()])
        # Arrays that nobody watches here and that the cluster has forgotten.
        connection.execute(
            "DELETE FROM ends WHERE token NOT IN (SELECT token FROM arrays) AND token NOT IN (SELECT token FROM rows)"
        )
        changed = [(token, lines) for token, lines in new.items() if before.get(token) != lines]
        connection.executemany("INSERT OR REPLACE INTO rows VALUES (?, ?)", changed)

    def watch(self, handle: ArrayHandle, now_s: float) -> None:
        """Have an array's jobs missed when the cluster does not list them."""
        with self._open(write=True) as connection:
            connection.execute(
                "INSERT INTO arrays (token, id, jobs, watched_s) VALUES (?, ?, ?, ?) ON CONFLICT (token) DO UPDATE SET "
                "id = excluded.id, jobs = excluded.jobs, watched_s = excluded.watched_s",
                (handle.token, handle.id, handle.jobs, now_s),
            )

    def watched(self) -> dict[str, ArrayHandle]:
        """Return the arrays that are watched or were, by token."""
        with self._open() as connection:
            return _handles(connection)

    def missing(self) -> dict[str, dict[int, Missing]]:
        """Return the jobs that should be listed and are not, by token and number."""
        missing: dict[str, dict[int, Missing]] = {}
        with self._open() as connection:
            for token, job, since_s, gap_s in connection.execute("SELECT token, job, since_s, gap_s FROM missing"):
                missing.setdefault(token, {})[job] = Missing(since_s, gap_s)
        return missing

    def note_ends(self, ends: Iterable[tuple[str, int, JobStatus]]) -> None:
        """Write down how jobs have ended; an end that is written stays."""
        with self._open(write=True) as connection:
            for token, job, status in ends:
                _note_end(connection, token, job, status)
                connection.execute("DELETE FROM missing WHERE token = ? AND job = ?", (token, job))

    def jobs(self, token: str) -> dict[int, JobStatus]:
        """Return all that is known of an array's jobs."""
        with self._open() as connection:
            connection.execute("BEGIN")
            row = connection.execute("SELECT token, id, jobs FROM arrays WHERE token = ?", (token,)).fetchone()
            listed = _rows(connection, token, None if row is None else ArrayHandle(*row))
            ends = connection.execute("SELECT job, status FROM ends WHERE token = ?", (token,)).fetchall()
        ended = {job: _decode(text) for job, text in ends}
        return {job: row.status for job, row in listed.items() if job not in ended} | ended

    def tokens(self) -> list[str]:
        """Return the arrays of which something is known."""
        with self._open() as connection:
            return [token for (token,) in connection.execute("SELECT token FROM rows UNION SELECT token FROM ends")]

    def forget(self, token: str, now_s: float) -> None:
        """Drop an array, and those that nobody has looked at for two weeks."""
        with self._open(write=True) as connection:
            old = connection.execute("SELECT token FROM arrays WHERE watched_s < ?", (now_s - _KEPT_S,)).fetchall()
            for statement in (
                "DELETE FROM ends WHERE token = ?",
                "DELETE FROM missing WHERE token = ?",
                "DELETE FROM rows WHERE token = ?",
                "DELETE FROM arrays WHERE token = ?",
            ):
                connection.executemany(statement, [(token,), *old])


def _handles(connection: sqlite3.Connection) -> dict[str, ArrayHandle]:
    return {row[0]: ArrayHandle(*row) for row in connection.execute("SELECT token, id, jobs FROM arrays")}


def _ended(connection: sqlite3.Connection, token: str) -> set[int]:
    return {job for (job,) in connection.execute("SELECT job FROM ends WHERE token = ?", (token,))}


def _rows(connection: sqlite3.Connection, token: str, handle: ArrayHandle | None) -> dict[int, QueueRow]:
    row = connection.execute("SELECT lines FROM rows WHERE token = ?", (token,)).fetchone()
    if row is None:
        return {}
    return jobs_of((QueueRow._make(line.split(_FIELD)) for line in row[0].split(_LINE)), handle)


def _note_end(connection: sqlite3.Connection, token: str, job: int, status: JobStatus) -> None:
    text = json.dumps({key: value for key, value in asdict(status).items() if value is not None}, default=str)
    connection.execute("INSERT OR IGNORE INTO ends VALUES (?, ?, ?)", (token, job, text))


def _decode(text: str) -> JobStatus:
    values = json.loads(text)
    values["state"] = JobState(values["state"])
    for name in _TIMES:
        if name in values:
            values[name] = dt.datetime.fromisoformat(values[name])
    return JobStatus(**values)
