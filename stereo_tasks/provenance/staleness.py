"""Whether a product is what would be made now, and if not, which part of what it depends on differs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from stereo_tasks.planning.element_state import ElementStates, products_are_there
from stereo_tasks.planning.fingerprint import configuration_hash, configuration_of, selected, versions_of
from stereo_tasks.planning.plan import Element, Input, Plan, PlanError
from stereo_tasks.products.record import Record, read_record
from stereo_tasks.provenance.differences import Change, changes, flat, settings_of
from stereo_tasks.stages import State

GONE = "is not made any more"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why products are stale: one thing that differs, and the elements that read it."""

    kind: str
    """``setting``, ``version``, ``input``, ``parameter``, ``choice``, ``revision``, ``product`` or ``plan``."""
    change: Change
    elements: tuple[str, ...]

    def __str__(self) -> str:
        """Return one line for a person."""
        more = f" and {len(self.elements) - 1} more" if len(self.elements) > 1 else ""
        return f"{self.kind} {self.change} ({self.elements[0]}{more})"


def reasons(record: Record, states: ElementStates) -> tuple[Reason, ...]:
    """Return why a product is not what a plan would make; empty if it is.

    What differs is looked for in all elements behind it, and named where it comes in: not once more for each element
    that follows.

    Parameters
    ----------
    record : Record
        Of the product.
    states : ElementStates
        Of the plan as it would be made now.
    """
    element = _element(states.plan, record.element)
    if element is None or (record.outputs and element.outputs[0] != record.outputs[0].path):
        return _not_made(record, states.plan, element)
    if states.record(element) is not None:
        return ()
    found: dict[tuple[str, Change], list[str]] = {}
    for one in _behind(element, states):
        for kind, change in _differs(one, states):
            found.setdefault((kind, change), []).append(one.id)
    if not found:
        found["product", Change("fingerprint", record.fingerprint[:12], "another; its plan does not say why")] = [
            element.id
        ]
    return tuple(Reason(kind, change, tuple(elements)) for (kind, change), elements in found.items())


def merged(found: Iterable[Reason]) -> tuple[Reason, ...]:
    """Return reasons that say the same as one, with the elements of all."""
    elements: dict[tuple[str, Change], dict[str, None]] = {}
    for reason in found:
        elements.setdefault((reason.kind, reason.change), {}).update(dict.fromkeys(reason.elements))
    return tuple(Reason(kind, change, tuple(names)) for (kind, change), names in elements.items())


def since(then: Plan, elements: tuple[str, ...], present: Plan) -> tuple[Reason, ...]:
    """Return why products of an earlier publication, whose records are gone, are not those of now.

    Parameters
    ----------
    then : Plan
        The plan that was published.
    elements : tuple of str
        Elements that made their products again since.
    present : Plan
        The plan as it would be made now.
    """
    found = [*_plans_differ(then, present), ("product", Change(elements[0], "as published", "made again since"))]
    return tuple(Reason(kind, change, elements) for kind, change in found)


def _plans_differ(then: Plan, present: Plan) -> list[tuple[str, Change]]:
    choices = ({choice.name: choice.value for choice in plan.choices} for plan in (then, present))
    return [
        *(("setting", change) for change in changes(settings_of(then), settings_of(present))),
        *(("version", change) for change in changes(then.versions, present.versions)),
        *(("choice", change) for change in changes(*choices)),
    ]


def _not_made(record: Record, present: Plan, element: Element | None) -> tuple[Reason, ...]:
    """Say why the plan does not make this file."""
    then = _plan(record.plan)
    found = _plans_differ(then, present) if then is not None else []
    found += [("plan", Change(blocker.subject, None, blocker.reason)) for blocker in present.blockers]
    made = record.outputs[0].path if record.outputs else None
    found.append(("product", Change(record.element, made, element.outputs[0] if element else GONE)))
    return tuple(Reason(kind, change, (record.element,)) for kind, change in found)


def _behind(element: Element, states: ElementStates) -> Iterator[Element]:
    """Yield the elements that an element depends on, those first that depend on nothing else; itself last."""
    seen: set[str] = set()

    def follow(one: Element) -> Iterator[Element]:
        if one.id in seen:
            return
        seen.add(one.id)
        for item in _read_by(one, states):
            producer = states.plan.producers.get(item.producer or "")
            if producer:
                yield from follow(producer)
        yield one

    yield from follow(element)


def _read_by(element: Element, states: ElementStates) -> Sequence[Input]:
    """Return the inputs that an element took, or would take now."""
    record = read_record(element.record_path)
    if not element.stage.selects or record is None:
        return element.inputs
    now = {item.path for item in selected(element, states.record_of, record.counts)}
    return [
        item
        for item in element.inputs
        if item.role != element.stage.selects or item.path in now or Path(item.path).name in record.used
    ]


def _differs(element: Element, states: ElementStates) -> Iterator[tuple[str, Change]]:
    """Yield what differs of an element itself between its record and the plan."""
    plan, record = states.plan, read_record(element.record_path)
    if record is None:
        yield "product", Change(Path(element.outputs[0]).name, None, "has no record: it was never made, or was removed")
        return
    if record.revision != element.stage.revision:
        yield "revision", Change(element.stage.name, str(record.revision), str(element.stage.revision))
    then = _plan(record.plan)
    made_of = _element(then, element.id) if then else None
    if record.configuration != configuration_hash(plan, element.stage):
        yield from (("setting", change) for change in _configuration(then, plan, element))
    for name, version in versions_of(plan, element.stage).items():
        if record.versions.get(name) != version:
            yield "version", Change(name, record.versions.get(name), version)
    if made_of:
        differ = changes(flat(made_of.parameters), flat(element.parameters))
        yield from (("parameter", change) for change in differ)
        before, now = ({Path(item.path).name: item.producer for item in one.inputs} for one in (made_of, element))
        # A product that is new among the inputs tells of itself, above.
        yield from (("input", Change(name, None, "new")) for name in now if name not in before and not now[name])
        yield from (("input", Change(name, "read", "not any more")) for name in before if name not in now)
    yield from (("input", change) for change in _inputs(element, record, states))
    if record.state == State.DONE and not products_are_there(record):
        name = Path(element.outputs[0]).name
        yield "product", Change(name, "as it was made", "changed or removed since")


def _configuration(then: Plan | None, now: Plan, element: Element) -> Iterator[Change]:
    if then is None:
        yield Change("configuration", "of a plan that has gone", "another")
        return
    both = [configuration_of(plan, element.stage) for plan in (then, now)]
    before, after = (flat({"mcp": one["mcp"], **one["own"], "corrections": one.get("corrections", [])}) for one in both)
    yield from changes(before, after)


def _inputs(element: Element, record: Record, states: ElementStates) -> Iterator[Change]:
    """Yield inputs that are not the files that were read."""
    read = {Path(mark.path).name: (mark.size_bytes, mark.modified_ns) for mark in record.inputs}
    for item in element.inputs:
        name = Path(item.path).name
        if name not in read:
            continue
        if item.producer is None:
            if read[name] != (item.size_bytes, item.modified_ns):
                yield Change(name, "as it was read", f"changed since: {item.path}")
            continue
        producer = states.record_of(item)
        made = [(mark.size_bytes, mark.modified_ns) for mark in producer.outputs] if producer else []
        if made and read[name] not in made:
            yield Change(name, "as it was read", "made again since")


@cache
def _plan(path: str) -> Plan | None:
    try:
        return Plan.load(path)
    except (OSError, PlanError):
        return None


def _element(plan: Plan, name: str) -> Element | None:
    return next((element for element in plan.elements if element.id == name), None)
