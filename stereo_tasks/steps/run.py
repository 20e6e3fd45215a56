"""Running one element: skip if right, work beside the target, validate, rename, leave a record.

Safe to run twice, at once or after a kill: a working folder has a name of its own, the rename is atomic, and the record
is written last.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
import socket
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.planning.fingerprint import configuration_hash
from stereo_tasks.planning.plan import Element
from stereo_tasks.products.files import fsync, sha256_of, sweep, working_folder
from stereo_tasks.products.provenance import processor, software
from stereo_tasks.products.record import FileMark, Record, read_record
from stereo_tasks.stages import State, resolve
from stereo_tasks.steps.context import Made, StepContext
from stereo_tasks.steps.marks import input_marks, mark_of
from stereo_tasks.steps.outcomes import NoProductError, end_of, failed
from stereo_tasks.steps.validate import validate

log = logging.getLogger("stereo_tasks.steps")

JOB_VARIABLE = "ARRAY_TOKEN"
LOG_VARIABLE = "ARRAY_LOG"


@dataclass(slots=True)
class Usage:
    """What an element used."""

    started: dt.datetime
    elapsed_s: float = 0.0
    cpu_s: float = 0.0
    peak_memory_mb: float = 0.0


def run_element(states: ElementStates, element: Element) -> Record:
    """Bring one element to an end and leave its record.

    Parameters
    ----------
    states : ElementStates
        What became of the elements of the plan so far.
    element : Element
        One of its elements.

    Returns
    -------
    Record
        The record that now lies beside the product.
    """
    states.forget(element)
    if states.is_valid(element):
        record = states.record(element)
        assert record is not None  # noqa: S101 - valid elements have one
        log.info("%s: valid already (%s)", element.id, record.state)
        return record
    target = Path(element.outputs[0])
    for leftover in sweep(target):
        log.info("%s: removed %s of a try that was killed", element.id, leftover.name)
    previous, before = read_record(element.record_path), _seen(element)
    usage = Usage(dt.datetime.now(dt.UTC))
    made, end = None, None
    with working_folder(target) as work:
        context = StepContext(states, element, work)
        with _measured(usage):
            try:
                _check_inputs(element)
                made = resolve(element.stage.work)(context)
                validate(element.stage, made.files)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - every end becomes a state in the record
                end = end_of(element.stage, error)
                if not isinstance(error, NoProductError):
                    traceback.print_exc()
            inputs = input_marks(states.plan, element)
        counts = {**context.counts, **(made.counts if made else {})}
        marked = states.fingerprint(element, counts)
        states.forget(element)
        if end and (winner := states.record(element)) and winner.state == State.DONE:
            log.warning("%s: %s; another process has done it meanwhile: left as it is", element.id, end.reason)
            return winner
        outputs = _put_in_place(element, made) if made and end is None else _remove_stale(element, before)
    record = Record(
        element=element.id,
        stage=element.stage.name,
        state=end.state if end else State.DONE,
        reason=end.reason if end else "",
        fingerprint=marked,
        plan=str(states.plan.path),
        inputs=inputs,
        outputs=outputs,
        lost=tuple(made.lost) if made else (),
        used=tuple(made.used) if made else (),
        counts=counts,
        versions={**states.plan.versions, **software()},
        configuration=configuration_hash(states.plan, element.stage, element),
        revision=element.stage.revision,
        engine=context.use.engine or "",
        engine_reason=context.use.reason,
        host=socket.gethostname(),
        processor=processor(),
        job=os.environ.get(JOB_VARIABLE, f"process {os.getpid()}"),
        attempt=previous.attempt + 1 if previous and previous.fingerprint == marked else 1,
        started_utc=usage.started.isoformat(timespec="milliseconds"),
        ended_utc=dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
        elapsed_s=round(usage.elapsed_s, 3),
        cpu_s=round(usage.cpu_s, 3),
        peak_memory_mb=round(usage.peak_memory_mb, 1),
        log=os.environ.get(LOG_VARIABLE, ""),
    )
    record.save(element.record_path)
    states.forget(element)
    log.info("%s: %s %s", element.id, record.state, record.reason)
    return record


def _check_inputs(element: Element) -> None:
    for item in element.inputs:
        if item.producer is not None:
            continue
        try:
            status = Path(item.path).stat()
        except FileNotFoundError:
            raise failed(f"{item.path} has gone since the plan was made: plan the night again") from None
        if (status.st_size, status.st_mtime_ns) != (item.size_bytes, item.modified_ns):
            raise failed(f"{item.path} has changed since the plan was made: plan the night again")


def _put_in_place(element: Element, made: Made) -> tuple[FileMark, ...]:
    """Rename the products to their names; the first, beside which the record lies, comes last.

    Their content is on the disk before. Their names need not be: a product that a power cut took is not what its record
    says, and is made again.
    """
    targets = [Path(output) for output in element.outputs]
    # Read before the renaming, so that the record follows at once.
    checksums = [sha256_of(source) for source in made.files]
    for source in made.files:
        fsync(source)
    for source, target in reversed(list(zip(made.files, targets, strict=True))):
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
    return tuple(mark_of(target, checksum) for target, checksum in zip(targets, checksums, strict=True))


def _seen(element: Element) -> dict[str, tuple[int, int]]:
    """Return which products were there when the work began: of an earlier state of the inputs, since none was valid."""
    seen = {}
    for output in element.outputs:
        with contextlib.suppress(FileNotFoundError):
            status = Path(output).stat()
            seen[output] = status.st_ino, status.st_mtime_ns
    return seen


def _remove_stale(element: Element, before: dict[str, tuple[int, int]]) -> tuple[FileMark, ...]:
    """Remove products of an earlier state of the inputs: a product exists only beside a record that says done.

    One that came since the work began is of another process of this element, whose record follows.
    """
    now = _seen(element)
    for output, status in before.items():
        if now.get(output) == status:
            Path(output).unlink(missing_ok=True)
    return ()


@contextlib.contextmanager
def _measured(usage: Usage) -> Iterator[None]:
    # Linux resets the peak resident size of the process when 5 is written here: several elements share a process.
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    wall, cpu = time.monotonic(), time.process_time()
    try:
        yield
    finally:
        usage.elapsed_s = time.monotonic() - wall
        usage.cpu_s = time.process_time() - cpu
        with contextlib.suppress(OSError):
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    usage.peak_memory_mb = int(line.split()[1]) / 1024
