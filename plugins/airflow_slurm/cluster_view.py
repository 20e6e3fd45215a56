"""One look at a cluster for all that watch its jobs from this machine, however many processes and arrays they are."""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import logging
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from airflow_slurm.array import ArrayHandle, JobState, JobStatus
from airflow_slurm.client import SlurmClient
from airflow_slurm.errors import NoAnswerError, NotReachedError
from airflow_slurm.parsing import Mark, QueueRow, first_jobs
from airflow_slurm.view_store import Asked, ViewStore

log = logging.getLogger(__name__)

_LONGEST_PAUSE_S = 60.0
_ASK_ACCOUNTING_AFTER_S = 2.0
_SILENT_ACCOUNTING_FACTOR = 20
"""How much longer to wait for accounting that exists and does not answer, before a job is called lost."""
_WATCH_AGAIN_S = 3600.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is known of a cluster's jobs."""

    answered: bool
    """Whether the cluster answered when it was asked last."""
    error: str
    """Why not."""
    taken_utc: dt.datetime
    """When the cluster answered last: so old is what stands in `jobs`."""
    jobs: Mapping[str, Mapping[int, JobStatus]]
    """Jobs by the token of their array and their number; read from the shared view when asked for."""


class ClusterView:
    """The jobs of a cluster, asked for with one ``squeue`` an interval by whoever looks first.

    An end is written down as soon as it is seen, for a cluster forgets its jobs some minutes after they have ended. A
    watched job that a cluster which answers does not list is looked for in its accounting, and called `LOST` after a
    while; or `CANCELLED`, if it waited when it was seen last and its array is still there.

    Parameters
    ----------
    client : SlurmClient
        The cluster.
    state_folder : pathlib.Path
        Folder on a local file system, the same for all processes that share the view, for this cluster alone.
    interval_s : float
        How often the cluster is asked, in seconds. After failures less often, up to once a minute.
    installation : str
        The name that marks our jobs.
    lost_after_s : float
        For how long a job must be missed to be given up, in seconds; longer where accounting does not answer.
    """

    def __init__(
        self,
        client: SlurmClient,
        state_folder: Path,
        interval_s: float = 5.0,
        *,
        installation: str = "airflow",
        lost_after_s: float = 15.0,
    ) -> None:
        self.client = client
        self.interval_s = interval_s
        self.installation = installation
        self.lost_after_s = lost_after_s
        self._folder = Path(state_folder)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._turn("make.lock", wait=True):
            self._store = ViewStore(self._folder / "view.sqlite")
        self._watched: dict[str, tuple[ArrayHandle, float]] = {}
        self._accounting_silent = False
        self._last: tuple[Asked, Snapshot] | None = None

    def look(self) -> Snapshot:
        """Return what is known, from the cluster itself if the last look is too old.

        A cluster that does not answer is no error: see `Snapshot.answered`.
        """
        asked = self._store.asked()
        if self._due(asked):
            # While another process asks, its last answer will do, if there is one.
            with self._turn("view.lock", wait=not asked.asked_s) as mine:
                asked = self._store.asked()
                if mine and self._due(asked):
                    self._ask(asked)
                    asked = self._store.asked()
        last = self._last
        if last is None or last[0] != asked:
            taken = dt.datetime.fromtimestamp(asked.answered_s, dt.UTC)
            last = asked, Snapshot(asked.answered, asked.error, taken, _StoredJobs(self._store))
            self._last = last
        return last[1]

    def watch(self, handle: ArrayHandle) -> None:
        """Have the jobs of an array missed when the cluster does not list them."""
        now = time.time()
        known, since = self._watched.get(handle.token, (None, 0.0))
        if known != handle or now - since > _WATCH_AGAIN_S:
            self._store.watch(handle, now)
            self._watched[handle.token] = handle, now

    def watched(self, token: str) -> ArrayHandle | None:
        """Return the handle of an array that some process of this machine has watched."""
        return self._store.watched().get(token)

    def forget(self, token: str) -> None:
        """Drop all that is known of an array."""
        self._watched.pop(token, None)
        self._last = None
        self._store.forget(token, time.time())

    def _due(self, asked: Asked) -> bool:
        pause = min(self.interval_s * 2.0**asked.failures, max(self.interval_s, _LONGEST_PAUSE_S))
        age = time.time() - asked.asked_s
        return age >= pause or age < 0  # the clock was set back

    @contextlib.contextmanager
    def _turn(self, name: str, *, wait: bool) -> Iterator[bool]:
        """Be the one that does something; False if another process is at it."""
        descriptor = os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(descriptor)

    def _ask(self, asked: Asked) -> None:
        now = time.time()
        try:
            if asked.failures and not self.client.ping():  # it knows at once, where squeue waits
                raise NoAnswerError("slurmctld does not answer")
            rows = self._listed()
        except (NoAnswerError, NotReachedError) as error:
            self._store.note_failure(now, str(error))
            return
        reappeared = self._store.note_answer(now, rows)
        self._cancel_reappeared(reappeared)
        self._settle_missing(rows)

    def _listed(self) -> dict[str, list[QueueRow]]:
        """Ask for all jobs of ours, those included whose comment somebody has changed."""
        watched = self._store.watched()
        rows: dict[str, list[QueueRow]] = {}
        for row in self.client.queue():
            mark = Mark.read(row.comment)
            if row.name in watched or (mark is not None and mark.installation == self.installation):
                rows.setdefault(row.name, []).append(row)
        return rows

    def _cancel_reappeared(self, reappeared: Mapping[str, Mapping[int, QueueRow]]) -> None:
        """Cancel jobs that have ended and are there again.

        A controller that was killed may go back in time; somebody may have put the job into the queue again. Whoever
        watched it has gone on with the end that was seen.
        """
        ids = [row.job_id for jobs in reappeared.values() for row in jobs.values()]
        if not ids:
            return
        log.warning("cancelling jobs that had ended and are there again: %s", ", ".join(ids))
        with contextlib.suppress(NoAnswerError, NotReachedError):  # they will be seen again
            self.client.cancel_jobs(ids)

    def _settle_missing(self, rows: Mapping[str, list[QueueRow]]) -> None:
        now = time.time()
        handles = self._store.watched()
        missing = {
            token: due
            for token, jobs in self._store.missing().items()
            if (due := {job: miss for job, miss in jobs.items() if now - miss.since_s >= _ASK_ACCOUNTING_AFTER_S})
        }
        if not missing:
            return
        accounted, mute = self._accounted([handles[token] for token in missing])
        patience = self.lost_after_s * (_SILENT_ACCOUNTING_FACTOR if mute else 1)
        ends: list[tuple[str, int, JobStatus]] = []
        for token, jobs in missing.items():
            for job, miss in jobs.items():
                status = accounted.get((token, job))
                if status is not None and status.state.final:
                    ends.append((token, job, status))
                elif now - miss.since_s >= patience:
                    # If there was no time for it to start, to end and to be forgotten, somebody has cancelled it.
                    cancelled = token in rows and miss.gap_s is not None and miss.gap_s < self.client.min_job_age_s
                    ends.append((token, job, _gone(handles[token], job, status, cancelled=cancelled)))
        self._store.note_ends(ends)

    def _accounted(self, handles: list[ArrayHandle]) -> tuple[dict[tuple[str, int], JobStatus], bool]:
        """Return what accounting knows, by token and job; and whether it should know but does not answer."""
        ids = [array_id for handle in handles for array_id in handle.id.split(",")]
        try:
            accounts = self.client.accounting(ids)
        except (NoAnswerError, NotReachedError) as error:
            if not self._accounting_silent:
                log.warning("looking for jobs that the cluster does not list any more: %s", error)
            self._accounting_silent = True
            return {}, True
        self._accounting_silent = False
        places = {
            array_id: (handle.token, first) for handle in handles for array_id, (first, _) in first_jobs(handle).items()
        }
        accounted: dict[tuple[str, int], JobStatus] = {}
        for row in accounts:
            token, first = places.get(row.array_id, ("", 0))
            if row.name == token:  # a controller that was killed may give an old id to a new job
                accounted |= {(token, first + task): row.status for task in row.tasks}
        return accounted, False


