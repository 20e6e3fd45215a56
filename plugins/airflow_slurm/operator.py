"""The operator that runs the elements of a stage as one array, and repairs it."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException

from airflow_slurm.array import ArrayHandle, ArraySpec, ElementArray, ElementOutcome, JobState, JobStatus
from airflow_slurm.backend import ArrayBackend
from airflow_slurm.repair import RepairPolicy

_SHOWN_FAILURES = 20
_SHOWN_LINES = 15
_LOG_INTERVAL_S = 5.0
_AGAIN = ("failed", None)
"""States of elements that are worth another try."""


class FailOn(StrEnum):
    """When elements that failed make the task fail."""

    ALL = "all"
    """If the stage has no element that is done, skipped or held. Fewer are a loss, which those who go on must judge."""
    ANY = "any"
    """If one failed or has no valid record."""


class ArrayFailedError(AirflowException):
    """The array ended, but not well enough."""


class ArrayCancelledError(AirflowException):
    """The task was ended from outside, and its array with it."""


class SlurmArrayOperator(BaseOperator):
    """Run the elements of a stage as one array of jobs, watch it, and try again what failed.

    What became of an element is decided by its record alone, never by how its job ended: a job that says COMPLETED
    without a valid record has done nothing, and one that was killed after its record was written has done its work.

    The task returns a dictionary: ``counts`` of elements by state (``done``, ``skipped``, ``held``, ``failed``,
    ``lost``), ``valid_before``, ``attempts``, ``failures`` (up to 20, label and reason) and ``elapsed_s``.

    Parameters
    ----------
    array : callable
        Called with `op_kwargs`; gives an `ElementArray` of the elements that are not valid yet. None, or one without
        indices, means that there is nothing to do.
    outcomes : callable
        Called with `op_kwargs`; gives the `ElementOutcome` of the stage's elements by index.
    backend : callable
        Gives the `ArrayBackend`; called when the task runs, so that reading a DAG costs nothing.
    op_kwargs : dict, optional
        Keyword arguments of `array` and `outcomes`. Templated.
    title : str
        What the log calls this array, beside the name of the task. Templated; good for `map_index_template`.
    repair : RepairPolicy, optional
        How often and with what limits elements are tried again within this task.
    fail_on : FailOn
        When elements that failed make the task fail.
    max_parallel : int, optional
        Jobs of this array that may run at a time; None leaves it to the back end.
    **kwargs
        Everything that a `BaseOperator` takes.
    """

    template_fields = ("op_kwargs", "title")
    template_fields_renderers: ClassVar = {"op_kwargs": "py"}
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
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.array = array
        self.outcomes = outcomes
        self.backend = backend
        self.op_kwargs = op_kwargs or {}
        self.title = title
        self.repair = repair or RepairPolicy()
        self.fail_on = FailOn(fail_on)
        self.max_parallel = max_parallel
        self._cancelled = False

    def execute(self, context: Any) -> dict[str, Any]:
        """Run the array to its end.

        Raises
        ------
        ArrayFailedError
            If too many elements failed, by `fail_on`.
        ArrayCancelledError
            If the task was ended from outside.
        """
        started = time.monotonic()
        array = self.array(**self.op_kwargs)
        indices = () if array is None else tuple(array.indices)
        if array is None or not indices:
            total = 0 if array is None else array.total
            self.log.info("%s: nothing to do, all %d elements valid", self._what, total)
            return {"counts": {}, "valid_before": total, "attempts": 0, "failures": [], "elapsed_s": 0.0}

        backend = self.backend()
        token = _token(array.name, context["ti"])
        spec = self._spec(array, indices, f"{token}-1")
        self.log.info(
            "%s: %d of %d elements to do, %d a job, %d MB and %d s each job; logs in %s",
            self._what, len(spec.indices), array.total, spec.per_job, spec.memory_mb, spec.time_s, spec.log_folder,
        )  # fmt: skip
        logs: dict[int, Path] = {}
        ends: dict[int, JobStatus] = {}
        while True:
            for job, status in self._run(backend, spec).items():
                for index in spec.elements(job):
                    logs[index], ends[index] = spec.log_file(job), status
            outcomes = self.outcomes(**self.op_kwargs)
            again = tuple(index for index in spec.indices if _state(outcomes, index) in _AGAIN)
            if not again or spec.attempt > self.repair.repairs:
                break
            states = {ends[index].state for index in again}
            spec = self.repair.again(spec, again, states, f"{token}-{spec.attempt + 1}")
            self.log.warning(
                "%s: attempt %d for %d elements without success (%s), %d MB and %d s each job",
                self._what, spec.attempt, len(again), ", ".join(sorted(states)), spec.memory_mb, spec.time_s,
            )  # fmt: skip

        failures = [
            (array.labels.get(index, str(index)), _reason(outcomes.get(index), ends[index]), logs[index])
            for index in again
        ]
        self._show(failures)
        counts = Counter(_state(outcomes, index) or "lost" for index in indices)
        summary = {
            "counts": dict(counts),
            "valid_before": array.total - len(indices),
            "attempts": spec.attempt,
            "failures": [{"element": label, "reason": reason} for label, reason, _ in failures[:_SHOWN_FAILURES]],
            "elapsed_s": round(time.monotonic() - started, 1),
        }
        text = ", ".join(f"{number} {state}" for state, number in counts.most_common())
        self.log.info("%s: %s after %.1f s", self._what, text, summary["elapsed_s"])
        self._judge(counts, outcomes, text)
        return summary

    def on_kill(self) -> None:
        """Have the array cancelled.

        Airflow calls this from a signal handler in the middle of `execute`, and goes on with `execute` afterwards.
        Ending processes there could meet the half-done start of one, so the watching loop does it, within a poll.
        """
        self._cancelled = True

    @property
    def _what(self) -> str:
        return f"{self.task_id.rpartition('.')[2]} {self.title}".rstrip()

    def _spec(self, array: ElementArray, indices: tuple[int, ...], token: str) -> ArraySpec:
        return ArraySpec(
            name=_plain(array.name),
            token=token,
            command=tuple(str(part) for part in array.command),
            indices=indices,
            log_folder=Path(array.log_folder),
            env=dict(array.env),
            per_job=max(1, array.per_job),
            memory_mb=array.memory_mb,
            time_s=array.time_s,
            max_parallel=self.max_parallel,
        )

    def _run(self, backend: ArrayBackend, spec: ArraySpec) -> dict[int, JobStatus]:
        """Submit an array, or find it again, and watch it to its end."""
        handle = backend.find(spec.token) or backend.submit(spec)
        try:
            return self._watch(backend, spec, handle)
        except BaseException:  # whatever ends this task ends its jobs
            self.log.warning("%s: cancelling the array %s", self._what, handle.token)
            backend.cancel(handle)
            raise

    def _watch(self, backend: ArrayBackend, spec: ArraySpec, handle: ArrayHandle) -> dict[int, JobStatus]:
        shown, shown_s = "", 0.0
        supervisor = os.getppid()
        while True:
            if self._cancelled:
                raise ArrayCancelledError(f"{self._what}: the task was ended from outside")
            if os.getppid() != supervisor:
                raise ArrayCancelledError(f"{self._what}: the process that supervises this task is gone")
            jobs = backend.poll(handle)
            ended = all(status.state.final for status in jobs.values())
            text = _progress(spec, jobs)
            # Short jobs end many times a second: a line for each would hide the rest.
            if text != shown and (ended or time.monotonic() - shown_s >= _LOG_INTERVAL_S):
                self.log.info("%s: %s", self._what, text)
                shown, shown_s = text, time.monotonic()
            if ended:
                return jobs
            time.sleep(backend.poll_interval_s)

    def _show(self, failures: list[tuple[str, str, Path]]) -> None:
        for label, reason, path in failures[:_SHOWN_FAILURES]:
            self.log.error("%s: %s\n  end of %s:\n%s", label, reason, path, _tail(path))
        if len(failures) > _SHOWN_FAILURES:
            rest = ", ".join(label for label, _, _ in failures[_SHOWN_FAILURES:])
            self.log.error("%d more without success: %s", len(failures) - _SHOWN_FAILURES, rest)

    def _judge(self, counts: Counter[str], outcomes: Mapping[int, ElementOutcome], text: str) -> None:
        bad = counts["failed"] + counts["lost"]
        if not bad:
            return
        usable = any(outcome is not None and outcome.state not in _AGAIN for outcome in outcomes.values())
        if self.fail_on == FailOn.ANY or not usable:
            raise ArrayFailedError(f"{self._what}: {text}; see the ends of their logs above")
        self.log.warning("%s: %d elements are lost to the next stages", self._what, bad)


def _token(name: str, ti: Any) -> str:
    """Name a try of a task: readable, and unique among all tries of all tasks and runs."""
    identity = f"{ti.dag_id}/{ti.run_id}/{ti.task_id}/{ti.map_index}"
    return f"{_plain(name)[:40]}-{hashlib.sha256(identity.encode()).hexdigest()[:10]}-{ti.try_number}"


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)


def _state(outcomes: Mapping[int, ElementOutcome], index: int) -> str | None:
    outcome = outcomes.get(index)
    return None if outcome is None or outcome.state is None else str(outcome.state)


def _reason(outcome: ElementOutcome | None, end: JobStatus) -> str:
    if outcome is not None and outcome.state is not None:
        return outcome.reason or "failed"
    parts = ["no valid record", *([outcome.reason] if outcome is not None and outcome.reason else [])]
    return f"{'; '.join(parts)}; its job ended {end.state}{f' ({end.reason})' if end.reason else ''}"


def _progress(spec: ArraySpec, jobs: Mapping[int, JobStatus]) -> str:
    """Count elements by the state of their jobs, in the order of `JobState`."""
    counts: Counter[JobState] = Counter()
    for job, status in jobs.items():
        counts[status.state] += len(spec.elements(job))
    order = sorted(counts, key=lambda state: (not state.final, state == JobState.PENDING, state))
    return ", ".join(f"{counts[state]} {state.lower().replace('_', ' ')}" for state in order)


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 16_000))
            lines = file.read().decode(errors="replace").splitlines()[-_SHOWN_LINES:]
    except OSError as error:
        return f"    ({error})"
    return "\n".join(f"    {line}" for line in lines) or "    (empty)"
