"""How long a night of real size takes through Airflow and SLURM if its tools take no time.

    .venv/bin/python tests/benchmarks/dry_night.py [--json FILE]

A site of its own is started: PostgreSQL, the four Airflow components, a SLURM cluster. Its science interpreter is a
stand-in: the real one, whose steps write empty products (`dry_steps`).
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "processing"))

import real_size

from stereo_tasks.airflow_api.client import AirflowApi, site_api
from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.jobs import jobs_of
from stereo_tasks.catalog.models import JobRow
from stereo_tasks.local_site import control
from stereo_tasks.local_site.files import free_port
from stereo_tasks.local_site.progress import failures
from stereo_tasks.products.models import PACKED_SUFFIX
from stereo_tasks.settings import Settings, load_settings

DAG = "process_night"
WAITING = ("", "none", "scheduled", "queued")
"""States in which it is Airflow's turn; as `deferred` a task waits for its jobs, as `running` it works."""
LOOK_S = 0.5
LIMIT_S = 1800.0
JOB_TIMES = "job_times.jsonl"
"""What jobs themselves say of their begin and end."""
ENDED = ("success", "failed", "skipped", "upstream_failed", "removed")


@dataclass
class TaskTimes:
    """How long a task was in each state, in s."""

    airflow: float = 0.0
    running: float = 0.0
    deferred: float = 0.0
    ended: float | None = None
    """In s since the run was asked for."""


@dataclass
class Night:
    """What was seen of a run."""

    tasks: dict[str, TaskTimes] = field(default_factory=lambda: defaultdict(TaskTimes))
    total_s: float = 0.0
    state: str = ""


def make_site(root: Path) -> Settings:
    """Write the files and the configuration of the site."""
    real = load_settings(root).site.science_python
    python = root / "science" / "bin" / "python"
    python.parent.mkdir(parents=True)
    for name in ("lib", "cache"):
        (python.parents[1] / name).symlink_to(real.parents[1] / name)
    steps = Path(__file__).parent / "dry_steps.py"
    python.write_text(
        f'#!/bin/sh\nif [ "$2" = stereo_tasks.steps ]; then\n'
        f"export JOB_TIMES={root / JOB_TIMES} JOB_BEGIN_S=$(date +%s.%N)\n"
        f'shift 2; exec {real} {steps} "$@"\nfi\nexec {real} "$@"\n'
    )
    python.chmod(0o755)
    site = {"science_python": str(python), "cluster": "slurm", "airflow": {"port": free_port()}}
    (root / "config").mkdir(exist_ok=True)
    (root / "config" / "site.yaml").write_text(yaml.safe_dump(site))
    real_size.make_night(root)
    for forests in (root / "mc" / "models").rglob("*.joblib"):
        forests.with_suffix(PACKED_SUFFIX).touch()  # else magic-cta-pipe applies them, in jobs of their own
    return load_settings(root)


def watch(api: AirflowApi, run: str, begin: float) -> Night:
    """Look at the run until it has ended, and note how long each task was in which state."""
    night, last, before = Night(), begin, dict[str, str]()
    while night.state not in ("success", "failed"):
        if time.monotonic() - begin > LIMIT_S:
            raise SystemExit(f"{run} has not ended after {LIMIT_S:.0f} s")
        time.sleep(LOOK_S)
        night.state = api.run_state(DAG, run)
        now = {task.task: task.state for task in api.task_states(DAG, run)}
        at = time.monotonic()
        in_turn = _in_turn(before)
        for name, state in before.items():
            times = night.tasks[name]
            if state in ("running", "deferred"):
                setattr(times, state, getattr(times, state) + at - last)
            elif name == in_turn and state in WAITING:
                times.airflow += at - last
            if now.get(name) in ENDED and times.ended is None:
                times.ended = at - begin
        last, before = at, now
        night.total_s = at - begin
    return night


def _in_turn(states: dict[str, str]) -> str | None:
    """Return the task that everything waits for while none is at work: scheduled or queued, or to be so next."""
    if any(state in ("running", "deferred") for state in states.values()):
        return None
    waiting = [name for name, state in states.items() if state in WAITING]
    ready = [name for name in waiting if states[name] in ("scheduled", "queued")]
    return next(iter([*ready, *waiting]), None)


