"""Running a plan on this machine without Airflow: chain by chain, a few processes at a time."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stereo_tasks.planning.plan import Plan
from stereo_tasks.processing.chain_arrays import ChainArray, chain_array, chain_outcomes
from stereo_tasks.settings import load_settings
from stereo_tasks.stages import Chain, State


def run_plan(
    plan: Plan, chains: Iterable[Chain], *, force: bool = False, report: Callable[[str], None] = print
) -> list[str]:
    """Run the chains of a plan one after the other.

    Parameters
    ----------
    plan : Plan
        A saved plan.
    chains : iterable of Chain
        Which chains; stages without elements are passed over.
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
    for chain in chains:
        array, tried = chain_array(plan, chain, force=force), set[int]()
        to_do = {*array.indices, *array.following}
        while array.indices:
            _run_array(array, workers)
            tried |= set(array.indices)
            array = chain_array(plan, chain, tried=tried)
        outcomes = chain_outcomes(plan, chain)
        for stage in chain.stages:
            indices = [index for index, _ in plan.of_stage(stage)]
            counts = Counter(outcomes[index].state or "no record" for index in indices)
            states = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
            if indices:
                now = len(to_do.intersection(indices))
                report(f"{plan.name} {stage}: {states}; {now} of {len(indices)} done now")
        failures += [
            f"{array.labels[index]}: {outcome.reason or 'left no record; see ' + array.log_folder}"
            for index, outcome in outcomes.items()
            if outcome.state in (None, State.FAILED)
        ]
    return failures


def _run_array(array: ChainArray, workers: int) -> None:
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
