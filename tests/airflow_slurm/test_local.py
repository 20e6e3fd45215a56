"""The local back end, with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from airflow_slurm.array import JobState
from airflow_slurm.local import LocalBackend
from airflow_slurm.processes import pids_with_token
from small_arrays import Stage, alive, wait_for


def watch(backend, handle):
    """Poll until every job has ended; return the final states."""
    deadline = time.monotonic() + 20
    while True:
        jobs = backend.poll(handle)
        if all(status.state.final for status in jobs.values()):
            return jobs
        assert time.monotonic() < deadline, jobs
        time.sleep(0.05)


@pytest.fixture
def backend(tmp_path) -> LocalBackend:
    """Two workers; jobs that do not end when asked to are killed soon."""
    return LocalBackend(tmp_path / "state", 2, grace_s=0.3)


def test_jobs_say_how_they_ended(backend, tmp_path):
    stage = Stage(tmp_path / "a", {0: {}, 3: {"killed": 1}, 5: {}})
    jobs = watch(backend, backend.submit(stage.spec()))
    assert [jobs[job].state for job in range(3)] == [JobState.COMPLETED, JobState.FAILED, JobState.COMPLETED]
    assert jobs[0].exit_code == 0
    assert jobs[1].reason == "killed by SIGKILL"
    assert set(stage.outcomes()) == {0, 5}


def test_an_exit_code_and_a_program_that_is_not_there(backend, tmp_path):
    stage = Stage(tmp_path / "a", {0: {}})
    code = backend.submit(stage.spec("t1", command=(sys.executable, "-S", "-c", "raise SystemExit(7)")))
    absent = backend.submit(stage.spec("t2", command=("/no/such/program",)))
    status = watch(backend, code)[0]
    assert (status.state, status.exit_code) == (JobState.FAILED, 7)
    status = watch(backend, absent)[0]
    assert status.state == JobState.FAILED
    assert "/no/such/program" in status.reason
    assert watch(backend, backend.submit(stage.spec("t3")))[0].state == JobState.COMPLETED  # the slots are free again


def test_a_job_works_on_several_elements_and_keeps_one_log_for_all_tries(backend, tmp_path):
    stage = Stage(tmp_path / "a", {index: {} for index in (0, 1, 2, 7, 8)}, per_job=2)
    spec = stage.spec()
    assert spec.jobs == ((0, 1), (2, 7), (8,))
    watch(backend, backend.submit(stage.spec("t1")))
    watch(backend, backend.submit(stage.spec("t2", indices=(2,), attempt=2)))
    assert set(stage.outcomes()) == {0, 1, 2, 7, 8}
    assert sorted(path.name for path in stage.log_folder.iterdir()) == ["stage_0.log", "stage_2.log", "stage_8.log"]
    log = (stage.log_folder / "stage_2.log").read_text()
    assert log.index("element 2 attempt 1") < log.index("element 7 attempt 1") < log.index("element 2 attempt 2")
    assert "--- attempt 2, t2: " in log


def test_a_job_sees_what_it_is_given_and_no_secret(backend, tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://user:secret@host/db")
    stage = Stage(tmp_path / "a", {4: {}})
    command = (sys.executable, "-S", "-c", "import os; print(dict(os.environ))")
    watch(backend, backend.submit(stage.spec(command=command, cpus=3)))
    log = (stage.log_folder / "stage_4.log").read_text()
    assert "secret" not in log
    assert "'GIVEN': 'yes'" in log
    assert "'OMP_NUM_THREADS': '3'" in log
    assert f"'ARRAY_LOG': '{stage.log_folder / 'stage_4.log'}'" in log


def test_the_time_limit_ends_a_job_even_if_it_does_not_listen(backend, tmp_path):
    stage = Stage(tmp_path / "a", {0: {"deaf": True, "sleep": 60}, 1: {"sleep": 60}, 2: {}}, time_s=1)
    jobs = watch(backend, backend.submit(stage.spec()))
    assert [jobs[job].state for job in range(3)] == [JobState.TIMEOUT, JobState.TIMEOUT, JobState.COMPLETED]
    assert "1 s" in jobs[0].reason
    assert not alive(str(stage.folder))


def test_the_memory_limit_ends_a_job(backend, tmp_path):
    stage = Stage(tmp_path / "a", {0: {"memory_until": 1, "sleep": 60}, 1: {}}, memory_mb=100)
    jobs = watch(backend, backend.submit(stage.spec()))
    assert [jobs[job].state for job in range(2)] == [JobState.OUT_OF_MEMORY, JobState.COMPLETED]
    assert "MB of 100 MB" in jobs[0].reason


def test_cancelling_leaves_no_process(backend, tmp_path):
    stage = Stage(tmp_path / "a", {index: {"sleep": 60, "child": True, "deaf": index == 0} for index in range(4)})
    handle = backend.submit(stage.spec())
    wait_for(lambda: backend.poll(handle) and len(pids_with_token("token")) == 4)  # two jobs with a child each
    started = time.monotonic()
    backend.cancel(handle)
    assert time.monotonic() - started < 20
    assert {status.state for status in backend.poll(handle).values()} == {JobState.CANCELLED}
    assert not pids_with_token("token")
    assert not stage.outcomes()
    backend.cancel(handle)  # an array that has ended is left alone
    assert watch(backend, backend.submit(Stage(tmp_path / "b", {0: {}}).spec("next")))[0].state == JobState.COMPLETED


def test_no_more_jobs_of_an_array_than_it_allows(tmp_path):
    stage = Stage(tmp_path / "a", {index: {"sleep": 0.2} for index in range(3)})
    backend = LocalBackend(tmp_path / "state", 4)
    watch(backend, backend.submit(stage.spec(max_parallel=1)))
    assert _most_at_once(stage.spans()) == 1


def test_there_is_nothing_to_find_after_a_restart(backend, tmp_path):
    handle = backend.submit(Stage(tmp_path / "a", {0: {}}).spec())
    assert backend.find("token") == handle
    restarted = LocalBackend(tmp_path / "state", 2)
    assert restarted.find("token") is None
    assert restarted.poll(handle)[0].state == JobState.LOST
    with pytest.raises(ValueError, match="submitted before"):
        backend.submit(Stage(tmp_path / "a", {0: {}}).spec())


def test_the_limit_of_workers_is_positive(tmp_path):
    with pytest.raises(ValueError, match="1 or more"):
        LocalBackend(tmp_path, 0)


OTHER = """
    import sys, time
    sys.path.insert(0, {tests!r})
    from pathlib import Path
    from airflow_slurm.local import LocalBackend
    from small_arrays import Stage

    stage = Stage(Path(sys.argv[2]), {{index: {{"sleep": float(sys.argv[3]), "child": len(sys.argv) > 4}}
                                      for index in range(4)}})
    backend = LocalBackend(Path(sys.argv[1]), 2)
    handle = backend.submit(stage.spec("token-" + stage.folder.name))
    while not all(status.state.final for status in backend.poll(handle).values()):
        time.sleep(0.05)
