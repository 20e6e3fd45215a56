"""SLURM's commands: what we ask a cluster, and how its answers are told from silence."""

from __future__ import annotations

import datetime as dt
import re
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from airflow_slurm.array import JobState
from airflow_slurm.errors import NoAnswerError, RejectedError
from airflow_slurm.parsing import (
    ACCOUNT_FORMAT,
    QUEUE_FORMAT,
    AccountRow,
    Mark,
    Partition,
    QueueRow,
    parse_accounting,
    parse_partitions,
    parse_queue,
    parse_settings,
)
from airflow_slurm.transport import Result, Transport

# For answers that we read: times in UTC, in one form, and lists of jobs in full.
_PLAIN = ("env", "TZ=UTC", "SLURM_TIME_FORMAT=standard", "SLURM_BITSTR_LEN=0")
_SILENCE = re.compile(
    r"unable to contact|unable to connect|timed out|zero bytes|connection refused|communication|connect failure|"
    r"temporarily|could not establish|configuration source|socket|transport endpoint|resolve",
    re.IGNORECASE,
)
"""What SLURM's commands say when slurmctld did not answer them."""
_KNOWN_ABSENT = re.compile(r"Invalid job id", re.IGNORECASE)
_PING_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class OurJob:
    """A job of ours that has not ended, whoever watches it."""

    job_id: str
    token: str
    owner: str
    state: JobState
    submitted_utc: dt.datetime | None


