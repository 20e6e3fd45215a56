"""Who made the products, and how those that were made twice compare."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from stereo_tasks.planning.plan import Plan
from stereo_tasks.products.record import Record
from stereo_tasks.qa.elements import Records
from stereo_tasks.stages import Engine, State
from stereo_tasks.stages.night import COMPARE


@dataclass(frozen=True, slots=True)
class StageEngines:
    """Who made the products of one stage."""

    stage: str
    kernel: int
    """Elements that our kernel made."""
    tool: int
    """Elements that magic-cta-pipe's tool made."""
    reasons: tuple[str, ...]
    """Why it was the tool, or what the kernel corrected; the most frequent first."""
    twice: int
    """Elements that both made, and that are equal."""
    differing: tuple[str, ...]
    """Elements that are not, each with what differs."""


def stage_engines(plan: Plan, records: Records) -> tuple[StageEngines, ...]:
    """Return who made the products of each stage that has a tool, in the order of the stages."""
    compared: dict[str, list[Record]] = defaultdict(list)
    for _, element in plan.of_stage(COMPARE):
        if (record := records.get(element.id)) is not None:
            compared[plan.producers[element.inputs[0].producer or ""].stage.name].append(record)
    rows = []
    for stage in plan.stages:
        elements = [element for _, element in plan.of_stage(stage)]
        made = [record for element in elements if (record := records.get(element.id)) is not None and record.engine]
        if not stage.tool or not made:
            continue
        engines = Counter(record.engine for record in made)
        reasons = Counter(record.engine_reason for record in made if record.engine_reason)
        twice = compared[stage.name]
        rows.append(
            StageEngines(
                stage=stage.name,
                kernel=engines[Engine.FAST],
                tool=engines[Engine.MCP],
                reasons=tuple(reason for reason, _ in reasons.most_common(5)),
                twice=sum(record.state == State.DONE for record in twice),
                differing=tuple(record.reason for record in twice if record.state == State.HELD),
            )
        )
    return tuple(rows)


def made_twice(engines: tuple[StageEngines, ...]) -> str:
    """Say in one line how the elements that both made compare; empty if there are none (yet)."""
    total = sum(row.kernel + row.tool for row in engines)
    equal, differing = sum(row.twice for row in engines), sum(len(row.differing) for row in engines)
    if not equal and not differing:
        return ""
    text = f"{equal + differing:,} of {total:,} elements made twice: "
    return text + (f"{differing} differ from what magic-cta-pipe makes" if differing else "equal")