"""


def other_process(state: Path, folder: Path, sleep_s: float, *more: str) -> subprocess.Popen[bytes]:
    """Another process that runs an array of four elements on the same machine."""
    code = textwrap.dedent(OTHER).format(tests=str(Path(__file__).parent))
    return subprocess.Popen([sys.executable, "-c", code, str(state), str(folder), str(sleep_s), *more])


def test_two_processes_share_the_workers(tmp_path):
    folders = [tmp_path / "a", tmp_path / "b"]
    others = [other_process(tmp_path / "state", folder, 0.4) for folder in folders]
    assert [other.wait(30) for other in others] == [0, 0]
    stages = [Stage(folder, {index: {} for index in range(4)}) for folder in folders]
    spans = [span for stage in stages for span in stage.spans()]
    assert len(spans) == 8
    assert _most_at_once(spans) == 2
    # Neither waits until the other has finished.
    first, second = (stage.spans() for stage in stages)
    assert min(begin for begin, _ in second) < max(end for _, end in first)
    assert min(begin for begin, _ in first) < max(end for _, end in second)


@pytest.mark.skipif(sys.platform != "linux", reason="needs prctl")
def test_jobs_die_with_the_process_that_watches_them(tmp_path):
    other = other_process(tmp_path / "state", tmp_path / "a", 60, "with children")
    wait_for(lambda: len(pids_with_token("token-a")) == 4)
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    wait_for(lambda: not alive(str(tmp_path / "a")))
    # Children of the jobs that hid in sessions of their own end when their slot is taken again.
    assert len(pids_with_token("token-a")) == 2
    backend = LocalBackend(tmp_path / "state", 2)
    stage = Stage(tmp_path / "b", {0: {"sleep": 0.3}, 1: {"sleep": 0.3}})
    jobs = watch(backend, backend.submit(stage.spec("token-b")))
    assert {status.state for status in jobs.values()} == {JobState.COMPLETED}
    assert not pids_with_token("token-a")


def _most_at_once(spans: list[tuple[float, float]]) -> int:
    changes = sorted([(begin, 1) for begin, _ in spans] + [(end, -1) for _, end in spans])
    running = most = 0
    for _, change in changes:
        running += change
        most = max(most, running)
    return most
