"""Tasks that leave the watching to the triggerer, on a real cluster."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import signal

import pytest
from airflow_slurm.array import JobState
from airflow_slurm.slurm import SlurmBackend
from airflow_slurm.trigger import SlurmArrayTrigger
from dag_runs import queue, run_stage, submissions
from small_arrays import Stage, wait_for

pytestmark = pytest.mark.usefixtures("airflow_database")


@pytest.fixture
def site(site, monkeypatch):
    """Tasks are deferred at once, and the trigger looks at once."""
    monkeypatch.setattr("airflow_slurm.operator.FIRST_LOOK_S", 0.0)
    return site


def run(name, stage, **kwargs):
    return run_stage(name, stage, SlurmBackend.from_connection, **{"defer_after_s": 0, **kwargs})


def test_a_deferred_task_goes_on_and_repairs(site, tmp_path, capfd):
    plan = {index: {"sleep": 3} for index in range(6)}
    plan[3]["killed"] = plan[4]["failed"] = 1
    stage = Stage(tmp_path / "a", plan, total=9)
    reported = []
    state, result = run("deferred", stage, report=lambda title, jobs: reported.append(jobs))
    assert (state, result["counts"], result["attempts"], result["valid_before"]) == ("success", {"done": 6}, 2, 3)
    assert [stage.tries(index) for index in range(6)] == [[1], [1], [1], [1, 2], [1, 2], [1]]
    log = capfd.readouterr().out
    assert log.count("Pausing task as DEFERRED") == 2  # the array, and the two of its repair together
    # Memory grew where the kill can have been for memory.
    assert "attempt 2 for 1 elements without success (FAILED), 400 MB" in log
    assert "attempt 2 for 1 elements without success (COMPLETED), 200 MB" in log
    first, second = reported
    assert [len(first), len(second)] == [6, 2]
    job = next(job for job in first if job["elements"] == [3])
    assert (job["state"], job["signal"], job["attempt"], job["node"][0]) == ("FAILED", 9, 1, "n")
    assert job["queue_wait_s"] is not None
    assert job["elapsed_s"] is not None
    json.dumps(first, default=str)
    assert not list(stage.log_folder.glob("*.json")), "files that only mattered while jobs could run"


def test_the_time_limit_holds_while_deferred(site, tmp_path, capfd):
    stage = Stage(tmp_path / "a", {0: {"sleep": 60}})
    assert run("late", stage, execution_timeout=dt.timedelta(seconds=8))[0] == "failed"
    log = capfd.readouterr().out
    assert "Pausing task as DEFERRED" in log
    assert "longer than its execution_timeout" in log
    assert not queue(site)


def test_a_short_task_is_not_deferred(site, tmp_path, capfd):
    state, result = run("short", Stage(tmp_path / "a", {0: {}, 1: {}}), defer_after_s=30)
    assert (state, result["counts"]) == ("success", {"done": 2})
    assert "DEFERRED" not in capfd.readouterr().out


def watching(site, tmp_path, *stages):
    """Arrays on the cluster, and a trigger for each."""
    backend = SlurmBackend.from_connection()
    triggers = []
    for stage in stages:
        handle = backend.submit(stage.spec(stage.folder.name))
        array = {"token": handle.token, "id": handle.id, "jobs": handle.jobs, "elements": [1] * handle.jobs}
        triggers.append(
            SlurmArrayTrigger("slurm_default", f"task_state-{handle.token}", stage.folder.name, [array], 0.0)
        )
    return backend, triggers


def as_stored(trigger: SlurmArrayTrigger) -> SlurmArrayTrigger:
    """The trigger as the triggerer makes it again from the database."""
    path, kwargs = trigger.serialize()
    assert path == "airflow_slurm.trigger.SlurmArrayTrigger"
    return SlurmArrayTrigger(**json.loads(json.dumps(kwargs)))


def test_a_killed_trigger_cancels_its_own_arrays_only(site, tmp_path):
    stages = [Stage(tmp_path / name, {0: {"sleep": 60}, 1: {"sleep": 60}}) for name in ("mine", "other")]
    backend, (mine, _) = watching(site, tmp_path, *stages)
    asyncio.run(as_stored(mine).on_kill())
    assert set(queue(site)) == {"other"}
    assert {status.state for status in _settled(backend, mine).values()} == {JobState.CANCELLED}


def _settled(backend, trigger):
    from airflow_slurm.trigger import _handle

    handle = _handle(trigger.arrays[0])
    wait_for(lambda: all(status.state.final for status in backend.poll(handle).values()), 30)
    return backend.poll(handle)


def test_many_triggers_share_their_looks_and_no_failure_ends_them(site, tmp_path):
    """With Airflow's own distribution of the shared stream."""
    from airflow.triggers.shared_stream import SharedStreamManager

    stages = [Stage(tmp_path / f"s{number}", {0: {"waits": True}}) for number in range(6)]
    _, triggers = watching(site, tmp_path, *stages)
    triggers = [as_stored(trigger) for trigger in triggers]
    assert len({trigger.shared_stream_key() for trigger in triggers}) == 1
    manager = SharedStreamManager()
    events = {}

    async def follow(number, trigger):
        stream = manager.subscribe(trigger_id=number, trigger=trigger, key=trigger.shared_stream_key())
        async for event in trigger.filter_shared_stream(stream):
            events[number] = event.payload
        await manager.unsubscribe(number, trigger.shared_stream_key())

    async def everything():
        followers = [asyncio.create_task(follow(*pair)) for pair in enumerate(triggers)]
        await asyncio.sleep(1)
        # Asked to end, it saves its state. Killed, it would start jobs anew and spoil the cluster for other tests.
        await asyncio.to_thread(site.kill, "slurmctld", signal=signal.SIGTERM)
        try:
            for stage in stages:
                (stage.folder / "go").touch()
            await asyncio.sleep(2)
            assert not events
        finally:
            await asyncio.to_thread(site.start_daemon, "slurmctld")
        await asyncio.wait_for(asyncio.gather(*followers), 60)
        backends = {trigger._known_backend for trigger in triggers}
        return backends

    (backend,) = asyncio.run(everything())
    assert [events[number]["why"] for number in range(6)] == ["ended"] * 6
    assert {payload["task_state"] for payload in events.values()} == {f"task_state-s{number}" for number in range(6)}
    assert backend.client.calls["squeue"] < 40  # a poll each 0.5 s, not one for each array


def test_a_missing_connection_is_said_and_waited_for(tmp_path, airflow_database):
    trigger = SlurmArrayTrigger("no_such_cluster", "task_state", "what", [], 0.0)

    async def look():
        stream = trigger.open_shared_stream({"slurm_conn_id": "no_such_cluster"})
        return await anext(stream)

    assert "no_such_cluster" in asyncio.run(look()).error


def test_submitted_once_each(site, tmp_path):
    stage = Stage(tmp_path / "a", {index: {"sleep": 2} for index in range(3)})
    assert run("once", stage)[0] == "success"
    names = [name for name in submissions(site) if "once" in name]
    assert len(names) == 1