def _gone(handle: ArrayHandle, job: int, accounted: JobStatus | None, *, cancelled: bool) -> JobStatus:
    array_id, task = next(
        (array_id, job - first)
        for array_id, (first, count) in first_jobs(handle).items()
        if first <= job < first + count
    )
    empty = JobStatus(JobState.LOST, job_id=f"{array_id}_{task}")
    if cancelled:
        return replace(empty, state=JobState.CANCELLED, reason="cancelled by somebody while it waited")
    reason = "the cluster does not know it any more"
    if accounted is not None:
        reason += f"; its accounting still says {accounted.state}"
    return replace(empty, reason=reason)


class _StoredJobs(Mapping[str, Mapping[int, JobStatus]]):
    """The jobs in the shared view, each array read once."""

    def __init__(self, store: ViewStore) -> None:
        self._store = store
        self._read: dict[str, Mapping[int, JobStatus]] = {}

    def __getitem__(self, token: str) -> Mapping[int, JobStatus]:
        if token not in self._read:
            if not (jobs := self._store.jobs(token)):
                raise KeyError(token)
            self._read[token] = jobs
        return self._read[token]

    def __iter__(self) -> Iterator[str]:
        return iter(self._store.tokens())

    def __len__(self) -> int:
        return len(self._store.tokens())
