"""What a place that runs arrays must offer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from airflow_slurm.array import ArrayHandle, ArraySpec, JobStatus, Placement


class ArrayBackend(ABC):
    """A place where arrays of jobs run.

    Whatever the place, the operator relies on this:

    - A job's whole output, with `ArraySpec.log_heading` first, is appended to `ArraySpec.log_file`.
    - A job sees `ArraySpec.job_env` and nothing of the environment of Airflow, which holds secrets.
    - A job that exceeds its time or memory is ended and says so (`TIMEOUT`, `OUT_OF_MEMORY`).
    - When a job has ended, none of its processes is left.
    - A token is submitted once: `submit` is called only after `find` said that there is none.
    """

    poll_interval_s: float
    """Pause between two polls that suits the place, in seconds."""
    time_step_s: int = 1
    """The place rounds time limits up to a multiple of this, in seconds."""

    @abstractmethod
    def submit(self, spec: ArraySpec) -> ArrayHandle:
        """Submit an array and return at once.

        Raises
        ------
        RejectedError
            If the place refuses it.
        NotReachedError
            If it was certainly not submitted.
        NoAnswerError, SubmissionUnknownError
            If it may have been submitted or not: look for it before submitting it again.
        """

    @abstractmethod
    def find(self, token: str) -> ArrayHandle | None:
        """Return the array that an earlier process submitted under this token, if it can still be watched.

        Raises
        ------
        NoAnswerError
            If the place does not answer.
        """

    @abstractmethod
    def poll(self, handle: ArrayHandle) -> dict[int, JobStatus]:
        """Return the state of every job of the array, by job number.

        A final state never changes again. If the place does not answer, the last known states are returned: not
        knowing is not an end. `LOST` is said only when the place answers and knows nothing of the job.
        """

    def time_limit_s(self, placement: Placement) -> float | None:
        """Return how long a job may take there at the most, in seconds; None if there is no limit.

        Raises
        ------
        NoAnswerError
            If the place does not answer.
        """
        return None

    def find_tries(self, prefix: str) -> tuple[ArrayHandle, ...]:
        """Return the arrays whose token starts so and that have jobs which have not ended, the newest first.

        Raises
        ------
        NoAnswerError
            If the place does not answer.
        """
        return ()

    def trigger_arguments(self) -> dict[str, Any] | None:
        """Return how Airflow's triggerer reaches the place: keyword arguments of `SlurmArrayTrigger`.

        None if only the process that submitted an array can watch it. Arrays of such a place are never left alone:
        their task is not deferred, and they end with the process that watches them. All others live on.
        """
        return None

    def job_url(self, job_id: str) -> str | None:
        """Return the address of a page about a job, such as one of a cluster's monitor; None if there is none."""
        return None

    def forget(self, handle: ArrayHandle) -> None:  # noqa: B027 - most places keep nothing
        """Drop what is kept of an array that has ended and that nobody will ask for again."""

    def account(self, handle: ArrayHandle) -> dict[int, JobStatus]:
        """Return the same as `poll`, with all that the place's accounting knows of ended jobs."""
        return self.poll(handle)

    @abstractmethod
    def cancel(self, handle: ArrayHandle) -> None:
        """End all jobs of the array and return when they have ended; an array that has ended is left alone.

        Airflow gives a cancelled task 5 s before it is killed.

        Raises
        ------
        RuntimeError
            If something of the array is still running.
        """
