"""What became of the elements of a plan: states, reasons, losses, cost."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stereo_tasks.planning.plan import Element, Plan
from stereo_tasks.products.record import Record
from stereo_tasks.stages import Stage, State, stages
from stereo_tasks.stages.night import COMPARE, QA

Records = Mapping[str, Record | None]
"""Element id -> its record; None or absent where there is no valid one."""

NO_RECORD = "no record"
"""Shown as the state of an element without a valid record: nothing proves that it ran."""

_ID = re.compile(r"[a-z0-9_]+/(?:(M[12])/)?(\d+)(?:\.(\d+))?")


@dataclass(frozen=True, slots=True)
class Place:
    """Which data an element belongs to, as its id says."""

    telescope: str | None
    """``M1``, ``M2``, or None where LST-1 runs count."""
    run: int
    subrun: int | None


def place_of(element: Element) -> Place | None:
    """Return what an element's id says, such as ``calibrate/M1/05093711.001``; None for ``index`` and its like."""
    match = _ID.fullmatch(element.id)
    if match is None:
        return None
    return Place(match[1], int(match[2]), None if match[3] is None else int(match[3]))


def elements_shown(plan: Plan, records: Records) -> tuple[Element, ...]:
    """Return the elements that the page reports on.

    All but the page's own, which is at work, and comparisons that are still to be made: they follow the publication,
    and the page is made again after them.
    """
    return tuple(
        element
        for element in plan.elements
        if element.stage != QA and not (element.stage == COMPARE and records.get(element.id) is None)
    )


def state_of(record: Record | None) -> str:
    """Return the state of an element as a word."""
    return NO_RECORD if record is None else record.state.value


@dataclass(frozen=True, slots=True)
class Problem:
    """Elements of one stage that share a state and a reason."""

    state: str
    stage: str
    reason: str
    elements: tuple[str, ...]


_ORDER = (State.FAILED.value, State.HELD.value, NO_RECORD, State.SKIPPED.value)


def problems(plan: Plan, records: Records) -> tuple[Problem, ...]:
    """Return what was not done, worst first, equal reasons together."""
    groups: dict[tuple[str, Stage, str], list[str]] = defaultdict(list)
    for element in elements_shown(plan, records):
        record = records.get(element.id)
        if record is not None and record.state == State.DONE:
            continue
        reason = record.reason if record is not None else "it did not run, or its record cannot be read"
        groups[state_of(record), element.stage, reason or "no reason recorded"].append(element.id)
    order = stages()
    ordered = sorted(groups, key=lambda key: (_ORDER.index(key[0]), order.index(key[1]), key[2]))
    return tuple(
        Problem(state, stage.name, reason, tuple(groups[state, stage, reason])) for state, stage, reason in ordered
    )


@dataclass(frozen=True, slots=True)
class Loss:
    """An input that an element left out."""

    element: str
    text: str


def losses(plan: Plan, records: Records) -> tuple[Loss, ...]:
    """Return all inputs that were left out, with the element that did without them."""
    return tuple(
        Loss(element.id, text)
        for element in elements_shown(plan, records)
        if (record := records.get(element.id)) is not None
        for text in record.lost
    )


@dataclass(frozen=True, slots=True)
class StageSummary:
    """One stage of the night."""

    stage: str
    elements: int
    states: dict[str, int]
    events_in: float | None
    events_out: float | None
    cpu_s: float
    peak_memory_mb: float


def stage_summaries(plan: Plan, records: Records) -> tuple[StageSummary, ...]:
    """Return the stages of the plan in order, each with its states, events and cost."""
    summaries = []
    shown: dict[Stage, list[Element]] = defaultdict(list)
    for element in elements_shown(plan, records):
        shown[element.stage].append(element)
    for stage, elements in shown.items():
        found = [record for element in elements if (record := records.get(element.id)) is not None]
        summaries.append(
            StageSummary(
                stage=stage.name,
                elements=len(elements),
                states=dict(Counter(state_of(records.get(element.id)) for element in elements)),
                events_in=total(found, "events_in"),
                events_out=total(found, "events_out"),
                cpu_s=sum(record.cpu_s for record in found),
                peak_memory_mb=max((record.peak_memory_mb for record in found), default=0.0),
            )
        )
    return tuple(summaries)


def total(records: Iterable[Record], key: str) -> float | None:
    """Return the sum of one count over records; None where no record has it."""
    values = [record.counts[key] for record in records if key in record.counts]
    return sum(values) if values else None
