"""Fingerprints: what a product depends on, hashed; and from them which elements are stale.

A product is stale when its inputs, the configuration that its stage reads, its parameters or the versions of the tools
differ from those it was made with. A change of the configuration makes only those products stale that read it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from stereo_tasks.planning.plan import Element, Input, Plan
from stereo_tasks.products.record import Record, State, read_record
from stereo_tasks.stages import Stage

# Keys of magic-cta-pipe's configuration that the tool of a stage reads (tried with 0.6.2).
CONFIG_KEYS: dict[Stage, tuple[str, ...]] = {
    Stage.MC_STEREO: ("mc_tel_ids", "stereo_reco", "save_images"),
    Stage.MC_FORESTS: ("energy_regressor", "disp_regressor", "event_classifier"),
    Stage.MC_DL2: (),
    Stage.MC_IRF: ("create_irf",),
    Stage.CALIBRATE: ("mc_tel_ids", "MAGIC", "save_images"),
    Stage.MERGE: (),
    Stage.COINCIDE: ("mc_tel_ids", "event_coincidence", "save_images"),
    Stage.STEREO: ("mc_tel_ids", "stereo_reco", "save_images"),
    Stage.MERGE_STEREO: (),
    Stage.DL2: (),
    Stage.DL3: ("dl2_to_dl3",),
    Stage.INDEX: (),
    Stage.QA: (),
}
SETTINGS_KEYS: dict[Stage, tuple[str, ...]] = {
    Stage.MERGE: ("completeness_min",),
    Stage.MERGE_STEREO: ("completeness_min",),
    Stage.QA: ("qa", "time_offset_us", "completeness_min", "source_ra_deg", "source_dec_deg"),
}
_TOOLS = ("magic-cta-pipe", "ctapipe", "ctapipe-io-magic", "lstchain", "pyirf", "scikit-learn")
# Raised when a step of ours writes something else than before from the same inputs.
STEP_REVISION: dict[Stage, int] = dict.fromkeys(Stage, 1) | {Stage.DL3: 2}


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def configuration_of(plan: Plan, stage: Stage) -> dict[str, Any]:
    """Return the part of the configuration that a stage reads."""
    return {
        "mcp": {key: plan.config.get(key) for key in CONFIG_KEYS[stage]},
        "own": {key: plan.settings.get(key) for key in SETTINGS_KEYS.get(stage, ())},
    }


def configuration_hash(plan: Plan, stage: Stage) -> str:
    """Return the hash of the configuration that a stage reads."""
    return _hash(configuration_of(plan, stage))


def fingerprint(plan: Plan, element: Element) -> str:
    """Hash what the product of an element depends on, as it is now.

    A raw input counts by its name, size and modification time in the plan; a product by the fingerprint and state in
    its record, so that a product that could not be made is a different input than one that could.
    """
    return _hash(
        {
            "stage": element.stage,
            "id": element.id,
            "inputs": [_input_mark(item) for item in element.inputs],
            "parameters": element.parameters,
            "configuration": configuration_of(plan, element.stage),
            "versions": {
                name: plan.versions.get(name)
                for name in (*_TOOLS, *(("gammapy",) if element.stage == Stage.QA else ()))
            },
            "revision": STEP_REVISION[element.stage],
        }
    )


def _input_mark(item: Input) -> list[Any]:
    name = Path(item.path).name
    if item.producer is None:
        return [item.role, name, item.size_bytes, item.modified_ns]
    record = read_record(Path(item.producer + ".record.json"))
    if record is None:
        return [item.role, name, None]
    # A failure is tried again and may end in another way: what was made of the same inputs before stays comparable.
    return [item.role, name, record.state, record.fingerprint if record.state == State.DONE else record.reason]


def current_record(plan: Plan, element: Element) -> Record | None:
    """Return the record of an element if it is of the same inputs and configuration, and its product is there.

    Failed elements count as not done.
    """
    record = read_record(element.record_path)
    if record is None or record.state == State.FAILED or record.fingerprint != fingerprint(plan, element):
        return None
    for mark in record.outputs:
        try:
            status = Path(mark.path).stat()
        except FileNotFoundError:
            return None
        if (status.st_size, status.st_mtime_ns) != (mark.size_bytes, mark.modified_ns):
            return None
    return record


def known_record(plan: Plan, element: Element) -> Record | None:
    """Return what is known of an element: its current record, or that of its failure.

    A record of other inputs or of another configuration may still lie there when the element could not run; it says
    nothing about this plan.
    """
    record = current_record(plan, element)
    if record is None:
        record = read_record(element.record_path)
        return record if record is not None and record.state == State.FAILED else None
    return record


def stale_elements(plan: Plan, stage: Stage) -> tuple[int, ...]:
    """Return the indices of the elements of a stage that must be done (again)."""
    return tuple(index for index, element in plan.of_stage(stage) if current_record(plan, element) is None)
