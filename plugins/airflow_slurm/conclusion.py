"""What became of elements: by their records, by the ends of their jobs, and in the words of the log."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airflow_slurm.array import ElementOutcome, JobState, JobStatus
from airflow_slurm.repair import EndedJob, GivenUp, Limits, RepairPolicy
from airflow_slurm.task_state import SubmittedArray, TaskState
from airflow_slurm.watch import Log

SHOWN_FAILURES = 20
_SHOWN_LINES = 15
_AGAIN = ("failed", None)
"""States of elements that are worth another try."""


class FailOn(StrEnum):
    """When elements that failed make the task fail."""

    ALL = "all"
    """If no element, or none of a group, is done, skipped or held. Fewer are a loss; those who go on must judge it."""
    ANY = "any"
    """If one failed or has no valid record."""


class ArrayFailedError(AirflowException):
    """The elements have ended, but not well enough."""


class ArrayGivenUpError(ArrayFailedError, AirflowFailException):
    """The same, and another try of the task would end in the same way, so Airflow makes none."""


def review(
    array: SubmittedArray,
    ends: Mapping[int, JobStatus],
    outcomes: Mapping[int, ElementOutcome],
    task_state: TaskState,
    policy: RepairPolicy,
) -> dict[int, Limits]:
    """Note what became of the elements of an array that has ended, and return the limits of those to be tried again."""
    again: dict[int, Limits] = {}
    for job, end in sorted(ends.items()):
        if end.state == JobState.NODE_FAIL and end.node and policy.exclude_failed_nodes:
            task_state.excluded = tuple(dict.fromkeys([*task_state.excluded, end.node]))
        elements = array.spec.jobs[job]
        unfinished = tuple(index for index in elements if index in array.elements and _state(outcomes, index) in _AGAIN)
        ended = EndedJob(end, elements, unfinished, array.spec)
        for index in unfinished:
            history = task_state.history(index)
            history.note(ended, array.spec.log_file(job))
            if array.recovered is not None and end.state == JobState.CANCELLED and not end.stuck:
                # The end of the earlier try has cancelled it after it was taken over.
                again[index] = ended.same_limits(task_state.times)
                continue
            decision = policy.next_limits(ended, index, history.counts, task_state.times)
            if isinstance(decision, GivenUp):
                history.given_up, history.for_good = decision
                continue
            again[index] = decision
            if ended.cause == JobState.TIMEOUT:
                task_state.times.element_s[index] = policy.next_time_s(ended, index, task_state.times)
    return again


def conclude(
    what: str, task_state: TaskState, outcomes: Mapping[int, ElementOutcome], fail_on: FailOn, log: Log
) -> dict[str, Any]:
    """Say how it ended, and return the task's result.

    Raises
    ------
    ArrayFailedError
        If too many elements failed.
    """
    bad = [index for index in task_state.indices if _state(outcomes, index) in _AGAIN]
    failures = [
        (task_state.labels[index], _reason(task_state, outcomes, index), task_state.history(index).log) for index in bad
    ]
    for label, reason, path in failures[:SHOWN_FAILURES]:
        log.error("%s: %s\n  end of %s:\n%s", label, reason, path, tail(Path(path)))
    if len(failures) > SHOWN_FAILURES:
        rest = ", ".join(label for label, _, _ in failures[SHOWN_FAILURES:])
        log.error("%d more without success: %s", len(failures) - SHOWN_FAILURES, rest)

    counts = Counter(_state(outcomes, index) or "lost" for index in task_state.indices)
    elapsed_s = (dt.datetime.now(dt.UTC) - task_state.started_utc).total_seconds()
    text = ", ".join(f"{number} {state}" for state, number in counts.most_common())
    log.info("%s: %s after %.1f s", what, text, elapsed_s)
    groups = _by_group(outcomes)
    if len(groups) > 1:
        for group, states in groups.items():
            done = sum(number for state, number in states.items() if state not in _AGAIN)
            others = ", ".join(f"{number} {state or 'lost'}" for state, number in states.items() if state != "done")
            log.info("%s: %s: %d of %d%s", what, group, done, states.total(), f" ({others})" if others else "")
    if bad:
        usable = bool(groups) and all(any(state not in _AGAIN for state in states) for states in groups.values())
        if fail_on == FailOn.ANY or not usable:
            for_good = all(task_state.history(index).for_good for index in bad)
            raise (ArrayGivenUpError if for_good else ArrayFailedError)(
                f"{what}: {text}; see the ends of their logs above"
            )
        log.warning("%s: %d elements are lost to the next stages", what, len(bad))
    return {
        "counts": dict(counts),
        "valid_before": task_state.total - len(task_state.indices),
        "attempts": task_state.attempts,
        "failures": [{"element": label, "reason": reason} for label, reason, _ in failures[:SHOWN_FAILURES]],
        "elapsed_s": round(elapsed_s, 1),
    }


def _by_group(outcomes: Mapping[int, ElementOutcome]) -> dict[str, Counter[str | None]]:
    """Count the states of elements by their group."""
    groups: dict[str, Counter[str | None]] = {}
    for index, outcome in outcomes.items():
        groups.setdefault(getattr(outcome, "group", ""), Counter())[_state(outcomes, index)] += 1
    return groups


def tail(path: Path) -> str:
    """Return the last lines of a log, indented."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 16_000))
            lines = file.read().decode(errors="replace").splitlines()[-_SHOWN_LINES:]
    except OSError as error:
        return f"    ({error})"
    return "\n".join(f"    {line}" for line in lines) or "    (empty)"


def _state(outcomes: Mapping[int, ElementOutcome], index: int) -> str | None:
    outcome = outcomes.get(index)
    return None if outcome is None or outcome.state is None else str(outcome.state)


def _reason(task_state: TaskState, outcomes: Mapping[int, ElementOutcome], index: int) -> str:
    outcome, history = outcomes.get(index), task_state.history(index)
    if outcome is not None and outcome.state is not None:
        parts = [outcome.reason or "failed"]
    else:
        parts = ["no valid record", *([outcome.reason] if outcome is not None and outcome.reason else [])]
        parts.append(f"its job ended {history.end}")
    if history.for_good:
        parts.append(f"not tried again: {history.given_up}")
    return "; ".join(parts)
