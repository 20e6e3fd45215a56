"""Arrays of small real commands for the tests: each element writes its own record."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from airflow_slurm.array import ArraySpec

# Works like a stage: for each index, look up what is to happen, do it, leave a record.
WORKER = """
import json, os, signal, sys, time
from pathlib import Path

folder = Path(sys.argv[1])
for index in sys.argv[2:]:
    plan = json.loads((folder / "plan.json").read_text()).get(index, {})
    tries = folder / f"{index}.tries"
    with tries.open("a") as file:
        file.write(f"{os.environ['ARRAY_ATTEMPT']} {os.getpid()} {time.time()}\\n")
    attempt = int(os.environ["ARRAY_ATTEMPT"])
    print("element", index, "attempt", attempt, flush=True)
    if attempt <= plan.get("killed", 0):
        os.kill(os.getpid(), signal.SIGKILL)
    if attempt <= plan.get("leaves", 0):
        sys.exit(0)
    if attempt <= plan.get("memory_until", 0):
        block = bytearray(300_000_000)
    if attempt <= plan.get("slow_until", 0):
        time.sleep(600)
    if plan.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if plan.get("child"):
        import subprocess
        subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"], start_new_session=True)
    time.sleep(plan.get("sleep", 0))
    while plan.get("waits") and not (folder / "go").exists():
        time.sleep(0.1)
    state = "failed" if attempt <= plan.get("failed", 0) else plan.get("state", "done")
    (folder / f"{index}.json").write_text(json.dumps({"state": state, "reason": plan.get("reason", "")}))
    with tries.open("a") as file:
        file.write(f"end {os.getpid()} {time.time()}\\n")
"""


def jobs_of(indices: Sequence[int], per_job: int = 1) -> tuple[tuple[int, ...], ...]:
    """Jobs of so many elements each."""
    return tuple(tuple(indices[first : first + per_job]) for first in range(0, len(indices), per_job))


@dataclass
class Outcome:
    """What a record says."""

    state: str | None
    reason: str = ""


@dataclass
class Stage:
    """A stage whose elements do what a dictionary says."""

    folder: Path
    plan: dict[int, dict]
    per_job: int = 1
    memory_mb: int = 200
    time_s: float = 30
    start_s: float = 0
    job_time_max_s: float = 3600
    name: str = "stage"
    total: int | None = None
    env: dict[str, str] = field(default_factory=lambda: {"GIVEN": "yes"})
    labels: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Write the dictionary where the jobs find it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "plan.json").write_text(json.dumps(self.plan))
        (self.folder / "worker.py").write_text(WORKER)
        self.command = (sys.executable, "-S", str(self.folder / "worker.py"), str(self.folder))
        self.log_folder = self.folder / "logs"
        self.labels = {index: f"element {index}" for index in self.plan}
        self.total = len(self.plan) if self.total is None else self.total

    @property
    def element_time_s(self) -> dict[int, float]:
        """What each element is expected to take; the dictionary may say it."""
        return {index: plan.get("time_s", self.time_s) for index, plan in self.plan.items()}

    @property
    def indices(self) -> tuple[int, ...]:
        """The elements without a good record."""
        outcomes = self.outcomes()
        return tuple(index for index in self.plan if index not in outcomes or outcomes[index].state == "failed")

    def outcomes(self) -> dict[int, Outcome]:
        """The records."""
        return {int(path.stem): Outcome(**json.loads(path.read_text())) for path in self.folder.glob("[0-9]*.json")}

    def tries(self, index: int) -> list[int]:
        """The numbers of the attempts that an element had."""
        lines = (self.folder / f"{index}.tries").read_text().splitlines()
        return [int(line.split()[0]) for line in lines if not line.startswith("end")]

    def spans(self) -> list[tuple[float, float]]:
        """Start and end of each element, as Unix times."""
        spans = []
        for path in self.folder.glob("*.tries"):
            begin, end = path.read_text().splitlines()[-2:]
            spans.append((float(begin.split()[2]), float(end.split()[2])))
        return spans

    def spec(self, token: str = "token", indices: Sequence[int] | None = None, **changes) -> ArraySpec:
        """The array of all elements, or some."""
        values = {
            "name": self.name,
            "token": token,
            "command": self.command,
            "jobs": jobs_of(tuple(self.plan) if indices is None else indices, self.per_job),
            "log_folder": self.log_folder,
            "env": self.env,
            "memory_mb": self.memory_mb,
            "time_s": int(self.time_s),
        }
        return ArraySpec(**(values | changes))


def alive(needle: str) -> list[int]:
    """Processes whose command line holds a text."""
    pids = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if needle in (entry / "cmdline").read_text():
                    pids.append(int(entry.name))
            except OSError:
                continue
    return pids


def wait_for(condition, seconds: float = 10.0) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not become true")
        time.sleep(0.05)
