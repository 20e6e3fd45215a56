"""Elements fail at random: only those run again, with more of what they lacked."""

from __future__ import annotations

import random

import pytest
from arrays import Folder

ELEMENTS = 200


def _run(site, folder):
    run = site.api.trigger("drill_deferred", conf=folder.conf)
    site.wait(lambda: site.api.run_state("drill_deferred", run) in ("success", "failed"), 900, "the end")
    return run, site.api.run_state("drill_deferred", run)


@pytest.mark.timeout(1200)
def test_five_percent_fail(site, tmp_path, numbers):
    chosen = random.Random(5).sample(range(ELEMENTS), 10)
    kinds = ["exit 1", "exit 2", "failed 1", "memory 150", "memory 350", "time 75"]
    plans = {index: kinds[position % len(kinds)] for position, index in enumerate(chosen)}
    folder = Folder.make(tmp_path / "five", ELEMENTS, 0.2, plans, memory_mb=100, time_s=60)
    _, state = _run(site, folder)
    tries = {index: len(folder.lines(index)) for index in range(ELEMENTS)}
    jobs = folder.jobs()
    limits = {
        (plans[index], job["attempt"]): (job["memory_mb"], job["time_s"])
        for job in jobs
        for index in job["elements"]
        if index in plans
    }
    numbers(
        drill="repair", state=state, done=sum(text == "done" for text in folder.records().values()), jobs=len(jobs),
        tried_again=sum(number > 1 for number in tries.values()), submissions=len(site.submitted("five")),
        states={plan: [job["state"] for job in jobs if plans.get(job["elements"][0]) == plan] for plan in kinds},
    )  # fmt: skip
    assert state == "success"
    assert folder.records() == dict.fromkeys(range(ELEMENTS), "done")
    expected = {"exit 1": 2, "exit 2": 3, "failed 1": 2, "memory 150": 2, "memory 350": 3, "time 75": 2}
    assert tries == {index: expected.get(plans.get(index), 1) for index in range(ELEMENTS)}
    assert limits["memory 350", 3] == (400, 60)
    assert limits["time 75", 2] == (100, 120)
    assert limits["exit 2", 3] == (100, 60)
    assert len(jobs) == sum(tries.values())
    assert not site.queue()


@pytest.mark.timeout(1200)
def test_the_ceiling(site, tmp_path, numbers):
    plans = {3: "memory 1000", 5: "time 500", 7: "exit 1"}
    folder = Folder.make(tmp_path / "ceiling", 20, 0.2, plans, memory_mb=100, time_s=60)
    run, state = _run(site, folder)
    (task,) = site.api.task_states("drill_deferred", run)
    log = site.api.log("drill_deferred", run, task)
    tries = {index: len(folder.lines(index)) for index in plans}
    numbers(drill="ceiling", state=state, tries=tries, airflow_tries=task.attempt)
    assert state == "failed"
    assert tries == {3: 4, 5: 2, 7: 2}  # 100, 200, 400, 800 MB; 60, 120 s
    assert task.attempt == 1  # another try of the task would end in the same way
    assert "it needs more than the 800 MB that a job may have" in log
    assert "it needs more than the 120 s that a job may have" in log
    assert "18 done, 2 lost" in log
