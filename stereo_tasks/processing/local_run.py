"""Running a plan on this machine without Airflow: stage by stage, a few processes at a time."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stereo_tasks.planning.plan import Plan
from stereo_tasks.processing.stage_arrays import StageArray, stage_array, stage_outcomes
from stereo_tasks.settings import load_settings
from stereo_tasks.stages import Stage, State


def run_plan(
    plan: Plan, stages: Iterable[Stage], *, force: bool = False, report: Callable[[str], None] = print
) -> list[str]:
    """Run the stages of a plan one after the other.

    Parameters
    ----------
    plan : Plan
        A saved plan.
    stages : iterable of Stage
        Which stages; those without elements are passed over.
    force : bool, optional
        Do everything again.
    report : callable, optional
        Is given one line a stage.

    Returns
    -------
    list of str
        The elements that failed or left no record, each with its reason.
    """
    workers = load_settings().site.workers
    failures = []
    for stage in stages:
        if stage not in plan.stages:
            continue
        array = stage_array(plan, stage, force=force)
        _run_array(array, workers)
        outcomes = stage_outcomes(plan, stage)
        counts: dict[str, int] = {}
        for index, outcome in outcomes.items():
            state = outcome.state or "no record"
            counts[state] = counts.get(state, 0) + 1
            if outcome.state in (None, State.FAILED):
                failures.append(f"{array.labels[index]}: {outcome.reason or 'left no record; see ' + array.log_folder}")
        states = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
        report(f"{plan.name} {stage}: {states}; {len(array.indices)} of {array.total} done now")
    return failures


def _run_array(array: StageArray, workers: int) -> None:
    folder = Path(array.log_folder)
    folder.mkdir(parents=True, exist_ok=True)
    per_job = max(min(array.per_job, -(-len(array.indices) // array.jobs_min)), 1)
    jobs = [array.indices[start : start + per_job] for start in range(0, len(array.indices), per_job)]

    def job(number: int) -> int:
        log = folder / f"{array.name}_{number}.log"
        # Without bytecode every start of a tool costs 13-18 s instead of 5.
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        env = {**kept, **array.env, "ARRAY_LOG": str(log), "ARRAY_TOKEN": f"{array.name}_{number}"}
        with log.open("a") as output:
            command = [*array.command, *(str(index) for index in jobs[number])]
            return subprocess.run(command, env=env, stdout=output, stderr=output, check=False).returncode

    with ThreadPoolExecutor(max_workers=workers) as pool:
        list(pool.map(job, range(len(jobs))))
