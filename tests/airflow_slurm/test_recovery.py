"""What runs on after its task's process has died, and who takes it over; on a real cluster."""

from __future__ import annotations

import getpass
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from airflow_slurm.array import ArraySpec, JobState
from airflow_slurm.chunks import JobTimes
from airflow_slurm.recovery import recover, unfinished_arrays
from airflow_slurm.slurm import SlurmBackend
from airflow_slurm.task_identity import is_unwanted, owner, parse_owner, token_prefix
from airflow_slurm.task_state import SupersededError, TaskState
from dag_runs import queue, submissions, task_try
from small_arrays import Stage, wait_for

pytestmark = pytest.mark.usefixtures("airflow_database")


def operator(stage: Stage, **kwargs):
    from airflow_slurm.operator import SlurmArrayOperator

    return SlurmArrayOperator(
        task_id="calibrate",
        title=stage.folder.name,
        defer_after_s=None,
        outcomes=stage.outcomes,
        **{"array": lambda: stage, "backend": SlurmBackend.from_connection, **kwargs},
    )


PROCESS = """
    import sys
    sys.path.insert(0, {tests!r})
    from pathlib import Path
    from dag_runs import task_try
    from small_arrays import Stage
    from test_recovery import operator

    stage = Stage(Path(sys.argv[1]), {{index: {{"waits": index > 0}} for index in range(6)}})
    operator(stage).execute({{"ti": task_try(1)}})
"""


def process_of_the_first_try(folder: Path) -> subprocess.Popen[bytes]:
    """The first try of the task, in a process of its own."""
    code = textwrap.dedent(PROCESS).format(tests=str(Path(__file__).parent))
    return subprocess.Popen([sys.executable, "-c", code, str(folder)])


def test_the_next_try_takes_over_after_a_kill(site, tmp_path, monkeypatch):
    stage = Stage(tmp_path / "killed", {index: {"waits": index > 0} for index in range(6)})
    first = process_of_the_first_try(stage.folder)
    wait_for(lambda: len(list(stage.folder.glob("*.tries"))) == 6 and stage.outcomes(), 120)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    wait_for(lambda: len(queue(site)) == 5, 60)  # a job leaves the queue a little after its record is there

    def array():
        threading.Timer(1.5, (stage.folder / "go").touch).start()
        return stage

    result = operator(stage, array=array).execute({"ti": task_try(2)})
    assert result["counts"] == {"done": 5}
    assert (result["attempts"], result["valid_before"]) == (1, 1)
    assert [stage.tries(index) for index in range(6)] == [[1]] * 6
    assert len([name for name in submissions(site) if "_killed-" in name]) == 1


def test_only_what_is_left_is_submitted(site, tmp_path):
    stage = Stage(tmp_path / "part", {index: {"sleep": 3} for index in range(4)})
    backend = SlurmBackend.from_connection()
    base = token_prefix("calibrate part", task_try(1))
    # The earlier try had two of the elements only.
    backend.submit(stage.spec(f"{base}1-1", indices=(1, 2)))
    reported = []
    result = operator(stage, report=lambda jobs: reported.extend(jobs)).execute({"ti": task_try(2)})
    assert result["counts"] == {"done": 4}
    assert [stage.tries(index) for index in range(4)] == [[1]] * 4
    assert sorted((job["token"].removeprefix(base), *job["elements"]) for job in reported) == [
        ("1-1", 1), ("1-1", 2), ("2-1", 0), ("2-1", 3)
    ]  # fmt: skip


def test_what_does_something_else_is_ended(site, tmp_path):
    stage = Stage(tmp_path / "other", {0: {"sleep": 1}})
    base = token_prefix("calibrate other", task_try(1))
    backend = SlurmBackend.from_connection()
    handle = backend.submit(stage.spec(f"{base}1-1", command=("/bin/sleep", "100")))
    assert operator(stage).execute({"ti": task_try(2)})["counts"] == {"done": 1}
    assert {status.state for status in backend.poll(handle).values()} == {JobState.CANCELLED}


def test_what_is_done_already_is_ended_as_well(site, tmp_path):
    stage = Stage(tmp_path / "done", {0: {}})
    base = token_prefix("calibrate done", task_try(1))
    SlurmBackend.from_connection().submit(stage.spec(f"{base}1-1", command=("/bin/sleep", "100")))
    (stage.folder / "0.json").write_text('{"state": "done"}')
    assert operator(stage).execute({"ti": task_try(2)})["valid_before"] == 1
    assert not queue(site)


def test_what_the_earlier_try_cancels_after_all_is_submitted_again(site, tmp_path):
    stage = Stage(tmp_path / "cancelled", {0: {"sleep": 3}, 1: {"sleep": 3}})
    base = token_prefix("calibrate cancelled", task_try(1))
    backend = SlurmBackend.from_connection()
    handle = backend.submit(stage.spec(f"{base}1-1"))
    wait_for(lambda: len(list(stage.folder.glob("*.tries"))) == 2, 30)
    late = threading.Timer(1, backend.cancel, [handle])
    late.start()
    result = operator(stage).execute({"ti": task_try(2)})
    late.join()
    assert result["counts"] == {"done": 2}
    assert [stage.tries(index) for index in range(2)] == [[1, 2]] * 2


def test_what_somebody_else_cancels_is_not_submitted_again(site, tmp_path):
    from airflow.sdk.exceptions import AirflowFailException

    stage = Stage(tmp_path / "scancel", {0: {"sleep": 60}, 1: {}})
    early = threading.Thread(target=lambda: _cancel_when(site, lambda: (stage.folder / "0.tries").exists()))
    early.start()
    with pytest.raises(AirflowFailException, match=r"1 done, 1 lost|1 lost, 1 done"):
        operator(stage, fail_on="any").execute({"ti": task_try(1)})
    early.join()
    assert stage.tries(0) == [1]


