"""What people do to a task through Airflow's interface while its array runs: its jobs end, and nothing else does."""

from __future__ import annotations

import time

import pytest
from airflow_slurm.array import ArraySpec
from arrays import Folder

DAGS = ("drill_watched", "drill_deferred")
LIMIT_S = 30.0


def _clear(site, dag, run):
    site.clear(dag, run, "elements")


def _failed(site, dag, run):
    site.mark(dag, run, "elements", "failed")


def _success(site, dag, run):
    site.mark(dag, run, "elements", "success")


def _run_failed(site, dag, run):
    site.api.stop_run(dag, run)


ACTIONS = {"cleared": _clear, "marked_failed": _failed, "marked_success": _success, "run_failed": _run_failed}


@pytest.mark.timeout(1800)
def test_people(site, tmp_path, numbers):
    other = Folder.make(tmp_path / "other", 6, 600.0)
    other_run = site.api.trigger(DAGS[1], conf=other.conf)
    cases = {}
    for dag in DAGS:
        for action in ACTIONS:
            folder = Folder.make(tmp_path / f"{action}_{dag[-3:]}", 4, 600.0)
            cases[dag, action] = folder, site.api.trigger(dag, conf=folder.conf)
    site.wait(lambda: other.started() == 6 and all(f.started() == 4 for f, _ in cases.values()), 240, "all to run")
    deferred = [(DAGS[1], other_run), *((dag, run) for (dag, _), (_, run) in cases.items() if dag == DAGS[1])]
    site.wait(lambda: all(site.task_state(*pair, "elements") == "deferred" for pair in deferred), 120, "deferral")
    wrong = []
    for (dag, action), (folder, run) in cases.items():
        (old,) = site.submitted(folder.name)
        began = time.monotonic()
        ACTIONS[action](site, dag, run)
        try:
            seconds = site.wait(lambda old=old: old not in site.queue(), LIMIT_S, f"the end of {old}")
        except TimeoutError:
            seconds = None
        numbers(drill="people", dag=dag, action=action, jobs_gone_after_s=seconds and round(seconds, 1))
        if seconds is None:
            wrong.append(f"{dag} {action}: after {time.monotonic() - began:.0f} s still there")
        if site.queue().count(site.submitted("other")[0]) != 6:
            wrong.append(f"{dag} {action}: it ended others")
    for dag in DAGS:
        folder, run = cases[dag, "cleared"]
        site.wait(lambda folder=folder: len(site.submitted(folder.name)) == 2, 60, "the new try")
        new = site.submitted(folder.name)[1]
        site.wait(lambda new=new: site.queue().count(new) == 4, 30, "its jobs")
        site.api.stop_run(dag, run)
    site.api.stop_run(DAGS[1], other_run)
    site.wait(lambda: not site.queue(), 60, "an empty queue")
    assert not wrong
    assert all(
        len(site.submitted(folder.name)) == 1 for (_, action), (folder, _) in cases.items() if action != "cleared"
    )


def _backend(site):
    from airflow_slurm.connection import SlurmSettings
    from airflow_slurm.slurm import SlurmBackend

    settings = SlurmSettings.read(host=None, port=None, login=None, password=None, extra=site.connection)
    return SlurmBackend.from_settings(settings)


@pytest.mark.timeout(600)
def test_orphans_are_ended_and_nothing_else(site, tmp_path):
    folder = Folder.make(tmp_path / "owned", 3, 600.0)
    run = site.api.trigger(DAGS[1], conf=folder.conf)
    (tmp_path / "logs").mkdir()
    spec = ArraySpec(
        "orphan", "orphan-1", ("/bin/sleep", "600"), (0, 1), tmp_path / "logs", owner=f"{DAGS[0]}/gone/elements/-1/1"
    )
    _backend(site).submit(spec)
    site.wait(lambda: len(site.queue()) == 5, 120, "all to run")
    task = site.api.trigger("slurm_orphans", conf={"grace_minutes": 0})
    site.wait(lambda: site.api.run_state("slurm_orphans", task) in ("success", "failed"), 120, "the reconciler")
    assert site.api.run_state("slurm_orphans", task) == "success"
    assert len(site.queue()) == 3
    site.wait(lambda: site.task_state(DAGS[1], run, "elements") == "deferred", 60, "the deferral")
    links = site.api.get(f"/api/v2/dags/{DAGS[1]}/dagRuns/{run}/taskInstances/elements/links")
    assert links["extra_links"]["Jobs on the cluster"].startswith("https://monitor.example/")
    # Until the triggerer has taken it, nobody hears of the end of the task, and its jobs are left to slurm_orphans.
    task_path = f"/api/v2/dags/{DAGS[1]}/dagRuns/{run}/taskInstances/elements"
    site.wait(lambda: site.api.get(task_path)["triggerer_job"], 30, "the triggerer")
    time.sleep(2)
    site.api.stop_run(DAGS[1], run)
    site.wait(lambda: not site.queue(), 60, "an empty queue")
