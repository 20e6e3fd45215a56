"""What a job goes on with: elements that have become possible by what it has done.

The last job of a run sees the records of all others, and goes on with the run. Should two see them at once, both do the
same, which is safe (`stereo_tasks.steps.run`); should none, since a file system showed the other's record late, the
task finds the rest undone and submits it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Sequence

from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.planning.plan import Element, Plan
from stereo_tasks.products.record import Record
from stereo_tasks.stages import State
from stereo_tasks.steps.run import run_element


def work_on(plan: Plan, elements: Sequence[Element], stages: Collection[str]) -> Iterator[Record]:
    """Work on elements, and on those of some stages that become possible; yield the record of each.

    What follows from an element alone comes right after it. What others must precede, too, comes at the end, if they
    all have been brought to an end by then, here or in another job: one that failed is tried again, and is waited for.

    Parameters
    ----------
    plan : Plan
        The plan.
    elements : sequence of Element
        What the job was given.
    stages : collection of str
        Stages of which it may go on with elements.
    """
    # What runs whatever happened before may see records that wait to be made anew: the page, before the comparison.
    states = ElementStates(plan, trusts=not any(element.stage.always for element in elements))
    possible = [element for element in plan.elements if element.stage.name in stages]
    followers = _followers(possible)
    made_here: set[str] = set()
    queue, shared = deque(elements), dict[str, Element]()
    while queue or shared:
        if not queue:
            queue.extend(_made_possible(plan, shared.values(), made_here))
            shared.clear()
            continue
        element = queue.popleft()
        record = run_element(states, element)
        yield record
        if record.state == State.FAILED:
            continue
        made_here.add(element.outputs[0])
        for follower in reversed(followers.get(element.outputs[0], ())):
            if _before(follower, followers) <= made_here:
                queue.appendleft(follower)
                shared.pop(follower.id, None)
            else:
                shared[follower.id] = follower


def _followers(elements: Sequence[Element]) -> dict[str, list[Element]]:
    """Return by the product of each element those that read it."""
    followers: dict[str, list[Element]] = {element.outputs[0]: [] for element in elements}
    for element in elements:
        for item in element.inputs:
            if item.producer in followers:
                followers[item.producer].append(element)
    return followers


def _before(element: Element, known: Collection[str]) -> set[str]:
    return {item.producer for item in element.inputs if item.producer is not None and item.producer in known}


def _made_possible(plan: Plan, elements: Iterator[Element] | Collection[Element], made_here: set[str]) -> list[Element]:
    """Return the elements before which nothing is left to be done, as the records are now."""
    states = ElementStates(plan)  # what other jobs have done meanwhile; followed to the raw files
    return [
        element
        for element in elements
        if all(
            path in made_here or states.is_valid(plan.producers[path])
            for path in (item.producer for item in element.inputs)
            if path is not None and path in plan.producers
        )
    ]