def slurm_times(rows: Sequence[JobRow]) -> dict[str, dict[str, float]]:
    """Return for each chain its jobs, how long they waited and worked, and the wall time of all (s)."""
    found = {}
    for stage in dict.fromkeys(row.stage for row in rows):
        of_stage = [
            row for row in rows if row.stage == stage and row.submitted_utc and row.started_utc and row.ended_utc
        ]
        if not of_stage:
            continue
        submitted = min(row.submitted_utc for row in of_stage)
        started = min(row.started_utc for row in of_stage)
        ended = max(row.ended_utc for row in of_stage)
        found[stage] = {
            "jobs": len(of_stage),
            "to_start_s": (started - submitted).total_seconds(),
            "worked_s": (ended - started).total_seconds(),
            "together_s": sum(row.elapsed_s or 0.0 for row in of_stage),
        }
    return found


def pauses(file: Path) -> list[tuple[str, str, float]]:
    """Return from which array to which nothing worked, and how long (s): from a last end to the next first begin."""
    jobs = [json.loads(line) for line in file.read_text().splitlines()]
    arrays = [[job for job in jobs if job["array"] == array] for array in dict.fromkeys(job["array"] for job in jobs)]
    spans = sorted(
        (min(job["begin_s"] for job in of_array), max(job["end_s"] for job in of_array), of_array[0]["stages"])
        for of_array in arrays
    )
    return [(before[2], after[2], after[0] - before[1]) for before, after in pairwise(spans)]


def measure(root: Path) -> dict[str, Any]:
    """Process the night once."""
    os.environ |= {"STEREO_SITE": str(root), "STEREO_CLUSTER": "slurm"}
    settings = make_site(root)
    control.up(settings, paused=True, echo=lambda line: print(line, file=sys.stderr))
    try:
        with site_api(settings) as api:
            api.wait_for_dag(DAG)
            api.unpause(DAG)
            begin = time.monotonic()
            run = api.trigger(DAG, partition_key=real_size.NIGHT.partition_key)
            night = watch(api, run, begin)
            if night.state != "success":
                raise SystemExit("\n".join(failures(api, DAG, run)))
        rows = jobs_of(Catalog.of_site(settings), real_size.NIGHT, settings.production().name)
    finally:
        control.down(settings)
    return {
        "date": f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC",
        "total_s": night.total_s,
        "tasks": {
            name: {"airflow_s": times.airflow, "running_s": times.running, "deferred_s": times.deferred,
                   "ended_s": times.ended}
            for name, times in night.tasks.items()
        },
        "slurm": slurm_times(rows),
        "pauses": pauses(root / JOB_TIMES),
    }  # fmt: skip


def report(result: dict[str, Any]) -> list[str]:
    """Return the result as lines for a person."""
    published = max(times["ended_s"] or 0.0 for name, times in result["tasks"].items() if name.endswith("publish"))
    complete = result["tasks"]["completion"]["ended_s"]
    lines = [
        f"{result['date']}: published after {published:.0f} s, complete after {complete:.0f} s",
        "",
        "task               Airflow  running  deferred   ended   (s)",
    ]
    for name, times in sorted(result["tasks"].items(), key=lambda item: item[1]["ended_s"] or 0.0):
        lines.append(
            f"{name.removeprefix('source.'):<18} {times['airflow_s']:>7.1f} {times['running_s']:>8.1f} "
            f"{times['deferred_s']:>9.1f} {times['ended_s'] or 0.0:>7.1f}"
        )
    lines += ["", "SLURM              jobs  to start  first start to last end   jobs together   (s)"]
    for stage, times in result["slurm"].items():
        lines.append(
            f"{stage:<18} {times['jobs']:>4.0f} {times['to_start_s']:>9.1f} {times['worked_s']:>24.1f} "
            f"{times['together_s']:>15.1f}"
        )
    lines += ["", "from the last end to the next start  (s)"]
    lines += [f"{seconds:>5.1f}  {before} to {after}" for before, after, seconds in result["pauses"]]
    return lines


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="file for the result")
    options = parser.parse_args()
    # Not below the checkout: the path of a socket may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="dry_night_") as folder:
        result = measure(Path(folder))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))
    print("\n".join(report(result)))


if __name__ == "__main__":
    main()
