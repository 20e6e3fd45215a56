"""What a task must know to go on in another process: its arrays and what became of its elements, kept in a file."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from airflow_slurm.array import ArrayHandle, ArraySpec, ElementArray, JobState, write_json
from airflow_slurm.chunks import JobTimes
from airflow_slurm.repair import EndedJob


class SupersededError(RuntimeError):
    """A newer try of the task has taken over."""


@dataclass(frozen=True, slots=True)
class SubmittedArray:
    """An array that is being watched."""

    spec: ArraySpec
    handle: ArrayHandle
    recovered: tuple[int, ...] | None = None
    """If an earlier try of the task submitted it: the elements that are left to it."""

    @property
    def elements(self) -> frozenset[int]:
        """The elements that nobody else works on."""
        return frozenset(self.spec.indices if self.recovered is None else self.recovered)


@dataclass(slots=True)
class History:
    """What became of an element that was tried without success."""

    counts: Counter[JobState] = field(default_factory=Counter)
    """How often its jobs ended in which way."""
    end: str = ""
    """How the last one ended, for a person."""
    log: str = ""
    given_up: str = ""
    """Why it is not tried again."""
    for_good: bool = False
    """Whether another try of the whole task would end in the same way."""

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {**{name: getattr(self, name) for name in self.__slots__}, "counts": dict(self.counts)}

    def note(self, job: EndedJob, log: Path) -> None:
        """Add a try."""
        self.counts[job.cause] += job.counts
        self.end = f"{job.end.state}{f' ({job.end.reason})' if job.end.reason else ''}"
        self.log = str(log)


@dataclass(slots=True)
class TaskState:
    """Everything that a task must know to go on in another process.

    One file a task, whichever its try. Who saves it must be the newest try: so two processes never submit jobs for the
    same elements, even if Airflow has given up one of them that is still alive.
    """

    folder: Path
    """Where the file lies: the folder of the logs, which all machines see."""
    base: str
    """How the tokens of all tries of this task begin."""
    try_number: int
    total: int
    indices: tuple[int, ...]
    """The elements to be done, in whatever round."""
    labels: dict[int, str]
    times: JobTimes
    """How long its elements take."""
    started_utc: dt.datetime
    deadline_utc: dt.datetime | None = None
    arrays: list[SubmittedArray] = field(default_factory=list)
    """The arrays whose end has not been dealt with yet."""
    tokens: list[str] = field(default_factory=list)
    """All that this try has submitted or recovered."""
    attempts: int = 0
    histories: dict[int, History] = field(default_factory=dict)
    excluded: tuple[str, ...] = ()
    """Nodes that failed."""
    stuck_since_utc: dt.datetime | None = None
    """Since when nothing goes on any more by itself."""
    rounds: bool = False
    """Whether there may be more to do when all that was submitted has ended."""
    tried: tuple[int, ...] = ()
    """The elements that were submitted so far, or taken over."""
    shared: bool = True
    """Whether other processes can go on with it."""

    @classmethod
    def begin(
        cls,
        wanted: ArraySpec,
        base: str,
        try_number: int,
        array: ElementArray,
        times: JobTimes,
        *,
        limit: dt.timedelta | None,
        shared: bool,
    ) -> TaskState:
        """Return the state of a task that begins; the file of an earlier process of the same try gives its tokens."""
        now = dt.datetime.now(dt.UTC)
        indices = (*wanted.indices, *getattr(array, "following", ()))
        task_state = cls(
            folder=wanted.log_folder,
            base=base,
            try_number=try_number,
            total=array.total,
            indices=indices,
            labels={index: array.labels.get(index, str(index)) for index in indices},
            times=times,
            rounds=getattr(array, "rounds", False),
            tried=wanted.indices,
            started_utc=now,
            deadline_utc=now + limit if limit else None,
            shared=shared,
        )
        content = task_state._saved()
        if shared and content.get("try_number") == try_number:
            task_state.tokens = list(content["tokens"])
        return task_state

    def begin_round(self, indices: Iterable[int], labels: Mapping[int, str]) -> None:
        """Note elements that are submitted only now, since others came before them."""
        self.tried = (*self.tried, *indices)
        self.indices = tuple(dict.fromkeys((*self.indices, *self.tried)))
        self.labels |= {index: labels.get(index, str(index)) for index in indices}

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / f"{self.base}task_state.json"

    def new_token(self, attempt: int) -> str:
        """Return a token that this try has not used."""
        first = token = f"{self.base}{self.try_number}-{attempt}"
        number = 1
        while token in self.tokens:
            number += 1
            token = f"{first}.{number}"
        return token

    def add(self, array: SubmittedArray) -> None:
        """Add an array that is to be watched."""
        self.arrays.append(array)
        self.attempts = max(self.attempts, array.spec.attempt)
        if array.handle.token not in self.tokens:
            self.tokens.append(array.handle.token)

    def ends(self, indices: Iterable[int]) -> str:
        """Return in which ways the last jobs of elements ended, for a person."""
        return ", ".join(sorted({self.history(index).end.partition(" (")[0] for index in indices}))

    def history(self, index: int) -> History:
        """Return what is known of an element, to be added to."""
        return self.histories.setdefault(index, History())

    def save(self) -> None:
        """Write it down.

        Raises
        ------
        SupersededError
            If a newer try has written it.
        """
        if not self.shared:
            return
        owner = self._saved().get("try_number", 0)
        if owner > self.try_number:
            raise SupersededError(f"try {owner} of this task has taken over")
        content = {name: getattr(self, name) for name in self.__slots__ if name not in ("folder", "shared")}
        content["arrays"] = [
            {"spec": str(array.spec.file), "handle": asdict(array.handle), "recovered": array.recovered}
            for array in self.arrays
        ]
        content["times"] = asdict(self.times)
        content["histories"] = {index: history.as_json() for index, history in self.histories.items()}
        for name in ("started_utc", "deadline_utc", "stuck_since_utc"):
            moment = content[name]
            content[name] = moment.isoformat() if moment else None
        write_json(self.path, content)

    def _saved(self) -> dict[str, Any]:
        try:
            content = json.loads(self.path.read_bytes())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    @classmethod
    def load(cls, path: Path) -> TaskState:
        """Read what `save` wrote.

        Raises
        ------
        ValueError
            If the file is not there or holds something else.
        """
        try:
            content = json.loads(path.read_bytes())
            for name in ("started_utc", "deadline_utc", "stuck_since_utc"):
                content[name] = dt.datetime.fromisoformat(content[name]) if content[name] else None
            content["indices"] = tuple(content["indices"])
            content["excluded"] = tuple(content["excluded"])
            content["tried"] = tuple(content["tried"])
            content["labels"] = {int(index): label for index, label in content["labels"].items()}
            times = content["times"]
            element_s = {int(index): time_s for index, time_s in times["element_s"].items()}
            content["times"] = JobTimes(**{**times, "element_s": element_s})
            content["histories"] = {int(index): _history(saved) for index, saved in content["histories"].items()}
            content["arrays"] = [
                SubmittedArray(
                    ArraySpec.load(Path(array["spec"])),
                    ArrayHandle(**array["handle"]),
                    None if array["recovered"] is None else tuple(array["recovered"]),
                )
                for array in content["arrays"]
            ]
            return cls(folder=path.parent, **content)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} cannot be read as the state of a task: {error}") from error

    def clear_away(self) -> None:
        """Remove the files that only mattered while jobs could run."""
        if self.shared:
            for path in self.folder.glob(f"{self.base}*.array.json"):
                path.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)


def _history(content: dict[str, Any]) -> History:
    counts = Counter({JobState(state): number for state, number in content.pop("counts").items()})
    return History(counts=counts, **content)
