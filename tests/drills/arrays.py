"""Folders of elements for the drills, and what became of them."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Folder:
    """The elements of one array."""

    path: Path

    @classmethod
    def make(cls, path: Path, elements: int, sleep_s: float, plans: dict[int, str] | None = None, **stage) -> Folder:
        """Write it."""
        path.mkdir(parents=True)
        (path / "stage.json").write_text(json.dumps({"elements": elements, "sleep_s": sleep_s, **stage}))
        shutil.copy(Path(__file__).parent / "worker.sh", path)
        for index, plan in (plans or {}).items():
            (path / f"{index}.plan").write_text(f"{plan}\n")
        return cls(path)

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def conf(self) -> dict[str, str]:
        """The parameters of a run."""
        return {"folder": str(self.path)}

    def records(self) -> dict[int, str]:
        """What the records say."""
        return {int(path.stem): path.read_text().strip() for path in self.path.glob("*.record")}

    def lines(self, index: int, kind: str = "start") -> list[str]:
        """What an element has said of its starts or ends: attempt, token and Unix time."""
        try:
            text = (self.path / f"{index}.runs").read_text()
        except FileNotFoundError:
            return []
        return [line.removeprefix(f"{kind} ") for line in text.splitlines() if line.startswith(kind)]

    def started(self) -> int:
        """How many elements have begun."""
        return len(list(self.path.glob("*.runs")))

    def last_end(self) -> float:
        """When the last element was done, as a Unix time."""
        return max(
            float(line.split()[2]) for path in self.path.glob("*.runs") for line in self.lines(int(path.stem), "end")
        )

    def task_pids(self) -> list[int]:
        """The processes of the task."""
        return [int(line) for line in (self.path / "task.pids").read_text().split()]

    def jobs(self) -> list[dict]:
        """What was reported of jobs."""
        return [json.loads(line) for line in (self.path / "jobs.jsonl").read_text().splitlines()]
