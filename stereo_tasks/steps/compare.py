"""An element made again by magic-cta-pipe, and compared with what our kernel made of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from stereo_tasks.planning.plan import Element
from stereo_tasks.products.provenance import processor
from stereo_tasks.products.record import NO_INPUT, Record
from stereo_tasks.stages import Engine, State, resolve
from stereo_tasks.steps.context import EngineUse, Made, StepContext
from stereo_tasks.steps.equality import RELATIVE, difference
from stereo_tasks.steps.outcomes import end_of, held, skipped
from stereo_tasks.steps.validate import validate


def run(context: StepContext) -> Made:
    """Make one element again, and compare: the first of those drawn that a kernel has made."""
    drawn = [(context.plan.producers[item.producer or ""], context.states.record_of(item)) for item in context.inputs()]
    made = [(element, record) for element, record in drawn if record is not None and record.engine == Engine.FAST]
    if not made:
        names = ", ".join(element.id for element, _ in drawn)
        raise skipped(f"{NO_INPUT}, no kernel made {names}: there is nothing to compare")
    element, record = made[0]
    again = replace(context, element=element, work=context.folder("mcp"), counts={}, engine=Engine.MCP, use=EngineUse())
    same_processor = record.processor == processor()
    if differs := _difference(again, element, record, relative=0.0 if same_processor else RELATIVE):
        raise held(
            f"{element.id} is not what magic-cta-pipe makes of it: {differs}; its kernel is out of use until somebody "
            f"has looked and says 'stereo engine allow {element.stage}'"
        )
    output = context.folder("out") / "comparison.json"
    how = "bytes" if same_processor else f"relative differences below {RELATIVE}, on another kind of processor"
    output.write_text(json.dumps({"element": element.id, "equal": True, "compared": how, "record": record.fingerprint}))
    return Made([output], {"equal": 1.0}, used=[element.id])


def _difference(again: StepContext, element: Element, record: Record, relative: float) -> str:
    """Return where what the tool makes differs from what is there; an empty text if it does not."""
    try:
        made = resolve(element.stage.work)(again)
        validate(element.stage, made.files)  # as the kernel's was
    except (ImportError, MemoryError, OSError):
        raise  # of this job, and nothing about the kernel: it is tried again
    except (Exception, SystemExit) as error:  # noqa: BLE001 - how the tool ends is what is compared
        end = end_of(element.stage, error)
        same = (end.state, end.reason) == (record.state, record.reason)
        return "" if same else f"it ends as {end.state} ({end.reason}) where the kernel ended as {record.state}"
    if record.state != State.DONE:
        return f"it makes a product where the kernel ended as {record.state} ({record.reason})"
    for theirs, ours in zip(made.files, element.outputs, strict=True):
        if differs := difference(Path(ours), theirs, relative=relative):
            return differs
    return ""
