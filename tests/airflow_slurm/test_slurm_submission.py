"""Submitting arrays to a real cluster: once, whatever happens, and as the array says."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
from collections.abc import Sequence

import pytest
from airflow_slurm.array import ArrayHandle, ArraySpec, JobState, Placement
from airflow_slurm.errors import NoAnswerError, NotReachedError, SubmissionUnknownError
from airflow_slurm.parsing import Mark
from airflow_slurm.private_cluster import PrivateCluster
from airflow_slurm.slurm import SlurmBackend
from airflow_slurm.transport import CommandTransport, Result
from slurm_backends import make_backend, running, shell_array, to_the_end, wait_for


@pytest.fixture(scope="module")
def small_arrays_cluster(tmp_path_factory):
    """A cluster that takes no array of more than ten jobs."""
    folder = tmp_path_factory.mktemp("small")
    with PrivateCluster(folder, nodes=1, cpus=16, options={"MaxArraySize": "10"}) as running:
        yield running


@pytest.fixture
def backend(cluster, tmp_path) -> SlurmBackend:
    """On the cluster that all tests share."""
    return make_backend(cluster, tmp_path)


def arrays(cluster: PrivateCluster, token: str, *, alive: bool = False) -> set[str]:
    """The SLURM arrays of this name that the cluster lists."""
    states = "PENDING,RUNNING,COMPLETING" if alive else "all"
    return set(cluster.run("squeue", "-h", "-n", token, "-t", states, "-O", "ArrayJobID").split())


def test_a_jobs_environment_is_what_the_array_says(backend, tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://user:secret@host/db")
    monkeypatch.setenv("SBATCH_TIMELIMIT", "1")
    monkeypatch.setenv("SBATCH_EXPORT", "NONE")
    odd = 'it\'s "odd" $HOME `id` \\ \t*?\nsecond line; ü €'
    env = {"ODD": odd, "EMPTY": "", "PATH": "/odd:/usr/bin:/bin", "OMP_NUM_THREADS": "7"}
    command = (sys.executable, "-S", "-c", "import os, sys; print(dict(os.environ), sys.argv, os.getcwd(), sep='\\n')")
    spec = shell_array(tmp_path, *["", ""], command=command, env=env, cpus=2, attempt=3)
    handle = backend.submit(spec)
    jobs = to_the_end(backend, handle)
    assert {job.state for job in jobs.values()} == {JobState.COMPLETED}
    lines = spec.log_file(1).read_text().splitlines()
    assert lines[0] == spec.log_heading(1)
    seen = ast.literal_eval(lines[1])
    wanted = spec.job_env(1)
    assert {name: seen.get(name) for name in wanted} == wanted
    assert seen["MKL_NUM_THREADS"] == "2"
    assert seen["HOME"]
    assert ast.literal_eval(lines[2]) == ["-c", "1"]
    assert lines[3] == str(spec.log_folder)
    assert "secret" not in str(seen)
    assert not [name for name in seen if name.startswith(("AIRFLOW", "SBATCH"))]
    assert not {"TZ", "SLURM_TIME_FORMAT", "SLURM_BITSTR_LEN"} & seen.keys()
    assert seen["SLURM_ARRAY_TASK_ID"] == "1"
    others = {name for name in seen if not name.startswith("SLURM")} - wanted.keys()
    assert others - {"MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"} <= {
        "HOME", "USER", "LOGNAME", "LANG", "LC_CTYPE", "PWD", "OLDPWD", "SHLVL", "_", "TMPDIR", "HOSTNAME",
        "ENVIRONMENT",
    }  # fmt: skip


def test_logs_are_as_for_every_back_end(backend, tmp_path):
    folder = tmp_path / "a folder with % and 'quotes'"
    lines = [f"echo element {index}; echo wrong {index} >&2; exit {index}" for index in range(5)]
    spec = shell_array(tmp_path, *lines, jobs=((0,), (2, 4, 1)), log_folder=folder)
    jobs = to_the_end(backend, backend.submit(spec))
    assert [job.exit_code for job in jobs.values()] == [0, 2]
    spec = shell_array(tmp_path, *lines, jobs=((2,),), log_folder=folder, attempt=2, command=spec.command)
    to_the_end(backend, backend.submit(spec))
    assert {path.name for path in folder.glob("*.log")} == {"stage_0.log", "stage_2.log"}
    log = (folder / "stage_2.log").read_text()
    assert log.index("--- attempt 1, ") < log.index("element 2\nwrong 2") < log.index(spec.log_heading(0))
    assert ArraySpec.load(spec.file) == spec


def test_what_slurm_itself_says_is_kept_beside(backend, cluster, tmp_path):
    handle = backend.submit(shell_array(tmp_path, "sleep 60"))
    wait_for(backend, handle, running)
    backend.cancel(handle)
    file = tmp_path / "logs" / f"{handle.token}.slurm"
    deadline = time.monotonic() + 5
    while "CANCELLED" not in file.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_options_reach_slurm(cluster, tmp_path):
    backend = make_backend(cluster, tmp_path, placement=Placement(partition="long", account="ours"))
    placement = Placement(nice=7, exclude=("n2",))
    spec = shell_array(
        tmp_path, *["sleep 60"] * 3, memory_mb=1500, time_s=90, cpus=3, max_parallel=2, placement=placement
    )
    handle = backend.submit(spec)
    jobs = wait_for(backend, handle, lambda jobs: jobs[1].state == JobState.RUNNING)
    assert [job.state for job in jobs.values()] == [JobState.RUNNING, JobState.RUNNING, JobState.PENDING]
    shown = cluster.run("scontrol", "show", "job", f"{handle.id}_0")
    for text in (
        "Partition=long", "Account=ours", "Nice=7", "ExcNodeList=n2", "TimeLimit=00:02:00", "NumCPUs=3",
        "MinMemoryNode=1431M", "Requeue=0", "ArrayTaskThrottle=2", f"WorkDir={spec.log_folder}",
    ):  # fmt: skip
        assert text in shown
    backend.cancel(handle)
    assert arrays(cluster, spec.token, alive=True) == set()


def test_what_cannot_be_said_is_refused(backend, tmp_path):
    for changes in ({"token": "a,b"}, {"token": ""}, {"name": "a b"}, {"env": {"A-B": ""}}, {"env": {"A": "\0"}}):
        with pytest.raises(ValueError, match="letters, digits and"):
            backend.submit(shell_array(tmp_path, "exit 0", **changes))
    assert backend.client.calls.total() == 0


def test_a_cluster_with_a_low_limit_gets_the_array_in_parts(small_arrays_cluster, tmp_path):
    backend = make_backend(small_arrays_cluster, tmp_path)
    lines = [f"echo $ARRAY_JOB > {tmp_path}/{index}.out; exit {index}" for index in range(25)]
    spec = shell_array(tmp_path, *lines)
    assert backend.find(spec.token) is None
    handle = backend.submit(spec)
    ids = handle.id.split(",")
    assert (len(ids), handle.jobs) == (3, 25)
    assert backend.find(spec.token) == handle
    jobs = to_the_end(backend, handle)
    assert [job.exit_code for job in jobs.values()] == list(range(25))
    assert [int((tmp_path / f"{index}.out").read_text()) for index in range(25)] == list(range(25))
    assert jobs[24].job_id == f"{ids[2]}_6"
    # Submitted again, for instance after a crash in the middle, it is the same array.
    assert backend.submit(spec) == handle
    assert arrays(small_arrays_cluster, spec.token) == set(ids)


def test_parts_that_a_crash_left_out_are_added(small_arrays_cluster, tmp_path):
    backend = make_backend(small_arrays_cluster, tmp_path)
    spec = shell_array(tmp_path, *["sleep 1"] * 12, max_parallel=8)
    first = backend.client.submit("#!/bin/sh\nsleep 2; exit 5\n", backend._options(spec, 0, 6))
    assert backend.find(spec.token) is None  # not as a whole
    assert backend.find_tries(spec.token) == (ArrayHandle(spec.token, first, 6),)
    handle = backend.submit(spec)
    assert len(arrays(small_arrays_cluster, spec.token)) == 2
    # SLURM counts the running jobs of each part on its own.
    assert "ArrayTaskThrottle=4" in small_arrays_cluster.run("scontrol", "show", "job", handle.id.split(",")[1])
    jobs = to_the_end(backend, handle)
    assert [job.exit_code for job in jobs.values()] == [5] * 6 + [0] * 6


def test_a_part_that_is_refused_takes_the_others_along(small_arrays_cluster, tmp_path):
    backend = make_backend(small_arrays_cluster, tmp_path)
    spec = shell_array(tmp_path, *["sleep 60"] * 12)
    backend.client.submit("#!/bin/sh\nsleep 60\n", backend._options(spec, 0, 6))
    bad = shell_array(tmp_path, *["sleep 60"] * 12, token=spec.token, memory_mb=10**9)
    with pytest.raises(OSError, match="Memory specification"):
        backend.submit(bad)
    assert arrays(small_arrays_cluster, spec.token, alive=True) == set()


class CutOff(CommandTransport):
    """Kills a submission, as a restart of a worker does; it goes by a line of shell in place of `sbatch`."""

    def __init__(self, conf: str, line: str, after_s: float) -> None:
        super().__init__(conf)
        self.line, self.after_s = line, after_s
        self.left, self.cut = 1, 0

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout_s: float = 30.0) -> Result:
        """Cut off the first submission."""
        if argv[0] != "sbatch" or not self.left:
            return super().run(argv, stdin=stdin, timeout_s=timeout_s)
        self.left -= 1
        try:
            return super().run(["bash", "-c", self.line, *argv], stdin=stdin, timeout_s=self.after_s)
        except NoAnswerError:
            self.cut += 1
            raise


@pytest.mark.parametrize(("line", "submitted"), [('sleep 60; sbatch "$@"', 2), ('sbatch "$@"; sleep 60', 1)])
def test_a_submission_that_was_cut_off_is_no_second_array(cluster, tmp_path, line, submitted):
    transport = CutOff(str(cluster.conf), line, 2.0)
    backend = make_backend(cluster, tmp_path, transport=transport, settle_s=0.5)
    spec = shell_array(tmp_path, "exit 0")
    handle = backend.submit(spec)
    assert transport.cut == 1
    assert backend.client.calls["sbatch"] == submitted
    assert arrays(cluster, spec.token) == {handle.id}
    assert to_the_end(backend, handle)[0].state == JobState.COMPLETED


def test_a_submission_that_was_cut_off_in_the_middle_is_no_second_array(cluster, tmp_path):
    for number in range(6):
        # How far it comes in that time depends on the machine: from not at all to its end.
        transport = CutOff(str(cluster.conf), 'sbatch "$@"', 0.002 * 2**number)
        backend = make_backend(cluster, tmp_path / str(number), transport=transport, settle_s=0.5)
        spec = shell_array(tmp_path, "exit 0")
        handle = backend.submit(spec)
        assert arrays(cluster, spec.token) == {handle.id}
        assert to_the_end(backend, handle)[0].state == JobState.COMPLETED


class AnsweredTooLate(CommandTransport):
    """Submits, and does not tell."""

    silent = 1

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout_s: float = 30.0) -> Result:
        """Lose the answers to some submissions."""
        result = super().run(argv, stdin=stdin, timeout_s=timeout_s)
        if argv[0] == "sbatch" and self.silent:
            self.silent -= 1
            raise NoAnswerError("the line is dead")
        return result


def test_an_answer_that_was_lost(cluster, tmp_path):
    backend = make_backend(cluster, tmp_path, transport=AnsweredTooLate(str(cluster.conf)))
    spec = shell_array(tmp_path, "exit 0")
    handle = backend.submit(spec)
    assert arrays(cluster, spec.token) == {handle.id}
    assert backend.client.calls["sbatch"] == 1


def test_of_two_arrays_with_one_token_the_first_counts(backend, cluster, tmp_path):
    """As when a controller was so slow that the first of them was given up."""
    spec = shell_array(tmp_path, "sleep 60")
    first = backend.client.submit("#!/bin/sh\nsleep 60\n", backend._options(spec, 0, 1))
    second = backend.client.submit("#!/bin/sh\nsleep 60\n", backend._options(spec, 0, 1))
    handle = backend.submit(spec)
    assert handle.id == first
    assert arrays(cluster, spec.token, alive=True) == {first}
    assert wait_for(backend, handle, running)[0].job_id == f"{first}_0"
    assert arrays(cluster, spec.token) == {first, second}
    backend.cancel(handle)


def test_cancelling_takes_all_of_a_token_and_nothing_else(backend, cluster, tmp_path):
    spec, other = shell_array(tmp_path, "sleep 60", "sleep 60", max_parallel=1), shell_array(tmp_path, "sleep 60")
    kept = backend.submit(other)
    handle = backend.submit(spec)
    backend.client.submit("#!/bin/sh\nsleep 60\n", backend._options(spec, 0, 1))
    wait_for(backend, handle, lambda jobs: jobs[0].state == JobState.RUNNING)
    backend.cancel(handle)
    assert arrays(cluster, spec.token, alive=True) == set()
    assert arrays(cluster, other.token, alive=True) == {kept.id}
    backend.cancel(handle)  # it has ended: nothing happens
    # An old id may belong to another job by now.
    backend.cancel(ArrayHandle(spec.token, kept.id, 1))
    assert arrays(cluster, other.token, alive=True) == {kept.id}
    backend.cancel(kept)


def test_tries_are_found_by_how_their_token_begins(backend, tmp_path):
    prefix = f"prefix-{os.getpid()}"
    old = backend.submit(shell_array(tmp_path, "exit 0", token=f"{prefix}-1"))
    to_the_end(backend, old)
    tries = [
        backend.submit(shell_array(tmp_path, *["sleep 60"] * number, token=f"{prefix}-{number}")) for number in (2, 3)
    ]
    assert backend.find_tries(prefix) == tuple(reversed(tries))
    ours = [job for job in backend.client.our_jobs("airflow") if job.token.startswith(prefix)]
    assert {(job.token, job.owner) for job in ours} == {(handle.token, "dag/run/task") for handle in tries}
    assert len(ours) == 5
    assert all(abs(job.submitted_utc.timestamp() - time.time()) < 60 for job in ours)
    assert backend.client.our_jobs("another") == ()
    backend.client.cancel_jobs([handle.id for handle in tries])
    for handle in tries:
        to_the_end(backend, handle)
    assert backend.find_tries(prefix) == ()
    assert backend.find(f"{prefix}-1") == old  # ended, but its end can still be seen


def test_a_cluster_that_does_not_answer(cluster, tmp_path):
    backend = make_backend(cluster, tmp_path, patience_s=1.0, cancel_patience_s=1.0)
    running_array = backend.submit(shell_array(tmp_path, "sleep 60"))
    wait_for(backend, running_array, running)
    cluster.kill("slurmctld", signal=15)
    spec = shell_array(tmp_path, "exit 0")
    with pytest.raises(NoAnswerError, match="squeue on this machine"):
        backend.find(spec.token)
    with pytest.raises(RuntimeError, match=f"scancel --name={running_array.token}"):
        backend.cancel(running_array)
    with pytest.raises(RuntimeError):
        backend.submit(spec)
    cluster.start_daemon("slurmctld")
    assert arrays(cluster, spec.token) == set()
    backend.cancel(running_array)


def test_it_says_so_if_it_does_not_know(cluster, tmp_path):
    class DownAfterwards(AnsweredTooLate):
        def run(self, argv, *, stdin="", timeout_s=30.0):
            try:
                return super().run(argv, stdin=stdin, timeout_s=timeout_s)
            except NoAnswerError:
                cluster.kill("slurmctld", signal=15)
                raise

    backend = make_backend(cluster, tmp_path, transport=DownAfterwards(str(cluster.conf)), patience_s=1.0)
    spec = shell_array(tmp_path, "exit 0")
    with pytest.raises(SubmissionUnknownError, match="may or may not have been submitted"):
        backend.submit(spec)
    cluster.start_daemon("slurmctld")
    handle = backend.find(spec.token)
    assert to_the_end(backend, handle)[0].state == JobState.COMPLETED


def test_without_slurm_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    transport = CommandTransport(bin_folder=str(tmp_path))
    with pytest.raises(NotReachedError, match="install SLURM's commands"):
        transport.run(["sbatch-that-is-not-there"])


def test_a_command_that_hangs_is_ended_with_its_children(tmp_path):
    began = time.monotonic()
    with pytest.raises(NoAnswerError, match=r"within 0\.5 s"):
        CommandTransport().run(["sh", "-c", f"sleep 61.{os.getpid()} & wait"], timeout_s=0.5)
    assert time.monotonic() - began < 30
    assert subprocess.run(["pgrep", "-f", f"sleep 61.{os.getpid()}"], capture_output=True, check=False).stdout == b""


def test_marks_in_comments():
    mark = Mark("airflow", 25, 10, 5, "dag/run|odd/task")
    assert Mark.read(str(mark)) == mark
    for comment in ("", "(null)", "mine", "airflow|x|0|1|o", "a|1|2|3"):
        assert Mark.read(comment) is None
