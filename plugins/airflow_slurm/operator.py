"""The operator that runs the elements of a stage as arrays of jobs, and repairs what fails."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowTaskTimeout, TaskDeferred

from airflow_slurm import conclusion
from airflow_slurm.array import ArrayHandle, ArraySpec, ElementArray, ElementOutcome, JobState, JobStatus, Placement
from airflow_slurm.backend import ArrayBackend
from airflow_slurm.chunks import JobTimes
from airflow_slurm.conclusion import FailOn
from airflow_slurm.links import JobLink
from airflow_slurm.recovery import recover, unfinished_arrays
from airflow_slurm.repair import RepairPolicy, next_arrays
from airflow_slurm.retries import ask_until_answered, submit_once
from airflow_slurm.task_identity import is_unwanted, owner, safe_name, token_prefix
from airflow_slurm.task_state import SubmittedArray, SupersededError, TaskState
from airflow_slurm.trigger import FIRST_LOOK_S, SlurmArrayTrigger, serialize
from airflow_slurm.watch import Event, Watched, Watcher, describe_job

if TYPE_CHECKING:
    from collections.abc import Iterator

_CANCEL_CHECK_S = 0.2
States = dict[str, dict[int, JobStatus]]


class ArrayCancelledError(AirflowException):
    """The task was ended from outside."""


class ArrayTimeoutError(AirflowException):
    """The task took longer than its ``execution_timeout``, and its jobs were cancelled."""


class SlurmArrayOperator(BaseOperator):
    """Run the elements of a stage as an array of jobs, watch it, and try again what failed.

    What became of an element is decided by its record alone, never by how its job ended: a job that says COMPLETED
    without a valid record has done nothing, and one that was killed after its record was written has done its work.

    Jobs on a cluster outlive the process of their task. If that dies, the next try of the task takes over what still
    runs, and submits only what is left. If the task is cleared or marked by a person, its jobs are cancelled. Its
    ``execution_timeout`` covers the whole task, from the first submission on, deferred or not.

    The task returns a dictionary: ``counts`` of elements by state (``done``, ``skipped``, ``held``, ``failed``,
    ``lost``), ``valid_before``, ``attempts``, ``failures`` (up to 20, label and reason) and ``elapsed_s``.

    Parameters
    ----------
    array : callable
        Called with `op_kwargs`; gives an `ElementArray` of the elements that are not valid yet. None, or one without
        indices, means that there is nothing to do. Its elements are cut into jobs that
        take no longer than it says, nor than the partition allows. If it has ``rounds``, it is called once more when
        all its elements have ended or were given up, with ``tried``, the indices of those, beside `op_kwargs`: what it
        gives then is the next round, until nothing is left. So elements can depend on each other.
    outcomes : callable
        Called with `op_kwargs`; gives the `ElementOutcome` of the stage's elements by index.
    backend : callable
        Gives the `ArrayBackend`; called when the task runs, so that reading a DAG costs nothing.
    op_kwargs : dict, optional
        Keyword arguments of `array`, `outcomes` and `report`. Templated.
    title : str
        What the log calls this array, beside the name of the task. Templated; good for `map_index_template`.
    repair : RepairPolicy, optional
        How often and with what limits elements are tried again within this task.
    fail_on : FailOn
        When elements that failed make the task fail.
    max_parallel : int, optional
        Jobs of this array that may run at a time; None leaves it to the back end.
    placement : Placement or dict, optional
        Where on the cluster its jobs run.
    defer_after_s : float or None
        How long the task watches by itself before it leaves the watching to the triggerer and frees its worker, in
        seconds; None for ever. A task that was deferred goes on 15 s after that at the earliest.
    on_stuck : str
        What happens when all that is left waits for something that will not come by itself, such as a job that was
        held: ``wait`` for a person, or ``fail``, which cancels it. The log says it at once in both cases.
    stuck_after_s : float
        How long it may be so, in seconds.
    report : callable, optional
        Called with `op_kwargs` and ``jobs``, a list of dictionaries with all that is known of each job, whenever
        arrays have ended. If it fails, the log says so, and the task goes on.
    **kwargs
        Everything that a `BaseOperator` takes.
    """

    template_fields = ("op_kwargs", "title")
    template_fields_renderers: ClassVar = {"op_kwargs": "py"}
    operator_extra_links = (JobLink(),)
    ui_color = "#dce8f2"

    def __init__(
        self,
        *,
        array: Callable[..., ElementArray | None],
        outcomes: Callable[..., Mapping[int, ElementOutcome]],
        backend: Callable[[], ArrayBackend],
        op_kwargs: dict[str, Any] | None = None,
        title: str = "",
        repair: RepairPolicy | None = None,
        fail_on: FailOn = FailOn.ALL,
        max_parallel: int | None = None,
        placement: Placement | dict[str, Any] | None = None,
        defer_after_s: float | None = 60.0,
        on_stuck: Literal["wait", "fail"] = "fail",
        stuck_after_s: float = 3600.0,
        report: Callable[..., object] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if on_stuck not in ("wait", "fail"):
            raise ValueError(f"on_stuck is wait or fail, not {on_stuck!r}")
        self.array = array
        self.outcomes = outcomes
        self.backend = backend
        self.op_kwargs = op_kwargs or {}
        self.title = title
        self.repair = repair or RepairPolicy()
        self.fail_on = FailOn(fail_on)
        self.max_parallel = max_parallel
        self.placement = Placement(**placement) if isinstance(placement, dict) else placement
        self.defer_after_s = defer_after_s
        self.on_stuck = on_stuck
        self.stuck_after_s = stuck_after_s
        self.report = report
        self.job_url: str | None = None
        self._cancelled = False
        self._supervisor = 0

    def execute(self, context: Any) -> dict[str, Any]:
        """Run the elements to their end.

        Raises
        ------
        ArrayFailedError
            If too many elements failed, by `fail_on`.
        ArrayCancelledError
            If the task was ended from outside.
        ArrayTimeoutError
            If it took longer than its ``execution_timeout``.
        """
        self._supervisor = os.getppid()
        backend = self.backend()
        base = token_prefix(self._what, context["ti"])
        unfinished = ask_until_answered(lambda: unfinished_arrays(backend, base), self.log, self._check)
        array = self.array(**self.op_kwargs)
        if array is None or not array.indices:
            total = 0 if array is None else array.total
            self.log.info("%s: nothing to do, all %d elements valid", self._what, total)
            self._end(backend, [handle for handle, _ in unfinished])
            return {"counts": {}, "valid_before": total, "attempts": 0, "failures": [], "elapsed_s": 0.0}

        times = self._times(backend, array)
        wanted = self._spec(array, times, context["ti"])
        task_state = TaskState.begin(
            wanted, base, context["ti"].try_number, array, times,
            limit=self.execution_timeout, shared=backend.trigger_arguments() is not None,
        )  # fmt: skip
        self._say(wanted, task_state)
        task_state.save()
        with self._no_jobs_left_behind(context, backend, task_state):
            recovered, refused = recover(unfinished, wanted)
            for submitted in recovered:
                self.log.info(
                    "%s: taking over %s from an earlier try (%s), with %d elements",
                    self._what, submitted.handle.token, submitted.handle.id, len(submitted.elements),
                )  # fmt: skip
                task_state.add(submitted)
            for handle in refused:
                backend.cancel(handle)
            taken = {index for submitted in recovered for index in submitted.elements}
            if rest := tuple(index for index in wanted.indices if index not in taken):
                jobs, time_s = times.jobs(rest, array.per_job, jobs_min=_jobs_min(array))
                self._submit(backend, task_state, replace(wanted, jobs=jobs, time_s=time_s))
            return self._run_to_the_end(backend, task_state, context["ti"])

    def resume(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        """Go on after the triggerer has watched."""
        self._supervisor = os.getppid()
        task_state = TaskState.load(Path(event["task_state"]))
        if event.get("stuck_since"):
            task_state.stuck_since_utc = dt.datetime.fromisoformat(event["stuck_since"])
        backend = self.backend()
        with self._no_jobs_left_behind(context, backend, task_state):
            self._link(backend, task_state)
            return self._run_to_the_end(backend, task_state, context["ti"])

    def on_kill(self) -> None:
        """Have the task end.

        Airflow calls this from a signal handler in the middle of `execute`, and goes on with `execute` afterwards.
        Ending jobs there could meet the half-done start of one, so the watching loop does it, within a moment.
        """
        self._cancelled = True

    @property
    def _what(self) -> str:
        return f"{self.task_id.rpartition('.')[2]} {self.title}".rstrip()

    def _times(self, backend: ArrayBackend, array: ElementArray) -> JobTimes:
        """Return how long jobs may take, where the array is to run."""
        placement = self._placement_of(array)
        place_max_s = ask_until_answered(lambda: backend.time_limit_s(placement), self.log, self._check)
        return JobTimes(
            dict(array.element_time_s), array.start_s, array.job_time_max_s, place_max_s, backend.time_step_s
        )

    def _placement_of(self, array: ElementArray) -> Placement:
        return self.placement or getattr(array, "placement", None) or Placement()

    def _spec(self, array: ElementArray, times: JobTimes, ti: Any) -> ArraySpec:
        jobs, time_s = times.jobs(array.indices, array.per_job, jobs_min=_jobs_min(array))
        return ArraySpec(
            name=safe_name(array.name),
            token="",
            command=tuple(str(part) for part in array.command),
            jobs=jobs,
            log_folder=Path(array.log_folder),
            env=dict(array.env),
            memory_mb=array.memory_mb,
            time_s=time_s,
            cpus=getattr(array, "cpus", 1),
            max_parallel=self.max_parallel,
            placement=self._placement_of(array),
            owner=owner(ti),
        )

    def _submit(self, backend: ArrayBackend, task_state: TaskState, spec: ArraySpec) -> None:
        """Submit an array. It is written down before and after, so that nobody submits it a second time."""
        self._check()
        spec = replace(spec, token=task_state.new_token(spec.attempt))
        task_state.tokens.append(spec.token)
        task_state.save()
        task_state.add(submit_once(backend, spec, task_state.excluded, self.log, self._check))
        task_state.save()
        self._link(backend, task_state)

    def _link(self, backend: ArrayBackend, task_state: TaskState) -> None:
        ids = task_state.arrays[-1].handle.id if task_state.arrays else ""
        self.job_url = backend.job_url(ids.partition(",")[0]) if ids else None

    def _say(self, spec: ArraySpec, task_state: TaskState) -> None:
        later = len(task_state.indices) - len(task_state.tried)
        self.log.info(
            "%s: %d of %d elements to do%s in %d jobs, %d MB and %d s each job; logs in %s",
            self._what, len(spec.indices), task_state.total, f", {later} after them," if later else "", len(spec.jobs),
            spec.memory_mb, spec.time_s, spec.log_folder,
        )  # fmt: skip

    def _run_to_the_end(self, backend: ArrayBackend, task_state: TaskState, ti: Any) -> dict[str, Any]:
        """Watch what was submitted, repair, and watch again until nothing is left to be done."""
        while True:
            states = self._watch(backend, task_state)
            outcomes = self.outcomes(**self.op_kwargs)
            again = self._review(backend, task_state, states, outcomes)
            for spec in again:
                self.log.warning(
                    "%s: attempt %d for %d elements without success (%s), %d MB and %d s each job",
                    self._what, spec.attempt, len(spec.indices), task_state.ends(spec.indices),
                    spec.memory_mb, spec.time_s,
                )  # fmt: skip
                self._submit(backend, task_state, spec)
            if not again and not self._next_round(backend, task_state, ti):
                break
        task_state.clear_away()
        return conclusion.conclude(self._what, task_state, outcomes, self.fail_on, self.log)

    def _next_round(self, backend: ArrayBackend, task_state: TaskState, ti: Any) -> bool:
        """Submit what can be done now that all else has ended; tell whether there is anything."""
        array = self.array(**self.op_kwargs, tried=task_state.tried) if task_state.rounds else None
        if array is None or not array.indices:
            return False
        task_state.times = self._times(backend, array)
        spec = self._spec(array, task_state.times, ti)
        task_state.begin_round(spec.indices, array.labels)
        self._say(spec, task_state)
        self._submit(backend, task_state, spec)
        return True

    def _watch(self, backend: ArrayBackend, task_state: TaskState) -> States:
        """Watch until all arrays have ended."""
        watcher = Watcher(
            what=self._what,
            arrays=[Watched.of(submitted.spec, submitted.handle) for submitted in task_state.arrays],
            log=self.log,
            stuck_after_s=self.stuck_after_s if self.on_stuck == "fail" else None,
            stuck_since_utc=task_state.stuck_since_utc,
            deadline_utc=task_state.deadline_utc,
        )
        began = time.monotonic()
        while True:
            self._check()
            states = {submitted.handle.token: backend.poll(submitted.handle) for submitted in task_state.arrays}
            event = watcher.see(states)
            task_state.stuck_since_utc = watcher.stuck_since_utc
            if event == Event.ENDED:
                return states
            if event == Event.TIMEOUT:
                raise ArrayTimeoutError(f"{self._what}: it takes longer than its execution_timeout")
            if event == Event.STUCK:
                return self._end_stuck(backend, task_state, states)
            if self.defer_after_s is not None and time.monotonic() - began >= self.defer_after_s:
                self._leave_to_triggerer(backend, task_state, watcher)
            self._pause(backend.poll_interval_s)

    def _leave_to_triggerer(self, backend: ArrayBackend, task_state: TaskState, watcher: Watcher) -> None:
        arguments = backend.trigger_arguments()
        if arguments is None:
            return
        task_state.save()
        self._check()
        since, deadline = watcher.stuck_since_utc, watcher.deadline_utc
        self.defer(
            trigger=SlurmArrayTrigger(
                task_state=str(task_state.path),
                what=self._what,
                arrays=[serialize(watched) for watched in watcher.arrays],
                first_look=time.time() + FIRST_LOOK_S,
                stuck_after_s=watcher.stuck_after_s,
                stuck_since=since.isoformat() if since else None,
                deadline=deadline.isoformat() if deadline else None,
                **arguments,
            ),
            method_name="resume",
        )

    def _end_stuck(self, backend: ArrayBackend, task_state: TaskState, states: States) -> States:
        """Cancel what is left, and return how everything ended. Nothing else goes on any more."""
        self.log.error("%s: what is left is cancelled: it has been stuck for %.0f s", self._what, self.stuck_after_s)
        for submitted in task_state.arrays:
            backend.cancel(submitted.handle)
        task_state.stuck_since_utc = None
        return {
            token: {
                job: status if status.state.final else replace(status, state=JobState.CANCELLED)
                for job, status in jobs.items()
            }
            for token, jobs in states.items()
        }

    def _review(
        self, backend: ArrayBackend, task_state: TaskState, states: States, outcomes: Mapping[int, ElementOutcome]
    ) -> list[ArraySpec]:
        """Look at what has ended, and return what is to be submitted again."""
        again: list[ArraySpec] = []
        jobs: list[dict[str, Any]] = []
        for submitted in task_state.arrays:
            ends = {
                **states[submitted.handle.token],
                **self._account(backend, submitted, states[submitted.handle.token]),
            }
            jobs += [describe_job(submitted.spec, job, status) for job, status in sorted(ends.items())]
            limits = conclusion.review(submitted, ends, outcomes, task_state, self.repair)
            again += next_arrays(submitted.spec, limits, task_state.times)
            backend.forget(submitted.handle)
        task_state.arrays = []
        if self.report is not None and jobs:
            try:
                self.report(**self.op_kwargs, jobs=jobs)
            except Exception:  # the work is done, and its records say so
                self.log.exception("%s: the jobs could not be reported", self._what)
        return again

    def _account(
        self, backend: ArrayBackend, submitted: SubmittedArray, ends: Mapping[int, JobStatus]
    ) -> dict[int, JobStatus]:
        """Ask what accounting knows of jobs, and keep how they ended as it was seen first."""
        try:
            known = backend.account(submitted.handle)
        except (OSError, RuntimeError) as error:
            self.log.warning("%s: no accounting of %s: %s", self._what, submitted.handle.token, error)
            return {}
        return {
            job: replace(status, state=end.state, reason=end.reason or status.reason, stuck=end.stuck)
            for job, end in ends.items()
            if (status := known.get(job)) is not None
        }

    @contextmanager
    def _no_jobs_left_behind(self, context: Any, backend: ArrayBackend, task_state: TaskState) -> Iterator[None]:
        """Leave no jobs behind that nobody will look after, whatever ends this task."""
        try:
            yield
        except TaskDeferred:
            raise
        except BaseException as error:
            if task_state.arrays and self._ends_jobs(context["ti"], task_state, error):
                self.log.warning("%s: cancelling its jobs", self._what)
                self._end(backend, [submitted.handle for submitted in task_state.arrays])
            elif task_state.arrays:
                self.log.warning("%s: its jobs run on; the next try of this task takes them over", self._what)
            raise

    def _ends_jobs(self, ti: Any, task_state: TaskState, error: BaseException) -> bool:
        """Tell whether the jobs end with this process. If another try of the task follows, they need not."""
        if not task_state.shared or isinstance(error, (ArrayTimeoutError, AirflowTaskTimeout)):
            return True
        if isinstance(error, SupersededError):
            return False
        return (self._cancelled and is_unwanted(ti)) or ti.try_number > ti.max_tries

    def _end(self, backend: ArrayBackend, handles: list[ArrayHandle]) -> None:
        failed = []
        for handle in handles:
            try:
                backend.cancel(handle)
            except (OSError, RuntimeError) as error:
                failed.append(f"{handle.token}: {error}")
        for text in failed:
            self.log.error("%s: not cancelled, %s", self._what, text)

    def _check(self) -> None:
        """End this process where it is safe, if it was asked to."""
        if self._cancelled:
            raise ArrayCancelledError(f"{self._what}: the task was ended from outside")
        if os.getppid() != self._supervisor:
            raise ArrayCancelledError(f"{self._what}: the process that supervises this task is gone")

    def _pause(self, seconds: float) -> None:
        # In small steps: Airflow kills a task that does not end within 5 s after it was told to.
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self._cancelled:
            time.sleep(min(left, _CANCEL_CHECK_S))


def _jobs_min(array: ElementArray) -> int:
    return int(getattr(array, "jobs_min", 1))
