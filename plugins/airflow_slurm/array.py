"""What an array of jobs is: its elements, its jobs, and how they end."""

from __future__ import annotations

import datetime as dt
import json
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol


class JobState(StrEnum):
    """State of one job, in SLURM's words."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    TIMEOUT = "TIMEOUT"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    CANCELLED = "CANCELLED"
    NODE_FAIL = "NODE_FAIL"
    PREEMPTED = "PREEMPTED"
    LOST = "LOST"
    """Not a word of SLURM's: nobody knows the job any more."""

    @property
    def final(self) -> bool:
        """Whether the job will not change any more."""
        return self not in (JobState.PENDING, JobState.RUNNING)


@dataclass(frozen=True, slots=True)
class JobStatus:
    """What a back end knows about one job of an array."""

    state: JobState
    exit_code: int | None = None
    """None while the job has not ended, or where a signal or a limit ended it."""
    reason: str = ""
    """Why it ended so, or why it waits, for a person."""
    stuck: bool = False
    """Whether it waits for something that will not come by itself."""
    signal: int | None = None
    """The signal that ended it, if one did."""
    job_id: str = ""
    """The place's own name of the job."""
    node: str = ""
    submitted_utc: dt.datetime | None = None
    started_utc: dt.datetime | None = None
    ended_utc: dt.datetime | None = None
    max_rss_mb: float | None = None
    """Largest resident memory of the job in MB (10^6 bytes); None where nobody counts it."""
    restarts: int = 0
    """How often the place itself started the job anew."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where on a cluster jobs run, and on whose account, in SLURM's words; places without them ignore it."""

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    nice: int | None = None
    constraint: str | None = None
    exclude: tuple[str, ...] = ()
    """Nodes that are not to be used."""


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """One array of jobs, ready to be submitted.

    Job `k` runs ``command`` followed by the indices of the elements it works on.
    """

    name: str
    """What is done, for people and log files: letters, digits, and ``._-``."""
    token: str
    """Which submission this is, unique among all tries of all tasks: letters, digits, and ``._-``."""
    command: tuple[str, ...]
    jobs: tuple[tuple[int, ...], ...]
    """The elements of each job, which works on them one after the other; neither is empty."""
    log_folder: Path
    env: Mapping[str, str] = field(default_factory=dict)
    memory_mb: int = 2000
    """Limit of a job's resident memory in MB (10^6 bytes)."""
    time_s: int = 3600
    """Limit of a job's elapsed time in seconds."""
    cpus: int = 1
    max_parallel: int | None = None
    """Jobs of this array that may run at a time; None leaves it to the back end."""
    placement: Placement = Placement()
    owner: str = ""
    """Who will watch it, for those who find its jobs: no control characters and no ``|``."""
    attempt: int = 1
    """How often these elements have been tried in this task, this time included."""

    @property
    def indices(self) -> tuple[int, ...]:
        """The elements of all jobs."""
        return tuple(index for elements in self.jobs for index in elements)

    @property
    def per_job(self) -> int:
        """Elements of the job that has most of them."""
        return max(map(len, self.jobs))

    def log_file(self, job: int) -> Path:
        """Return where a job's output goes.

        It is named after the job's first element, so all tries of an element that has its own job end in one file.
        """
        return self.log_folder / f"{self.name}_{self.jobs[job][0]}.log"

    def job_command(self, job: int) -> list[str]:
        """Return the command line of a job."""
        return [*self.command, *(str(index) for index in self.jobs[job])]

    def job_env(self, job: int) -> dict[str, str]:
        """Return what a job finds in its environment, beside what the back end adds.

        ``ARRAY_NAME``, ``ARRAY_TOKEN``, ``ARRAY_JOB``, ``ARRAY_ATTEMPT`` and ``ARRAY_LOG`` let it say in its results
        which job it was and where its output is.
        """
        return {
            **self.env,
            "ARRAY_NAME": self.name,
            "ARRAY_TOKEN": self.token,
            "ARRAY_JOB": str(job),
            "ARRAY_ATTEMPT": str(self.attempt),
            "ARRAY_LOG": str(self.log_file(job)),
        }

    def log_heading(self, job: int) -> str:
        """Return the line that opens a job's output."""
        return f"--- attempt {self.attempt}, {self.token}: {shlex.join(self.job_command(job))}"

    @property
    def file(self) -> Path:
        """Where it is kept, so that another process knows which elements a job of it works on."""
        return self.log_folder / f"{self.token}.array.json"

    def save(self, path: Path | None = None) -> Path:
        """Write it down in one step, and return where.

        Parameters
        ----------
        path : pathlib.Path, optional
            `file` if not given.
        """
        path = path or self.file
        write_json(path, asdict(self))
        return path

    @classmethod
    def load(cls, path: Path) -> ArraySpec:
        """Read what `save` wrote.

        Raises
        ------
        ValueError
            If the file is not there or holds something else.
        """
        try:
            content = json.loads(path.read_bytes())
            placement = content.pop("placement")
            return cls(
                **{
                    **content,
                    "command": tuple(content["command"]),
                    "jobs": tuple(map(tuple, content["jobs"])),
                    "log_folder": Path(content["log_folder"]),
                    "placement": Placement(**{**placement, "exclude": tuple(placement["exclude"])}),
                }
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} cannot be read as an array of jobs: {error}") from error


