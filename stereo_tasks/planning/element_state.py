"""What became of the elements of a plan: the one place that decides it, by their records.

A record counts under a plan if it was made of what counts under this plan, with the configuration and the versions of
this plan, and if its products are still there as it left them. Any other record says nothing about this plan.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from stereo_tasks.planning.fingerprint import configuration_hash, fingerprint, versions_of
from stereo_tasks.planning.plan import Element, Input, Plan
from stereo_tasks.products.record import Record, read_record
from stereo_tasks.stages import Stage, State

TO_DO = "to do"
"""What is shown for an element without a record that counts."""


class ElementStates:
    """The records of a plan that count, each file read at most once: a look at one moment.

    Parameters
    ----------
    plan : Plan
        The plan.
    trusts : bool, optional
        Take a record that answers for an input as it lies there if it is of this plan's configuration and versions,
        without following the inputs behind it. So a job reads the records of its inputs, and not those of the whole
        night; whoever asks what became of the night follows them all the same, and finds out.
    """

    def __init__(self, plan: Plan, *, trusts: bool = False) -> None:
        self.plan = plan
        self.records_read = 0
        """Number of files that were opened."""
        self._trusts = trusts
        self._files: dict[str, Record | None] = {}
        self._counting: dict[str, Record | None] = {}
        self._trusted: dict[str, Record | None] = {}

    def record(self, element: Element) -> Record | None:
        """Return the record of an element if it counts, whatever its state."""
        if element.id not in self._counting:
            self._counting[element.id] = self._counted(element)
        return self._counting[element.id]

    def record_of(self, item: Input) -> Record | None:
        """Return the record that counts of the product that an input is; None for raw files, too."""
        element = self.plan.producers.get(item.producer or "")
        if element is None:
            return None
        only_raw = all(item.producer is None for item in element.inputs)
        if only_raw or not self._trusts or element.id in self._counting:
            return self.record(element)
        if element.id not in self._trusted:
            record = self._file(element)
            made_like = record is not None and is_made_like(record, self.plan, element)
            self._trusted[element.id] = record if made_like else None
        return self._trusted[element.id]

    def state(self, element: Element) -> State | None:
        """Return what became of an element; None if nothing did."""
        record = self.record(element)
        return record.state if record else None

    def is_valid(self, element: Element) -> bool:
        """Return whether there is nothing to be done for an element: a failure is tried again."""
        return self.state(element) not in (None, State.FAILED)

    def to_do(self, stage: Stage | str) -> tuple[int, ...]:
        """Return the indices of the elements of a stage that must be done (again)."""
        return tuple(index for index, element in self.plan.of_stage(stage) if not self.is_valid(element))

    def summary(self) -> dict[str, dict[str, int]]:
        """Count the elements by stage and state; those without a record that counts are `TO_DO`."""
        return {
            stage.name: dict(Counter(self.state(element) or TO_DO for _, element in self.plan.of_stage(stage)))
            for stage in self.plan.stages
        }

    def fingerprint(self, element: Element, counts: Mapping[str, float]) -> str:
        """Return what the product of an element depends on now; `counts` are the element's own."""
        return fingerprint(self.plan, element, self.record_of, counts)

    def read_all(self, apply: Callable[..., Iterable[Record | None]] = map) -> None:
        """Read all records at once, with the `map` of a pool where the file system is slow to answer."""
        missing = [element for element in self.plan.elements if element.id not in self._files]
        records = apply(read_record, [element.record_path for element in missing])
        self._files |= {element.id: record for element, record in zip(missing, records, strict=True)}
        self.records_read += len(missing)

    def forget(self, element: Element) -> None:
        """Read the record of an element anew when it is asked for again."""
        self._files.pop(element.id, None)
        self._counting.pop(element.id, None)
        self._trusted.pop(element.id, None)

    def _counted(self, element: Element) -> Record | None:
        record = self._file(element)
        if record is None or record.fingerprint != self.fingerprint(element, record.counts):
            return None
        return record if products_are_there(record) else None

    def _file(self, element: Element) -> Record | None:
        if element.id not in self._files:
            self._files[element.id] = read_record(element.record_path)
            self.records_read += 1
        return self._files[element.id]


def is_made_like(record: Record, plan: Plan, element: Element) -> bool:
    """Return whether a record is of a plan's configuration, versions and raw files; products among its inputs aside."""
    raw = {item.path: (item.size_bytes, item.modified_ns) for item in element.inputs if item.producer is None}
    seen = {mark.path: (mark.size_bytes, mark.modified_ns) for mark in record.inputs}
    return (
        record.revision == element.stage.revision
        and record.configuration == configuration_hash(plan, element.stage, element)
        and all(record.versions.get(name) == version for name, version in versions_of(plan, element.stage).items())
        and all(seen.get(path, mark) == mark for path, mark in raw.items())
        and products_are_there(record)
    )


def products_are_there(record: Record) -> bool:
    """Return whether the files that a record names are as it left them."""
    for mark in record.outputs:
        try:
            status = Path(mark.path).stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        if (status.st_size, status.st_mtime_ns) != (mark.size_bytes, mark.modified_ns):
            return False
    return True
