"""Reading what squeue, sacct and scontrol print, in formats that we ask for; never their JSON.

Times are asked for in UTC.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from typing import NamedTuple

from airflow_slurm.array import ArrayHandle, JobState, JobStatus
from airflow_slurm.reasons import ending, state_of, waiting

_SEPARATOR = "|"


class QueueRow(NamedTuple):
    """A job as squeue shows it: texts, since most of them are never looked at."""

    array_id: str
    task: str
    """``N/A`` for a job that is no array, and for a whole array that was cancelled before it started."""
    word: str
    """SLURM's state."""
    reason: str
    wait_status: str
    """As of `waitpid`: 3584 is exit code 14, 9 is SIGKILL."""
    restarts: str
    submitted: str
    started: str
    ended: str
    node: str
    name: str
    comment: str

    @property
    def state(self) -> JobState:
        """In our words."""
        return state_of(self.word)

    @property
    def refused(self) -> bool:
        """Whether it is what an impossible request leaves behind: it was never submitted."""
        return self.reason == "BadConstraints" and self.state.final

    @property
    def job_id(self) -> str:
        """The job, as SLURM's commands take it."""
        return f"{self.array_id}_{self.task}" if self.task.isdigit() else self.array_id

    @property
    def status(self) -> JobStatus:
        """What it says about the job."""
        state = self.state
        code = signal = None
        if state.final:
            reason, stuck = "", False
            code, signal = _split_wait_status(self.wait_status, state)
            reason = ending(state, self.reason, code, signal, self.node)
        elif state == JobState.PENDING:
            reason, stuck = waiting(self.word, self.reason)
        else:
            reason, stuck = "" if self.word == "RUNNING" else self.word.lower(), False
        waits = state == JobState.PENDING
        return JobStatus(
            state,
            exit_code=code,
            reason=reason,
            stuck=stuck,
            signal=signal,
            job_id=self.job_id,
            node=self.node,
            submitted_utc=_time(self.submitted),
            started_utc=None if waits else _time(self.started),  # before, it is a guess of the scheduler
            ended_utc=_time(self.ended) if state.final else None,  # before, it is start and time limit
            restarts=int(self.restarts) if self.restarts.isdigit() else 0,
        )


QUEUE_FORMAT = ",".join(
    f"{field}:{_SEPARATOR}"
    for field in (
        "ArrayJobID", "ArrayTaskID", "State", "Reason", "exit_code", "RestartCnt",
        "SubmitTime", "StartTime", "EndTime", "NodeList", "Name", "Comment",
    )
)  # fmt: skip
"""For ``squeue --Format``, in the order of `QueueRow`."""


def parse_queue(text: str) -> list[QueueRow]:
    """Read ``squeue --noheader --array --Format=QUEUE_FORMAT``.

    Lines that are no rows are left out: other jobs of the same user may have line ends in their comments.
    """
    width = len(QueueRow._fields)
    rows = []
    for line in text.splitlines():
        values = line.split(_SEPARATOR, width - 1)
        if len(values) == width and values[0].isdigit():
            values[-1] = values[-1].rstrip().removesuffix(_SEPARATOR)
            rows.append(QueueRow._make(values))
    return rows


class Mark(NamedTuple):
    """What we write into a job's comment: whose it is, and which part of an array."""

    installation: str
    jobs: int
    """Of the whole array."""
    first: int
    """Number of the first job of this part; an array above the cluster's limit has several."""
    size: int
    """Jobs of this part."""
    owner: str

    def __str__(self) -> str:
        return _SEPARATOR.join(str(value) for value in self)

    @classmethod
    def read(cls, comment: str) -> Mark | None:
        """Return what `str` has written; None for somebody else's comment."""
        parts = comment.split(_SEPARATOR, 4)
        if len(parts) != 5 or not all(part.isdigit() for part in parts[1:4]):
            return None
        return cls(parts[0], int(parts[1]), int(parts[2]), int(parts[3]), parts[4])