@dataclass(frozen=True, slots=True)
class ArrayHandle:
    """A submitted array. Plain values only, so that it can be written down and picked up by another process."""

    token: str
    id: str
    """The back end's own name of the array."""
    jobs: int


class ElementArray(Protocol):
    """What a stage gives to be run: the elements that are not valid yet, and how to run them.

    Any object with these attributes will do. It may have more: ``placement`` (a `Placement`), ``cpus`` (of a job,
    1 if it does not say) and ``jobs_min`` (at least so many jobs, if there are so many elements; 1 if it does not say);
    ``rounds`` (True if it is to be asked for again, with ``tried``, when its elements have ended; see
    `SlurmArrayOperator`) and ``following`` (elements that are not to begin with, but that are to be done, too).
    """

    @property
    def name(self) -> str:
        """What is done, for people and log files."""

    @property
    def command(self) -> Sequence[str]:
        """What a job runs; the indices of its elements are appended."""

    @property
    def indices(self) -> Sequence[int]:
        """The elements to be done, in the order in which jobs work on them."""

    @property
    def element_time_s(self) -> Mapping[int, float]:
        """How long each of them is expected to take, with a margin, in seconds."""

    @property
    def start_s(self) -> float:
        """What the start of a job takes, in seconds."""

    @property
    def job_time_max_s(self) -> float:
        """No job is planned longer, in seconds; the limit of the partition is heeded as well."""

    @property
    def per_job(self) -> int:
        """A job works on so many elements at the most."""

    @property
    def memory_mb(self) -> int:
        """Limit of a job's resident memory in MB (10^6 bytes)."""

    @property
    def total(self) -> int:
        """All elements of the stage, with those that are done."""

    @property
    def env(self) -> Mapping[str, str]:
        """Variables that a job sees, beside those of `ArraySpec.job_env`."""

    @property
    def log_folder(self) -> Path | str:
        """Where the output of the jobs goes."""

    @property
    def labels(self) -> Mapping[int, str]:
        """What each element is called, for people."""


class ElementOutcome(Protocol):
    """What became of an element by its record."""

    @property
    def state(self) -> str | None:
        """``done``, ``skipped`` and ``held`` are final, ``failed`` can be tried again; None without a valid record."""

    @property
    def reason(self) -> str:
        """Why it is so, for a person."""

    # It may have ``group``: a kind of elements, of which each is counted and judged by itself.


def write_json(path: Path, content: Any) -> None:
    """Write a file in one step: readers see the old one or the new one, also on a shared file system."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with new.open("w") as file:
        json.dump(content, file, default=str)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
