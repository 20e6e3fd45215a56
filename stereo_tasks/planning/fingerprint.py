"""Fingerprints: what a product depends on, hashed.

A product is stale when its inputs, the configuration that its stage reads, its parameters or the versions of the tools
differ from those it was made with. A change of the configuration makes only those products stale that read it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stereo_tasks.planning.plan import Element, Input, Plan
from stereo_tasks.products.record import Record
from stereo_tasks.stages import Stage, State, resolve

RecordOf = Callable[[Input], Record | None]
"""Gives the record that counts of the product that an input is; None if there is none."""

_TOOLS = ("magic-cta-pipe", "ctapipe", "ctapipe-io-magic", "lstchain", "pyirf", "scikit-learn")


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def configuration_of(plan: Plan, stage: Stage, element: Element | None = None) -> dict[str, Any]:
    """Return the part of the configuration that a stage reads, for an element that may have sections of its own."""
    config = plan.config if element is None else plan.config_of(element)
    configuration: dict[str, Any] = {
        "mcp": {key: config.get(key) for key in stage.mcp_keys},
        "own": {key: plan.settings.get(key) for key in stage.settings_keys},
    }
    # Only where one is asked for: without any, what was made before there were corrections is right.
    if corrections := plan.corrections(stage):
        configuration["corrections"] = list(corrections)
    return configuration


def configuration_hash(plan: Plan, stage: Stage, element: Element | None = None) -> str:
    """Return the hash of the configuration that a stage reads; see `configuration_of`."""
    return _hash(configuration_of(plan, stage, element))


def versions_of(plan: Plan, stage: Stage) -> dict[str, str | None]:
    """Return the versions of the tools that matter for a stage."""
    return {name: plan.versions.get(name) for name in (*_TOOLS, *stage.tools)}


def fingerprint(plan: Plan, element: Element, record_of: RecordOf, counts: Mapping[str, float]) -> str:
    """Hash what the product of an element depends on, as it is now.

    A raw input counts by its name, size and modification time in the plan; a product by the fingerprint and state in
    its record, so that a product that could not be made is a different input than one that could. Of inputs among which
    a stage selects, those count that it takes; all of them if the element ended before it could tell.

    Parameters
    ----------
    plan : Plan
        The plan.
    element : Element
        One of its elements.
    record_of : callable
        Gives the records of the inputs.
    counts : mapping of str to float
        The element's own counts, by which its stage selects.
    """
    stage = element.stage
    inputs = element.inputs
    if stage.selects:
        taken = {item.path for item in selected(element, record_of, counts)}
        inputs = tuple(item for item in inputs if item.role != stage.selects or item.path in taken)
    return _hash(
        {
            "stage": stage.name,
            "id": element.id,
            "inputs": [_input_mark(item, record_of) for item in inputs],
            "parameters": element.parameters,
            "configuration": configuration_of(plan, stage, element),
            "versions": versions_of(plan, stage),
            "revision": stage.revision,
        }
    )


def selected(element: Element, record_of: RecordOf, counts: Mapping[str, float]) -> list[Input]:
    """Return which of the inputs among which its stage selects an element takes."""
    candidates = [item for item in element.inputs if item.role == element.stage.selects]
    made = [(item, record) for item in candidates if (record := record_of(item)) and record.state == State.DONE]
    try:
        chosen: list[Input] = resolve(element.stage.selected_by)(made, counts)
    except KeyError:  # it does not know its own time: its raw file is damaged, or its record is of 0.2
        return candidates
    return chosen


def _input_mark(item: Input, record_of: RecordOf) -> list[Any]:
    name = Path(item.path).name
    if item.producer is None:
        return [item.role, name, item.size_bytes, item.modified_ns]
    record = record_of(item)
    if record is None:
        return [item.role, name, None]
    # A failure is tried again and may end in another way: what was made of the same inputs before stays comparable.
    return [item.role, name, record.state, record.fingerprint if record.state == State.DONE else record.reason]