def array_parts(jobs: int, most: int) -> list[tuple[int, int]]:
    """Cut an array into parts of nearly equal length; return first job and number of jobs of each."""
    parts = -(-jobs // most)
    length = -(-jobs // parts)
    return [(first, min(length, jobs - first)) for first in range(0, jobs, length)]


def first_jobs(handle: ArrayHandle) -> dict[str, tuple[int, int]]:
    """Return first job and number of jobs of each SLURM array of a handle, by id."""
    ids = handle.id.split(",")
    parts = array_parts(handle.jobs, -(-handle.jobs // len(ids)))
    return dict(zip(ids, parts, strict=False))


def jobs_of(rows: Iterable[QueueRow], handle: ArrayHandle | None = None) -> dict[int, QueueRow]:
    """Return the row of each job of an array, by job number.

    Parameters
    ----------
    rows : iterable of QueueRow
        All with the array's name. Should two arrays be the same part of it, the one that came first counts.
    handle : ArrayHandle, optional
        For jobs whose comment somebody has changed.
    """
    places = first_jobs(handle) if handle is not None else {}
    by_number: dict[int, QueueRow] = {}
    whole: list[tuple[range, QueueRow]] = []
    for row in sorted(rows, key=lambda row: int(row.array_id)):
        mark = Mark.read(row.comment)
        first, size = (mark.first, mark.size) if mark else places.get(row.array_id, (0, 0))
        if row.refused or (mark is None and row.array_id not in places):
            continue
        if row.task.isdigit():
            by_number.setdefault(first + int(row.task), row)
        else:
            whole.append((range(first, first + size), row))
    for numbers, row in whole:
        for number in numbers:
            by_number.setdefault(number, row)
    return by_number


class AccountRow(NamedTuple):
    """A job or a step of it in accounting."""

    array_id: str
    tasks: tuple[int, ...]
    """Several for jobs of an array that were never started; empty for a job that is no array."""
    name: str
    """Of a step its own, such as ``batch``."""
    step: str
    """Such as ``batch``; empty for the job itself."""
    status: JobStatus


ACCOUNT_FORMAT = "JobID,JobName,State,ExitCode,Submit,Start,End,NodeList,MaxRSS"
"""For ``sacct --format``, in the order `parse_accounting` reads."""
_JOB_ID = re.compile(r"(\d+)(?:_(\d+)|_\[([^\]%]*)(?:%\d+)?\])?(?:\+\d+)?(?:\.(\S+))?$")


def parse_accounting(text: str) -> list[AccountRow]:
    """Read ``sacct --noheader --parsable2 --format=ACCOUNT_FORMAT``."""
    rows = []
    for line in text.splitlines():
        values = line.split(_SEPARATOR)
        match = _JOB_ID.match(values[0])
        if len(values) != 9 or match is None:
            continue
        array_id, task, tasks, step = match.groups()
        numbers = (int(task),) if task else _numbers(tasks or "")
        rows.append(AccountRow(array_id, numbers, values.pop(1), step or "", _accounted(values)))
    return rows


def _accounted(values: list[str]) -> JobStatus:
    job_id, word, exit_code, submitted, started, ended, node, max_rss = values
    state = state_of(word)
    code = signal = None
    reason = ""
    if state.final:
        left, _, right = exit_code.partition(":")
        code, signal = _ended_with(state, int(left or 0), int(right or 0))
        reason = ending(state, "", code, signal, node)
        if state == JobState.FAILED and signal is None:
            # Accounting keeps seven bits of it only.
            reason = f"exit code {code} or {code + 128}" if code else "exit code 128, or it could not be started"
            code = None
        if " by " in word:
            reason = f"cancelled by the user with the id {word.rpartition(' ')[2]}"
    return JobStatus(
        state,
        exit_code=code,
        reason=reason,
        signal=signal,
        job_id=job_id,
        node="" if node == "None assigned" else node,
        submitted_utc=_time(submitted),
        started_utc=_time(started),
        ended_utc=_time(ended),
        max_rss_mb=_megabytes(max_rss),
    )


def parse_settings(text: str) -> dict[str, str]:
    """Read ``scontrol show config``."""
    lines = (line.partition("=") for line in text.splitlines())
    return {name.strip(): value.strip() for name, separator, value in lines if separator}


class Partition(NamedTuple):
    """A partition of the cluster, as far as it matters to us."""

    name: str
    default: bool
    """Whether jobs go there that name none."""
    max_time_s: float | None
    """How long a job may take, in seconds; None for no limit."""


def parse_partitions(text: str) -> list[Partition]:
    """Read ``scontrol --oneliner show partition``."""
    partitions = []
    for line in text.splitlines():
        fields = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if name := fields.get("PartitionName"):
            partitions.append(Partition(name, fields.get("Default") == "YES", _duration_s(fields.get("MaxTime", ""))))
    return partitions


def _duration_s(text: str) -> float | None:
    """Return ``days-hours:minutes:seconds`` in seconds; None for ``UNLIMITED``."""
    match = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+):(\d+)", text)
    if match is None:
        return None
    days, hours, minutes, seconds = (int(number or 0) for number in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def _split_wait_status(text: str, state: JobState) -> tuple[int | None, int | None]:
    number = int(text) if text.isdigit() else 0
    return _ended_with(state, (number >> 8) & 0xFF, number & 0x7F)


def _ended_with(state: JobState, code: int, signal: int) -> tuple[int | None, int | None]:
    if state == JobState.COMPLETED:
        return 0, None
    if state != JobState.FAILED:  # it was a limit, a person or a node, whatever the numbers say
        return None, None
    return (None, signal) if signal else (code, None)


def _numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of a list such as ``0-2,7,10-20:5``."""
    numbers: list[int] = []
    for part in filter(None, text.split(",")):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?(?::(\d+))?", part)
        if match is None:
            continue
        first, last, step = match.groups()
        numbers.extend(range(int(first), int(last or first) + 1, int(step or 1)))
    return tuple(numbers)


def _time(text: str) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(f"{text}+00:00")
    except ValueError:  # N/A, None, Unknown
        return None


_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def _megabytes(text: str) -> float | None:
    match = re.fullmatch(r"([\d.]+)([KMGT]?)", text)
    return None if match is None else round(float(match[1]) * _UNITS[match[2]] / 1e6, 1)
