"""A run of a DAG as a person wants to see it: sources down, stages across, and how far each is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from stereo_tasks.airflow_api.client import AirflowApi, TaskState
from stereo_tasks.local_site.errors import SiteError

Counts = dict[tuple[str, str], tuple[int, int]]
"""(row, chain of stages) to elements with a record, and elements."""

_STYLES = {
    "success": "green",
    "failed": "bold red",
    "upstream_failed": "red",
    "up_for_retry": "yellow",
    "skipped": "dim",
    "running": "cyan",
    "deferred": "cyan",
    "queued": "dim",
    "scheduled": "dim",
}
_AT_WORK = ("running", "deferred", "up_for_retry", "restarting")


@dataclass(slots=True)
class RunView:
    """One run of a DAG on a terminal, or as plain lines elsewhere.

    Parameters
    ----------
    console : rich.console.Console
        Where it is shown.
    dag : str
        Name of the DAG.
    order : list of str
        Task ids, each after those it waits for.
    say : callable
        Prints one plain line.
    """

    console: Console
    dag: str
    order: list[str]
    say: Callable[[str], None]
    _known: dict[tuple[str, int], str] = field(default_factory=dict)
    _names: dict[int, str] = field(default_factory=dict)
    _begin_s: float = field(default_factory=time.monotonic)

    def lines(self, tasks: Iterable[TaskState], counts: Counts) -> list[str]:
        """Return a line for each task whose state has changed since the last call."""
        lines = []
        for task in sorted(self._named(tasks), key=self._place):
            key = (task.task, task.map_index)
            if task.state in ("", "queued", "scheduled") or self._known.get(key) == task.state:
                continue
            if task.map_index < 0 and "." in task.task and task.state == "success":
                continue  # a mapped task before it is expanded
            self._known[key] = task.state
            lines.append(" ".join(filter(None, [_row(task), _stage(task.task), task.state, _elements(task, counts)])))
        return lines

    def table(self, tasks: Iterable[TaskState], counts: Counts, state: str) -> Table:
        """Return the table of all tasks."""
        tasks = self._named(tasks)
        single = [task for task in tasks if "." not in task.task]
        stages = [_stage(task) for task in self.order if "." in task]
        outside = "  ".join(f"{task.task} {task.state or '-'}" for task in sorted(single, key=self._place))
        elapsed = f"{time.monotonic() - self._begin_s:.0f} s"
        table = Table(title=f"{self.dag} {state}, {elapsed}", caption=outside, title_justify="left", box=None)
        table.add_column("")
        for stage in stages:
            table.add_column(stage.replace("_", " "), justify="right", overflow="fold")
        rows: dict[int, dict[str, TaskState]] = {}
        for task in tasks:
            if "." in task.task and task.map_index >= 0:
                rows.setdefault(task.map_index, {})[_stage(task.task)] = task
        for _, cells in sorted(rows.items()):
            table.add_row(_row(next(iter(cells.values()))), *(_cell(cells.get(stage), counts) for stage in stages))
        return table

    def _named(self, tasks: Iterable[TaskState]) -> list[TaskState]:
        """Give all tasks of a row the name that one of them has: a task has one only once it has run."""
        tasks = list(tasks)
        self._names |= {task.map_index: task.label for task in tasks if task.label not in ("", str(task.map_index))}
        return [replace(task, label=self._names.get(task.map_index, "")) for task in tasks]

    def _place(self, task: TaskState) -> tuple[int, int]:
        return (self.order.index(task.task) if task.task in self.order else len(self.order), task.map_index)


def watch(
    api: AirflowApi,
    dag: str,
    run: str,
    *,
    console: Console,
    say: Callable[[str], None],
    counts: Callable[[], Counts],
    limit_s: float,
    every_s: float = 2.0,
) -> str:
    """Show a run until it has ended, and return its state.

    Raises
    ------
    SiteError
        If it has not ended after `limit_s`.
    """
    view = RunView(console, dag, api.task_order(dag), say)
    deadline = time.monotonic() + limit_s
    state = "queued"
    with Live(console=console, auto_refresh=False, transient=False) if console.is_terminal else _Nothing() as live:
        for state, tasks in api.follow(dag, run, every_s=every_s):
            now = counts()
            if live is None:
                for line in view.lines(tasks, now):
                    say(line)
            else:
                live.update(view.table(tasks, now, state), refresh=True)
            if time.monotonic() > deadline and state not in ("success", "failed"):
                raise SiteError(f"the run {run} of {dag} has not ended within {limit_s:.0f} s")
    return state


def failures(api: AirflowApi, dag: str, run: str, *, at_most: int = 4, lines: int = 12) -> list[str]:
    """Return the failed tasks of a run, each with the end of its log."""
    texts = []
    for task in [task for task in api.task_states(dag, run) if task.state == "failed"][:at_most]:
        text = "\n".join(f"    {line}" for line in api.log(dag, run, task).splitlines()[-lines:])
        named = replace(task, label="") if task.label == str(task.map_index) else task  # Airflow puts the index there
        texts.append(f"{' '.join(filter(None, [_row(named), task.task]))} failed. End of its log:\n{text}")
    return texts


class _Nothing:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


def _stage(task: str) -> str:
    return task.rpartition(".")[2]


def _row(task: TaskState) -> str:
    if task.map_index < 0:
        return ""
    return task.label or f"#{task.map_index}"


def _elements(task: TaskState, counts: Counts) -> str:
    done, total = counts.get((task.label, _stage(task.task)), (0, 0))
    return f"{done}/{total}" if total else ""


def _cell(task: TaskState | None, counts: Counts) -> Text:
    if task is None or not task.state:
        return Text("·", style="dim")
    elements = _elements(task, counts)
    if task.state == "success":
        text = elements or "done"
    elif task.state in _AT_WORK:
        text = elements or "..."
    else:
        text = {"upstream_failed": "-"}.get(task.state, task.state)
    return Text(text, style=_STYLES.get(task.state, ""))
