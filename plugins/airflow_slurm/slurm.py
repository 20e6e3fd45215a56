"""Arrays on a SLURM cluster."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

from airflow_slurm.array import ArrayHandle, ArraySpec, JobState, JobStatus, Placement
from airflow_slurm.backend import ArrayBackend
from airflow_slurm.client import SlurmClient
from airflow_slurm.cluster_view import ClusterView, Snapshot
from airflow_slurm.errors import NoAnswerError, NotReachedError, RejectedError, SubmissionUnknownError
from airflow_slurm.parsing import Mark, QueueRow, array_parts, first_jobs
from airflow_slurm.script import batch_script, check

if TYPE_CHECKING:
    from airflow_slurm.connection import SlurmSettings

log = logging.getLogger(__name__)

T = TypeVar("T")

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 10.0
_AGAIN_S = 5.0
"""After this time a job that was cancelled and still runs is cancelled again, in seconds."""
_SUBMISSIONS = 3
"""How often a part of an array is submitted, if the one before certainly had no effect."""


class SlurmBackend(ArrayBackend):
    """Run arrays on a SLURM cluster, whose nodes see the log folders under the same path as this machine.

    An array's token is the name of its jobs. Arrays live on without us: whoever knows the token or how it begins can
    find and watch them. Where the cluster's limit is below the size of an array, it is submitted in several parts with
    the same name. The time limit is rounded up to minutes: that is how SLURM counts.

    Parameters
    ----------
    client : SlurmClient
        The cluster.
    view : ClusterView
        The look at its jobs that all processes of this machine share.
    placement : Placement
        For arrays that do not say where they want to run, and on whose account.
    requeue : bool
        Whether SLURM may start jobs anew by itself, after the failure of a node or a preemption. Without it such a job
        ends, and whoever watches it decides.
    conn_id : str, optional
        Airflow's connection to this cluster.
    job_url : str, optional
        Address of a page about a job, with ``{job_id}`` in it.
    patience_s : float
        How long to go on asking a cluster that does not answer, in seconds.
    cancel_patience_s : float
        How long a cancellation may take, in seconds.
    settle_s : float
        How long after a submission that was cut off its jobs may still appear, in seconds.
    """

    time_step_s = 60

    def __init__(
        self,
        client: SlurmClient,
        view: ClusterView,
        *,
        placement: Placement | None = None,
        requeue: bool = False,
        conn_id: str | None = None,
        job_url: str | None = None,
        patience_s: float = 20.0,
        cancel_patience_s: float = 60.0,
        settle_s: float = 10.0,
    ) -> None:
        self.client = client
        self.view = view
        self.placement = placement or Placement()
        self.requeue = requeue
        self.conn_id = conn_id
        self.patience_s = patience_s
        self.cancel_patience_s = cancel_patience_s
        self.settle_s = settle_s
        self._job_url = job_url
        self._silence = ""
        """Why the cluster did not answer the last look, as it was said in the log."""
        # Looking at the shared view costs nothing: look more often than the cluster is asked.
        self.poll_interval_s = max(0.2, view.interval_s / 5)

    @classmethod
    def from_connection(cls, conn_id: str = "slurm_default") -> Self:
        """Return the back end of one of Airflow's connections."""
        from airflow_slurm.hook import SlurmHook

        return cls.from_settings(SlurmHook(conn_id).settings(), conn_id)

    @classmethod
    def from_settings(cls, settings: SlurmSettings, conn_id: str | None = None) -> Self:
        """Return the back end of a connection that was read before."""
        client = settings.client()
        folder = settings.view_folder()
        view = ClusterView(client, folder, settings.poll_interval_s, installation=settings.installation)
        return cls(
            client,
            view,
            placement=Placement(partition=settings.partition, account=settings.account, qos=settings.qos),
            requeue=settings.requeue,
            conn_id=conn_id,
            job_url=settings.job_url,
        )

    def submit(self, spec: ArraySpec) -> ArrayHandle:
        """Submit an array and return at once; parts of it that are there already are not submitted again.

        Raises
        ------
        OSError
            If it was certainly not submitted: `RejectedError`, `NotReachedError` or a full disk.
        NoAnswerError
            If the cluster did not answer before anything was submitted.
        SubmissionUnknownError
            If a part may have been submitted, and the cluster does not say. Its jobs carry the token.
        ValueError
            If SLURM or a shell cannot take what the array says.
        """
        check(spec)
        spec.log_folder.mkdir(parents=True, exist_ok=True)
        spec.save()
        self.view.forget(spec.token)
        most = self._until_answered(lambda: self.client.max_array_size)
        there = self._parts(spec.token)
        ids: list[str] = []
        parts = array_parts(len(spec.jobs), most)
        if spec.max_parallel is not None:  # SLURM counts for each part on its own
            spec = replace(spec, max_parallel=max(1, spec.max_parallel // len(parts)))
        try:
            for first, count in parts:
                ids.append(there.get(first) or self._submit_part(spec, first, count))
        except OSError:
            if ids:
                self.cancel(ArrayHandle(spec.token, ",".join(ids), len(spec.jobs)))
            raise
        handle = ArrayHandle(spec.token, ",".join(ids), len(spec.jobs))
        self.view.watch(handle)
        return handle

    def find(self, token: str) -> ArrayHandle | None:
        """Return the array with this token, if the cluster lists it or its ends were seen from this machine.

        Raises
        ------
        NoAnswerError
            If the cluster does not answer for `patience_s`.
        """
        rows = self._until_answered(lambda: self.client.queue(names=[token]))
        # What was watched from here was submitted as a whole, even if the cluster has forgotten a part of it by now.
        return self.view.watched(token) or next((handle for handle, whole in _handles(rows) if whole), None)

    def find_tries(self, prefix: str) -> tuple[ArrayHandle, ...]:
        """Return the arrays whose token starts so and that have jobs which have not ended, the newest first.

        Of an array that was submitted in parts and is there in part only, `ArrayHandle.jobs` is what is there.
        """
        rows = [row for row in self._until_answered(self.client.queue) if row.name.startswith(prefix)]
        alive = {row.name for row in rows if not row.state.final}
        return tuple(
            self.view.watched(handle.token) or handle
            for handle, _ in _handles(row for row in rows if row.name in alive)
        )

    def time_limit_s(self, placement: Placement) -> float | None:
        """Return how long a job may take in its partition, in seconds; None if there is no limit.

        Raises
        ------
        NoAnswerError
            If the cluster does not answer.
        """
        partition = placement.partition or self.placement.partition
        return self._until_answered(lambda: self.client.time_limit_s(partition))

    def poll(self, handle: ArrayHandle) -> dict[int, JobStatus]:
        """Return the state of every job of the array; the last known ones if the cluster does not answer."""
        self.view.watch(handle)
        snapshot = self.view.look()
        if (error := "" if snapshot.answered else snapshot.error or "no answer") != self._silence:
            text = f"the cluster does not answer: {error}" if error else "the cluster answers again"
            log.warning("%s: %s", handle.token, text)
            self._silence = error
        return self.states(handle, snapshot)

    def states(self, handle: ArrayHandle, snapshot: Snapshot) -> dict[int, JobStatus]:
        """Return the state of every job of an array in a snapshot, which may be used for many arrays."""
        known = snapshot.jobs.get(handle.token, {})
        unseen = JobStatus(JobState.PENDING, reason="submitted; the cluster has not listed it yet")
        return {job: known.get(job, unseen) for job in range(handle.jobs)}

    def account(self, handle: ArrayHandle) -> dict[int, JobStatus]:
        """Return the same as `poll`, with memory, node and times from accounting where there is accounting."""
        states = self.poll(handle)
        try:
            rows = self.client.accounting(handle.id.split(","), steps=True)
        except (NoAnswerError, NotReachedError) as error:
            log.warning("the accounting of %s is left out: %s", handle.token, error)
            return states
        places = first_jobs(handle)
        # A controller that was killed may have given an old id to another job; its steps come with it.
        ours = {(row.array_id, row.tasks) for row in rows if row.name == handle.token and not row.step}
        for row in rows:
            if (row.array_id, row.tasks) not in ours or row.array_id not in places:
                continue
            for task in row.tasks:
                job = places[row.array_id][0] + task
                if job in states and states[job].state.final:
                    states[job] = _completed(states[job], row.status)
        return states

    def cancel(self, handle: ArrayHandle) -> None:
        """Cancel all jobs with the array's token, and return when the cluster says that none of them runs.

        SLURM asks processes to end, and kills them after its ``KillWait`` (30 s by default).

        Raises
        ------
        RuntimeError
            If jobs still run after `cancel_patience_s`, or nobody knows.
        """
        deadline = time.monotonic() + self.cancel_patience_s
        told: dict[str, float] = {}
        pause = 0.05
        while True:
            try:
                # By the ids that carry the name now: a controller that was killed may give an old id to a new job.
                rows = [row for row in self.client.queue(names=[handle.token]) if not row.state.final]
                if not rows:
                    return
                now = time.monotonic()
                ids = {row.array_id for row in rows if now - told.get(row.array_id, -_AGAIN_S) >= _AGAIN_S}
                self.client.cancel_jobs(sorted(ids, key=int))
                told |= dict.fromkeys(ids, now)
                error = f"{len(rows)} jobs still run"
            except (NoAnswerError, NotReachedError) as failure:
                error = str(failure)
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"the array {handle.token} could not be cancelled ({error}); do it on the cluster: "
                    f"scancel --name={handle.token}"
                )
            time.sleep(pause)
            pause = min(pause * 1.5, 2.0)

    def forget(self, handle: ArrayHandle) -> None:
        """Drop what is kept of an array that has ended."""
        self.view.forget(handle.token)

    def trigger_arguments(self) -> dict[str, Any] | None:
        """Return the connection, which is all that is needed to watch from elsewhere."""
        return None if self.conn_id is None else {"slurm_conn_id": self.conn_id}

    def job_url(self, job_id: str) -> str | None:
        """Return the address of a page about a job, if the connection has a template for it."""
        return None if not self._job_url else self._job_url.replace("{job_id}", job_id)

    def _submit_part(self, spec: ArraySpec, first: int, count: int) -> str:
        script, options = batch_script(spec, first, count), self._options(spec, first, count)
        error: Exception
        for _ in range(_SUBMISSIONS):
            try:
                array_id = self._until_answered(lambda: self.client.submit(script, options), silent=False)
            except RejectedError as refusal:
                # Said by the controller, so nothing is under way any more.
                if part := self._parts(spec.token).get(first):
                    return part
                raise refusal
            except NoAnswerError as silence:
                log.warning("submitting %s: %s; looking whether it was submitted", spec.token, silence)
                error = silence
                if part := self._appeared(spec.token, first):
                    return part
            else:
                return array_id
        raise NotReachedError(f"SLURM takes no submission: {error}", again=True)

    def _appeared(self, token: str, first: int) -> str | None:
        """Look for a part of an array that may or may not have been submitted, until it cannot appear any more."""
        try:
            answered = self._until_answered(lambda: self._parts_now(token))
            until = time.monotonic() + self.settle_s
            while first not in answered and time.monotonic() < until:
                time.sleep(min(1.0, self.settle_s / 4))
                answered = self._until_answered(lambda: self._parts_now(token))
        except (NoAnswerError, NotReachedError) as error:
            raise SubmissionUnknownError(
                f"the array {token} may or may not have been submitted: {error}. Try again when the cluster answers: "
                "jobs of that name will be found"
            ) from error
        return answered.get(first)

    def _parts(self, token: str) -> dict[int, str]:
        return self._until_answered(lambda: self._parts_now(token))

    def _parts_now(self, token: str) -> dict[int, str]:
        """Return the SLURM arrays of this name by their first job; of two for the same jobs the later is cancelled."""
        by_first_job: dict[int, str] = {}
        surplus: set[str] = set()
        for row in sorted(self.client.queue(names=[token]), key=lambda row: int(row.array_id)):
            mark = Mark.read(row.comment)
            if not row.refused and by_first_job.setdefault(mark.first if mark else 0, row.array_id) != row.array_id:
                surplus.add(row.array_id)
        if surplus:
            log.warning("%s was submitted more than once; cancelling %s", token, ", ".join(sorted(surplus)))
            self.client.cancel_jobs(sorted(surplus, key=int))
        return by_first_job

    def _options(self, spec: ArraySpec, first: int, count: int) -> list[str]:
        wanted = {
            name: getattr(spec.placement, name) or getattr(self.placement, name)
            for name in ("partition", "account", "qos", "constraint")
        }
        nice = spec.placement.nice if spec.placement.nice is not None else self.placement.nice
        exclude = (*self.placement.exclude, *spec.placement.exclude)
        parallel = "" if spec.max_parallel is None else f"%{spec.max_parallel}"
        mark = Mark(self.view.installation, len(spec.jobs), first, count, spec.owner)
        # A percent sign would begin a pattern, such as %j for the job's name.
        said = f"{spec.log_folder}/{spec.token}.slurm".replace("%", "%%")
        return [
            f"--job-name={spec.token}",
            f"--comment={mark}",
            f"--array=0-{count - 1}{parallel}",
            "--export=ALL",  # of sbatch's own environment, which is nearly empty; NONE would make slurmd run a login
            "--requeue" if self.requeue else "--no-requeue",
            "--open-mode=append",
            f"--output={said}",
            f"--chdir={spec.log_folder}",
            "--nodes=1",
            "--ntasks=1",
            f"--cpus-per-task={spec.cpus}",
            f"--mem={-(-spec.memory_mb * 10**6 // 2**20)}M",  # SLURM's M is 2^20 bytes
            f"--time={-(-spec.time_s // 60)}",
            *(f"--{name}={value}" for name, value in wanted.items() if value),
            *((f"--nice={nice}",) if nice is not None else ()),
            *((f"--exclude={','.join(exclude)}",) if exclude else ()),
        ]

    def _until_answered(self, ask: Callable[[], T], *, silent: bool = True) -> T:
        """Ask again, less and less often, as long as the cluster cannot be reached or, if `silent`, does not answer."""
        deadline, pause = time.monotonic() + self.patience_s, _FIRST_PAUSE_S
        while True:
            try:
                return ask()
            except (NoAnswerError, NotReachedError) as error:
                hopeless = not (error.again if isinstance(error, NotReachedError) else silent)
                if hopeless or time.monotonic() + pause > deadline:
                    raise
                log.warning("%s; asking again in %.1f s", error, pause)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)


