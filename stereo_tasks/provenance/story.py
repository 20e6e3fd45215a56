"""The story of a file: the records behind it, down to the files that no element made.

It is told by the records alone, each of which names what was read and what was made. Plans add the choices.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from stereo_tasks.errors import StereoError
from stereo_tasks.planning.plan import Plan, PlanError
from stereo_tasks.products.record import FileMark, Record
from stereo_tasks.products.records import RECORD_SUFFIX, RecordShelf
from stereo_tasks.provenance.published import PublishedVersion, version_of
from stereo_tasks.stages import stages


class NoStoryError(StereoError):
    """Nothing is known of a file; the text says where it was looked for."""


@dataclass(frozen=True, slots=True)
class Story:
    """How a file came to be."""

    path: Path
    """The file, or the folder of a publication."""
    mark: FileMark | None
    """What is recorded of the file itself; None of a folder, and where its element ended without a product."""
    record: Record
    """Of the element that made it."""
    records: tuple[Record, ...]
    """Of all elements behind it, in the order of their stages; its own comes last."""
    origins: tuple[FileMark, ...]
    """Files behind it that no element made, by their paths; with their checksums where they were taken."""
    remade: tuple[str, ...]
    """Products that were made again since they were read for this one: their records tell of another file."""
    plans: tuple[Plan, ...]
    """The plan that its element was made under, and the newest of each set of Monte Carlo behind it."""
    version: PublishedVersion | None
    """The publication that it is part of."""

    @property
    def replaced(self) -> tuple[str, ...]:
        """Elements that made something else since this was published: their records are of that."""
        return self.version.replaced(self.records) if self.version else ()

    @property
    def plan(self) -> Plan | None:
        """The plan that its element was made under; None if the file of the plan has gone."""
        return next((plan for plan in self.plans if str(plan.path) == self.record.plan), None)

    @property
    def marks(self) -> tuple[FileMark, ...]:
        """All files of the story, as they are recorded: its own first, then raw ones, then products between."""
        own = [] if self.mark is None else [self.mark]
        products = [mark for record in self.records if record is not self.record for mark in record.outputs]
        return (*own, *self.origins, *products)


def tell(path: Path) -> Story:
    """Tell the story of a product, or of a file or folder of a publication.

    Parameters
    ----------
    path : pathlib.Path
        The file; its product may be missing if there is a record of why.

    Raises
    ------
    NoStoryError
        If no element made it.
    """
    path = Path(str(path.absolute()).removesuffix(RECORD_SUFFIX))
    shelf = RecordShelf()
    version = version_of(path)
    product = path if version is None else version.product(path)
    record = shelf.of(product)
    if record is None:
        raise NoStoryError(
            f"no record tells of {product}: it is no product of this pipeline, or its record ({product.name}"
            f"{RECORD_SUFFIX}) has gone"
        )
    records, origins, remade = _behind(record, shelf)
    mark = next((one for one in record.outputs if Path(one.path).name == path.name), None)
    if version is not None:
        mark = version.mark(path) or mark
    return Story(path, mark, record, records, origins, remade, tuple(_plans(record, records)), version)


def _behind(subject: Record, shelf: RecordShelf) -> tuple[tuple[Record, ...], tuple[FileMark, ...], tuple[str, ...]]:
    """Follow the inputs of an element to their ends."""
    records: dict[str, Record] = {}
    origins: dict[str, FileMark] = {}
    remade: dict[str, None] = {}
    to_do = [subject]
    while to_do:
        record = to_do.pop()
        if _key(record) in records:
            continue
        records[_key(record)] = record
        for mark in record.inputs:
            producer, published = _producer(mark, shelf)
            if producer is None:
                known = origins.get(mark.path)
                origins[mark.path] = mark if known is None or known.sha256 is None else known
            elif not record.used or Path(mark.path).name in record.used:
                to_do.append(producer)
                if all(_is_other(mark, made, elsewhere=published) for made in producer.outputs):
                    remade[mark.path] = None
    order = {stage.name: number for number, stage in enumerate(stages())}
    ordered = sorted(records.values(), key=lambda one: (one is subject, order.get(one.stage, -1), one.element))
    return tuple(ordered), tuple(origins[path] for path in sorted(origins)), tuple(sorted(remade))


def _producer(mark: FileMark, shelf: RecordShelf) -> tuple[Record | None, bool]:
    """Return the record that answers for a file, and whether the file is that product as it was published."""
    record = shelf.of(mark.path)
    path = Path(mark.path)
    # Of what is published, the events and their IRFs: the indices are of the publication.
    if record is None and path.name.startswith("dl3_") and (version := version_of(path)) is not None:
        return shelf.of(version.product(path)), True
    return record, False


def _key(record: Record) -> str:
    return f"{record.plan.partition('/plans/')[0]} {record.element}"


def _is_other(read: FileMark, made: FileMark, *, elsewhere: bool = False) -> bool:
    same_name = Path(read.path).name == Path(made.path).name if elsewhere else read.path == made.path
    return not same_name or (read.size_bytes, read.modified_ns) != (made.size_bytes, made.modified_ns)


def _plans(subject: Record, records: Iterable[Record]) -> Iterator[Plan]:
    """Load the plan of the subject, and of other roots the one that was used last."""
    last: dict[str, Record] = {}
    for record in records:
        root = record.plan.partition("/plans/")[0]
        if root not in last or last[root].ended_utc <= record.ended_utc:
            last[root] = record
    last[subject.plan.partition("/plans/")[0]] = subject
    for record in reversed(last.values()):
        try:
            yield Plan.load(record.plan)
        except (OSError, PlanError):  # an old plan that somebody removed
            continue