def _cancel_when(site, condition) -> None:
    wait_for(condition, 30)
    wait_for(lambda: len(queue(site)) == 1, 30)
    site.run("scancel", f"--user={getpass.getuser()}")


def test_a_stuck_array_is_said_at_once_and_ended_by_policy(site, tmp_path, capfd):
    from airflow_slurm.array import Placement
    from airflow_slurm.conclusion import ArrayGivenUpError

    stage = Stage(tmp_path / "stuck", {0: {}, 1: {}}, time_s=1800)
    backend = SlurmBackend.from_connection()
    submit = backend.submit

    def submit_to_less(spec):
        site.run("scontrol", "update", "PartitionName=short", "MaxTime=10")
        return submit(spec)

    backend.submit = submit_to_less
    try:
        with pytest.raises(ArrayGivenUpError):
            operator(stage, stuck_after_s=2, placement=Placement(partition="short"), backend=lambda: backend).execute(
                {"ti": task_try(1)}
            )
    finally:
        site.run("scontrol", "update", "PartitionName=short", "MaxTime=60")
    log = capfd.readouterr()
    text = log.out + log.err
    assert "2 jobs will not start by themselves" in text
    assert "): PartitionTimeLimit" in text
    assert "never have started" in text
    assert not queue(site)


def test_a_held_array_can_wait_for_a_person(site, tmp_path, capfd):
    stage = Stage(tmp_path / "held", {0: {}})
    backend = SlurmBackend.from_connection()
    submit = backend.submit

    def submit_and_hold(spec):
        handle = submit(spec)
        site.run("scontrol", "hold", handle.id)
        threading.Timer(4, site.run, ["scontrol", "release", handle.id]).start()
        return handle

    backend.submit = submit_and_hold
    site.run("scontrol", "update", "NodeName=ALL", "State=DRAIN", "Reason=test")
    threading.Timer(1, site.run, ["scontrol", "update", "NodeName=ALL", "State=RESUME"]).start()
    result = operator(stage, backend=lambda: backend, on_stuck="wait", stuck_after_s=0).execute({"ti": task_try(1)})
    assert result["counts"] == {"done": 1}
    assert "JobHeld" in "".join(capfd.readouterr())


def test_a_failed_node_is_left_out_unless_it_is_the_last(site, tmp_path, capfd):
    from airflow_slurm.retries import submit_once

    stage = Stage(tmp_path / "nodes", {0: {}})
    backend = SlurmBackend.from_connection()
    log = operator(stage).log
    submitted = submit_once(backend, stage.spec("without_n1"), ("n1",), log, lambda: None)
    wait_for(lambda: backend.poll(submitted.handle)[0].state == JobState.COMPLETED, 30)
    assert backend.poll(submitted.handle)[0].node == "n2"
    submitted = submit_once(backend, stage.spec("without_all"), ("n1", "n2"), log, lambda: None)
    wait_for(lambda: backend.poll(submitted.handle)[0].state == JobState.COMPLETED, 30)
    assert "n1,n2 that failed, so they are used" in "".join(capfd.readouterr())


def test_a_try_that_was_given_up_submits_nothing_more(tmp_path):
    def task_state(number: int) -> TaskState:
        import datetime as dt

        times = JobTimes({0: 1.0}, 0.0, 3600.0)
        return TaskState(tmp_path, "base-", number, 1, (0,), {0: "a"}, times, dt.datetime.now(dt.UTC))

    task_state(1).save()
    task_state(2).save()
    with pytest.raises(SupersededError, match="try 2"):
        task_state(1).save()


def test_two_arrays_with_the_same_elements_are_not_both_taken_over(site, tmp_path):
    stage = Stage(tmp_path / "both", {index: {"sleep": 30} for index in range(3)})
    backend = SlurmBackend.from_connection()
    for token, indices in (("both-1", (0, 1)), ("both-2", (1, 2))):
        backend.submit(stage.spec(token, indices=indices))
    recovered, refused = recover(unfinished_arrays(backend, "both-"), stage.spec(""))
    assert [array.handle.token for array in recovered] == ["both-2"]
    assert [handle.token for handle in refused] == ["both-1"]


@pytest.mark.parametrize(
    ("state", "unwanted"),
    [("restarting", True), ("failed", True), ("success", True), ("running", False), (None, False), ("queued", False)],
)
def test_who_wants_the_end_of_a_task(state, unwanted):
    ti = task_try(1)
    ti.get_task_states = lambda *args, **kwargs: {"run": {"calibrate": state}}
    assert is_unwanted(ti) is unwanted


def test_the_owner_of_a_job_can_be_read():
    ti = task_try(3, run_id="manual__2026-01-01T00:00:00+00:00/again")
    assert parse_owner(owner(ti)) == ("dag", "manual__2026-01-01T00:00:00+00:00/again", "calibrate", -1)
    assert parse_owner("somebody") is None
    assert parse_owner("a/b/c/d/e") is None


def test_a_spec_survives_being_written_down(tmp_path):
    from airflow_slurm.array import Placement

    spec = Stage(tmp_path / "a", {3: {}, 5: {}}).spec(placement=Placement(exclude=("n1",), nice=5), owner="x")
    assert ArraySpec.load(spec.save()) == spec
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(ValueError, match=r"broken\.json cannot be read"):
        ArraySpec.load(tmp_path / "broken.json")
