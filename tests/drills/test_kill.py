"""Every part is killed in the middle of an array: each element is done once, and no array is submitted twice.

A slurmctld that was killed may start jobs a second time by itself, for it writes its state lazily. So the runs of
elements are counted, but only their records are judged there. It may also give up jobs that it has never started:
these, and no others, are repaired by a second array.
"""

from __future__ import annotations

import os
import signal
import time

import pytest
from arrays import Folder

ELEMENTS = 50
DAGS = ("drill_watched", "drill_deferred")


def _task(site, folders):
    for folder in folders.values():
        try:
            os.kill(folder.task_pids()[-1], signal.SIGKILL)
        except ProcessLookupError:  # it has left the watching to the triggerer
            continue


def _component(name):
    def kill(site, folders):
        site.kill(name)
        time.sleep(2)
        site.start_component(name)

    return kill


def _controller(site, folders):
    site.cluster.kill("slurmctld")
    time.sleep(3)
    site.cluster.start_daemon("slurmctld")
    # It has forgotten its last seconds. If it sends a node jobs that run there already, it drains the node, until an
    # administrator lets it go on.
    for _ in range(20):
        time.sleep(0.5)
        if "drain" in site.cluster.run("sinfo", "--noheader", "--format=%T", check=False):
            site.cluster.run("scontrol", "update", "NodeName=ALL", "State=RESUME", check=False)


def _node(site, folders):
    site.cluster.kill("slurmd", "n1")
    time.sleep(3)
    site.cluster.start_daemon("slurmd", "n1")


def _elements(folder, attempt, states=None) -> set[int]:
    """The elements of the jobs of an attempt, of those that ended in these ways if they are given."""
    jobs = [job for job in folder.jobs() if job["attempt"] == attempt]
    return {index for job in jobs if states is None or job["state"] in states for index in job["elements"]}


SLURM_GAVE_UP = ("NODE_FAIL", "LOST")
VICTIMS = {
    "task": _task,
    "triggerer": _component("triggerer"),
    "scheduler": _component("scheduler"),
    "slurmd": _node,
    "slurmctld": _controller,
}


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("victim", VICTIMS)
def test_kill(site, tmp_path, request, victim, numbers):
    wrong = []
    for number in range(request.config.getoption("--rounds")):
        try:
            wrong += _round(site, tmp_path, victim, number, numbers)
        except TimeoutError as error:
            numbers(drill="kill", victim=victim, round=number, error=str(error).splitlines()[0])
            wrong.append(str(error))
    assert not wrong


def _round(site, tmp_path, victim, number, numbers) -> list[str]:
    # About 30 s: long enough for the triggerer to be at work in the middle. What a dead scheduler has left is given to
    # the next one after 15 s to 30 s.
    sleep_s = 12.0 if victim == "scheduler" else 7.0
    folders = {dag: Folder.make(tmp_path / f"{victim}{number}{dag[-3:]}", ELEMENTS, sleep_s) for dag in DAGS}
    began = time.monotonic()
    runs = {dag: site.api.trigger(dag, conf=folder.conf) for dag, folder in folders.items()}
    site.wait(lambda: all(len(folder.records()) >= 5 for folder in folders.values()), 120, "some elements")
    if victim == "triggerer":
        site.wait(lambda: site.task_state(DAGS[1], runs[DAGS[1]], "elements") == "deferred", 60, "the deferral")
    killed_at = {dag: len(folder.records()) for dag, folder in folders.items()}
    VICTIMS[victim](site, folders)
    try:
        site.wait(
            lambda: all(site.api.run_state(*run) in ("success", "failed") for run in runs.items()), 500, "the ends"
        )
    except TimeoutError as error:
        states = {dag: [str(one) for one in site.api.task_states(dag, run)] for dag, run in runs.items()}
        raise TimeoutError(f"{victim} {number}: {states}, in the queue: {site.queue()}\n{error}") from error
    wrong = []
    for dag, folder in folders.items():
        tries = max(one.attempt for one in site.api.task_states(dag, runs[dag]))
        submitted = site.submitted(folder.name)
        twice = [index for index in range(ELEMENTS) if len(folder.lines(index)) != 1]
        records = folder.records()
        found = {
            "state": site.api.run_state(dag, runs[dag]),
            "done": sum(state == "done" for state in records.values()),
            "submissions": len(submitted),
            "left": [name for name in site.queue() if folder.name in name],
        }
        numbers(
            drill="kill", victim=victim, dag=dag, round=number, records_at_kill=killed_at[dag], tries=tries,
            not_run_once=len(twice), seconds=round(time.monotonic() - began, 1), **found,
        )  # fmt: skip
        # What SLURM itself gave up is submitted again, alone.
        given_up, repaired = _elements(folder, 1, SLURM_GAVE_UP), _elements(folder, 2)
        allowed = 2 if victim == "slurmctld" and repaired and repaired <= given_up else 1
        expected = {"state": "success", "done": ELEMENTS, "submissions": allowed, "left": []}
        if found != expected or (twice and victim != "slurmctld"):
            wrong.append(f"{victim} {number} {dag}: {found}, not run once: {twice}, {submitted}")
    return wrong