def _handles(rows: Iterable[QueueRow]) -> list[tuple[ArrayHandle, bool]]:
    """Return the arrays in a list of jobs, the newest first, and whether all their parts are there."""
    parts: dict[str, dict[int, tuple[str, Mark]]] = {}
    for row in sorted(rows, key=lambda row: int(row.array_id)):
        mark = Mark.read(row.comment)
        if mark is not None and not row.refused:
            parts.setdefault(row.name, {}).setdefault(mark.first, (row.array_id, mark))
    handles = []
    for token, there in parts.items():
        ids = ",".join(array_id for _, (array_id, _) in sorted(there.items()))
        jobs = sum(mark.size for _, mark in there.values())
        handles.append((ArrayHandle(token, ids, jobs), all(mark.jobs == jobs for _, mark in there.values())))
    return sorted(handles, key=lambda pair: int(pair[0].id.split(",")[-1]), reverse=True)


def _completed(known: JobStatus, accounted: JobStatus) -> JobStatus:
    """Add what only accounting knows to a state that the controller gave; a step knows about memory alone."""
    memory = max(filter(None, (known.max_rss_mb, accounted.max_rss_mb)), default=None)
    return replace(
        known,
        max_rss_mb=memory,
        node=known.node or accounted.node,
        submitted_utc=known.submitted_utc or accounted.submitted_utc,
        started_utc=known.started_utc or accounted.started_utc,
        ended_utc=known.ended_utc or accounted.ended_utc,
    )
