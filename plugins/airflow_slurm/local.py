"""Arrays on this machine: one process group a job, a limit of jobs for all tasks together."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from airflow_slurm.array import ArrayHandle, ArraySpec, JobState, JobStatus
from airflow_slurm.backend import ArrayBackend
from airflow_slurm.processes import kill_with_token, memory_mb, prepare_child, signal_group
from airflow_slurm.slots import Slot, Slots

_KEPT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_MEMORY_INTERVAL_S = 1.0


@dataclass(slots=True)
class _Run:
    """A job while it runs."""

    process: subprocess.Popen[bytes]
    slot: Slot
    started_s: float
    forced_end: JobStatus | None = None
    """How it will have ended, once a limit or a person has decided so."""
    kill_at_s: float = 0.0


@dataclass(slots=True)
class _Job:
    number: int
    status: JobStatus = field(default_factory=lambda: JobStatus(JobState.PENDING))
    run: _Run | None = None


@dataclass(slots=True)
class _Array:
    spec: ArraySpec
    jobs: list[_Job]
    memory_looked_s: float = 0.0

    @property
    def running(self) -> list[tuple[_Job, _Run]]:
        return [(job, job.run) for job in self.jobs if job.run is not None]


class LocalBackend(ArrayBackend):
    """Run arrays as processes of this machine.

    An array belongs to the process that submitted it: its jobs run as long as that process polls, and die with it.
    So there is never anything to find after a restart. A job takes one slot, however many `cpus` it asks for; its
    numerical libraries are told to use `cpus` threads. Memory is watched, not limited beforehand: what maps much
    address space without using it is not punished, and a job may exceed its memory for about a second.

    Parameters
    ----------
    state_folder : pathlib.Path
        Folder on a local file system, the same for all tasks that share the limit.
    workers : int
        Jobs that run at a time on this machine.
    niceness : int
        How much the jobs stand back behind everything else on the machine, such as Airflow itself.
    grace_s : float
        Time between asking a job to end and killing it, in seconds.
    """

    poll_interval_s = 0.2

    def __init__(self, state_folder: Path, workers: int, *, niceness: int = 5, grace_s: float = 2.0) -> None:
        self.slots = Slots(Path(state_folder) / "slots", workers)
        self.niceness = niceness
        self.grace_s = grace_s
        self._arrays: dict[str, _Array] = {}

    def submit(self, spec: ArraySpec) -> ArrayHandle:
        """Note the array; `poll` starts its jobs as slots become free."""
        if spec.token in self._arrays:
            raise ValueError(f"the array {spec.token} was submitted before; watch it by its handle")
        spec.log_folder.mkdir(parents=True, exist_ok=True)
        jobs = [_Job(number) for number in range(len(spec.jobs))]
        self._arrays[spec.token] = _Array(spec, jobs)
        return ArrayHandle(token=spec.token, id=f"local-{os.getpid()}", jobs=len(jobs))

    def find(self, token: str) -> ArrayHandle | None:
        """Return None unless this very process submitted the array: others die with the process that did."""
        array = self._arrays.get(token)
        return None if array is None else ArrayHandle(token, f"local-{os.getpid()}", len(array.jobs))

    def poll(self, handle: ArrayHandle) -> dict[int, JobStatus]:
        """Start what can be started, end what exceeds its limits, and return the state of every job."""
        array = self._arrays.get(handle.token)
        if array is None:
            return dict.fromkeys(range(handle.jobs), JobStatus(JobState.LOST, reason="its process is gone"))
        # First start, then look: a slot that becomes free now can be taken by another task before the next poll.
        self._start(array)
        self._watch(array)
        return {job.number: job.status for job in array.jobs}

    def cancel(self, handle: ArrayHandle) -> None:
        """End all jobs: asked first, killed after the grace time, and looked for afterwards."""
        array = self._arrays.get(handle.token)
        if array is None:
            return
        cancelled = JobStatus(JobState.CANCELLED, reason="cancelled")
        for job in array.jobs:
            if job.run is not None:
                self._end_with(job.run, cancelled)
            elif not job.status.state.final:
                job.status = cancelled
        while array.running:
            self._watch(array)
            time.sleep(0.02)
        if left := kill_with_token(handle.token):
            raise RuntimeError(f"processes {left} of the cancelled array {handle.token} cannot be killed")

    def _start(self, array: _Array) -> None:
        spec = array.spec
        for job in array.jobs:
            if job.status.state != JobState.PENDING:
                continue
            if spec.max_parallel is not None and len(array.running) >= spec.max_parallel:
                return
            slot = self.slots.take(spec.token)
            if slot is None:
                return
            try:
                process = self._spawn(spec, job.number, slot)
            except OSError as error:
                slot.release()
                job.status = JobStatus(JobState.FAILED, reason=f"it could not be started: {error}")
                continue
            job.run = _Run(process, slot, time.monotonic())
            job.status = JobStatus(JobState.RUNNING)

    def _spawn(self, spec: ArraySpec, number: int, slot: Slot) -> subprocess.Popen[bytes]:
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        environment.update(dict.fromkeys(THREADS, str(spec.cpus)))
        environment.update(spec.job_env(number))
        with spec.log_file(number).open("ab") as log:
            log.write(f"{spec.log_heading(number)}\n".encode())
            log.flush()
            return subprocess.Popen(
                spec.job_command(number),
                cwd=spec.log_folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(slot.descriptor,),
                preexec_fn=prepare_child(self.niceness),
            )

    def _watch(self, array: _Array) -> None:
        now = time.monotonic()
        used: dict[int, float] = {}
        if now - array.memory_looked_s >= _MEMORY_INTERVAL_S and array.running:
            array.memory_looked_s = now
            used = memory_mb({run.process.pid for _, run in array.running})
        for job, run in array.running:
            group = run.process.pid
            if _has_ended(run.process):
                job.status, job.run = _finish(run), None
            elif run.forced_end is not None:
                if now >= run.kill_at_s:
                    signal_group(group, signal.SIGKILL)
            elif now - run.started_s > array.spec.time_s:
                self._end_with(run, JobStatus(JobState.TIMEOUT, reason=f"it ran longer than {array.spec.time_s} s"))
            elif (memory := used.get(group, 0.0)) > array.spec.memory_mb:
                reason = f"it used {memory:.0f} MB of {array.spec.memory_mb} MB"
                run.forced_end = JobStatus(JobState.OUT_OF_MEMORY, reason=reason)
                signal_group(group, signal.SIGKILL)  # at once: memory is short now

    def _end_with(self, run: _Run, status: JobStatus) -> None:
        if run.forced_end is None:
            run.forced_end = status
            run.kill_at_s = time.monotonic() + self.grace_s
            signal_group(run.process.pid, signal.SIGTERM)


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    # Not reaped yet: its number, which is its group's as well, cannot be given to another process meanwhile.
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _finish(run: _Run) -> JobStatus:
    """Clear away what is left of a job whose first process has ended, and say how it ended."""
    signal_group(run.process.pid, signal.SIGKILL)  # what it started and did not wait for
    code = run.process.wait()
    run.slot.release()
    if run.forced_end is not None:
        return run.forced_end
    if code == 0:
        return JobStatus(JobState.COMPLETED, exit_code=0)
    if code > 0:
        return JobStatus(JobState.FAILED, exit_code=code, reason=f"exit code {code}")
    return JobStatus(JobState.FAILED, reason=f"killed by {_signal_name(-code)}")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