class SlurmClient:
    """One cluster, through its commands.

    Parameters
    ----------
    transport : Transport
        Where the commands are run.
    timeout_s : float
        How long a command may take, in seconds; SLURM's own commands give up sooner as a rule.
    """

    def __init__(self, transport: Transport, *, timeout_s: float = 60.0) -> None:
        self.transport = transport
        self.timeout_s = timeout_s
        self.calls: Counter[str] = Counter()
        """How often each command was run by this object."""
        self._settings: dict[str, str] | None = None
        self._partitions: list[Partition] | None = None
        self._counting = threading.Lock()

    def queue(self, *, names: Sequence[str] = (), ids: Sequence[str] = ()) -> list[QueueRow]:
        """Return the jobs of this user that the controller knows, ended ones included, with one call.

        Parameters
        ----------
        names : sequence of str
            Only jobs with one of these names.
        ids : sequence of str
            Only these jobs.

        Raises
        ------
        NoAnswerError
            If the controller did not answer. That says nothing about any job.
        """
        words = ["squeue", "--noheader", "--array", "--states=all", f"--Format={QUEUE_FORMAT}"]
        words += [f"--name={','.join(names)}"] if names else []
        words += [f"--jobs={','.join(ids)}"] if ids else []
        words += ["--me"]
        answer = self._run([*_PLAIN, *words])
        if answer.code != 0:
            if ids and _KNOWN_ABSENT.search(answer.stderr):
                return []
            raise self._silence("squeue", answer)
        rows = parse_queue(answer.stdout)
        if not rows and not self.ping():
            # An empty list is what a wrapper, a cut pipe or a half-started controller would give as well.
            raise NoAnswerError(f"squeue on {self.transport.where} listed nothing, and slurmctld does not answer")
        return rows

    def accounting(self, ids: Sequence[str], *, steps: bool = False) -> list[AccountRow]:
        """Return what accounting knows of arrays; nothing if the cluster keeps no accounts.

        Parameters
        ----------
        ids : sequence of str
            Ids of the arrays.
        steps : bool
            Whether to ask for the jobs' steps as well, which know about memory.

        Raises
        ------
        NoAnswerError
            If there is accounting, but it did not answer.
        """
        if not self.has_accounting:
            return []
        words = ["sacct", "--noheader", "--parsable2", "--noconvert", f"--format={ACCOUNT_FORMAT}"]
        answer = self._run([*_PLAIN, *words, *(() if steps else ("--allocations",)), f"--jobs={','.join(ids)}"])
        if answer.code != 0:
            raise self._silence("sacct", answer)
        return parse_accounting(answer.stdout)

    def submit(self, script: str, options: Sequence[str]) -> str:
        """Submit a batch script; return the id.

        Raises
        ------
        RejectedError
            If SLURM refused it. It may be in the list of jobs all the same, as failed for ``BadConstraints``.
        NotReachedError
            If it was certainly not submitted.
        NoAnswerError
            If it may have been submitted.
        """
        answer = self._run(["sbatch", "--parsable", *options], stdin=script)
        if answer.code == 0:
            if match := re.search(r"^(\d+)(?:;\S+)?\s*$", answer.stdout, re.MULTILINE):
                return match[1]
            raise NoAnswerError(f"sbatch on {self.transport.where} gave no id: {_text(answer)}")
        if _SILENCE.search(answer.stderr):
            raise self._silence("sbatch", answer)
        raise RejectedError(f"SLURM refused the array: {_text(answer)}; change what it asks for, and where")

    def cancel_jobs(self, ids: Sequence[str], *, signal: str | None = None) -> None:
        """Cancel jobs or arrays; unknown and ended ones are no error, so look afterwards.

        Raises
        ------
        NoAnswerError
            If the controller did not answer.
        """
        if not ids:
            return
        options = ["--full", f"--signal={signal}"] if signal else []
        answer = self._run(["scancel", "--quiet", *options, *ids])
        if answer.code != 0 and (answer.code == 8 or _SILENCE.search(answer.stderr)):
            raise self._silence("scancel", answer)

    def our_jobs(self, installation: str) -> tuple[OurJob, ...]:
        """Return all jobs that an installation has submitted and that have not ended."""
        ours = []
        for row in self.queue():
            mark = Mark.read(row.comment)
            if mark is not None and mark.installation == installation and not row.state.final:
                ours.append(OurJob(row.job_id, row.name, mark.owner, row.state, row.status.submitted_utc))
        return tuple(ours)

    def ping(self) -> bool:
        """Return whether a controller answers; unlike all other commands it knows at once."""
        try:
            answer = self._run(["scontrol", "ping"], timeout_s=_PING_TIMEOUT_S)
        except NoAnswerError:
            return False
        return answer.code == 0 or " is UP" in answer.stdout

    @property
    def settings(self) -> dict[str, str]:
        """The cluster's configuration, asked for once."""
        if self._settings is None:
            answer = self._run([*_PLAIN, "scontrol", "show", "config"])
            if answer.code != 0:
                raise self._silence("scontrol", answer)
            self._settings = parse_settings(answer.stdout)
        return self._settings

    @property
    def has_accounting(self) -> bool:
        """Whether the cluster keeps accounts of jobs that have ended."""
        return self.settings.get("AccountingStorageType", "").endswith("/slurmdbd")

    def time_limit_s(self, partition: str | None = None) -> float | None:
        """Return how long a job of a partition may take, in seconds; None if there is no limit, or no such partition.

        Parameters
        ----------
        partition : str, optional
            Its name, or several with commas, of which SLURM takes one; the cluster's default if not given.
        """
        if self._partitions is None:
            answer = self._run([*_PLAIN, "scontrol", "--all", "--oneliner", "show", "partition"])
            if answer.code != 0:
                raise self._silence("scontrol", answer)
            self._partitions = parse_partitions(answer.stdout)
        names = set(partition.split(",")) if partition else None
        chosen = [known for known in self._partitions if (known.name in names if names else known.default)]
        return min((known.max_time_s for known in chosen if known.max_time_s is not None), default=None)

    @property
    def max_array_size(self) -> int:
        """Jobs that one SLURM array may have."""
        return max(1, int(self.settings.get("MaxArraySize", "1001")))

    @property
    def min_job_age_s(self) -> float:
        """For how long the controller keeps a job that has ended, at the least, in seconds."""
        words = self.settings.get("MinJobAge", "").split()
        return float(words[0]) if words and words[0].isdigit() else 0.0

    def _run(self, argv: Sequence[str], *, stdin: str = "", timeout_s: float | None = None) -> Result:
        with self._counting:
            self.calls[next(word for word in argv if word != "env" and "=" not in word)] += 1
        return self.transport.run(argv, stdin=stdin, timeout_s=timeout_s or self.timeout_s)

    def _silence(self, command: str, answer: Result) -> NoAnswerError:
        return NoAnswerError(f"{command} on {self.transport.where}: {_text(answer)}")


def _text(answer: Result) -> str:
    lines = [line.partition("error: ")[2] or line for line in (answer.stderr or answer.stdout).splitlines() if line]
    return "; ".join(lines[-3:]) or f"exit code {answer.code}"
