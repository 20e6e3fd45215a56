"""Whether a night, or what another plan makes, is done, and if not, why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.planning.plan import Plan, held_runs
from stereo_tasks.products.record import NO_INPUT, Record
from stereo_tasks.stages import State
from stereo_tasks.stages.night import DL3


@dataclass(frozen=True, slots=True)
class Completion:
    """Whether a night is done, in lines for a person."""

    done: bool
    lines: tuple[str, ...]


def completion(plans: Sequence[Plan | str | Path]) -> Completion:
    """Decide whether a night is done.

    It is not when something blocks it, when an element failed beyond what its run survives, when a run did not reach
    DL3, or when an element has no record that counts.
    """
    lines: list[str] = []
    done = True
    for item in plans:
        plan = item if isinstance(item, Plan) else Plan.load(item)
        states = ElementStates(plan)
        problems = night_problems(states)
        done = done and not problems
        reached = sum(states.state(element) == State.DONE for _, element in plan.of_stage(DL3))
        lines.append(
            f"{plan.name}: {reached} of {len(plan.runs)} runs reached DL3, {'not done' if problems else 'done'}"
        )
        lines += [f"  {problem}" for problem in problems]
    return Completion(done, tuple(lines))


def night_problems(states: ElementStates) -> list[str]:
    """Return why a planned night is not done; empty if it is."""
    plan = states.plan
    problems = [f"held, {blocker.subject}: {blocker.reason}" for blocker in plan.blockers]
    made = {element.outputs[0] for element in plan.elements if states.state(element) == State.DONE}
    for element in plan.elements:
        record = states.record(element)
        if record is None:
            if all(item.producer in made for item in element.inputs if item.producer):
                problems.append(f"no record, {element.id}: its job left no result; see the log of the stage's task")
        elif record.state != State.DONE and element.stage.unit.whole_run and not _has_no_input(record):
            problems.append(f"{record.state}, {element.id}: {record.reason}")
    reached = {element.id for _, element in plan.of_stage(DL3) if states.state(element) == State.DONE}
    expected = {run.lst_run for run in plan.runs} - held_runs(plan.blockers)
    lost = [run for run in sorted(expected) if f"{DL3}/{run:05d}" not in reached]
    if lost and all(blocker.runs for blocker in plan.blockers):
        problems.append(f"lost, LST-1 runs without DL3: {', '.join(str(run) for run in lost)}")
    return problems


def problems_of(plan: Plan | str | Path) -> list[str]:
    """Return what failed of a plan, or left no record; empty if all is made."""
    plan = plan if isinstance(plan, Plan) else Plan.load(plan)
    states = ElementStates(plan)
    problems = []
    for element in plan.elements:
        record = states.record(element)
        if record is None:
            problems.append(f"{plan.name}: no record, {element.id}: its job left no result")
        elif record.state in (State.FAILED, State.HELD):
            problems.append(f"{plan.name}: {record.state}, {element.id}: {record.reason}")
    return problems


def _has_no_input(record: Record) -> bool:
    return record.reason.startswith(NO_INPUT)
