"""The records of the output tree in the catalog, and what they say of a night."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from stereo_tasks.catalog import publications, run_verdicts, tree
from stereo_tasks.catalog.database import Catalog, Lock, take
from stereo_tasks.catalog.models import ElementRecord, PlanRow, ProductionRow, ProductRow, QaRow
from stereo_tasks.catalog.tree import Row
from stereo_tasks.catalog.values import plain
from stereo_tasks.nights import Night
from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.planning.plan import Plan
from stereo_tasks.stages import State

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Ingested:
    """What was read in."""

    records: int
    """Elements with a record that counts."""
    open: int
    """Elements without one."""


@dataclass(frozen=True, slots=True)
class StageSummary:
    """Elements of one stage, by what became of them."""

    stage: str
    total: int
    done: int
    skipped: int
    held: int
    failed: int

    @classmethod
    def of(cls, stage: str, total: int, counts: Mapping[tuple[str, str], int]) -> StageSummary:
        """Return the summary of a stage, from how many elements of (stage, state) there are."""
        return cls(stage, total, *(counts.get((stage, state.value), 0) for state in State))

    @property
    def open(self) -> int:
        """Elements without a record that counts."""
        return self.total - self.done - self.skipped - self.held - self.failed


@dataclass(frozen=True, slots=True)
class Trouble:
    """An element that is not simply done."""

    element: str
    state: str
    reason: str
    lost: tuple[str, ...]
    log: str


@dataclass(frozen=True, slots=True)
class SourceSummary:
    """What became of the latest plan of a source."""

    production: str
    source: str
    plan: str
    stages: tuple[StageSummary, ...]
    troubles: tuple[Trouble, ...]
    """Everything skipped, held or failed, and everything done with a loss."""
    holds: tuple[str, ...]
    """Why the plan could not be run, if it could not."""
    cpu_s: float


def ingest(catalog: Catalog, plan: Plan | Path | str) -> Ingested:
    """Read what became of a plan from the tree into the catalog; doing it again changes nothing.

    That is: its records, the files they name, QA's verdicts and the publications of its night and source. An element
    whose record is gone, unreadable or of something else than this plan goes from the catalog, too: it is not done.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    plan : Plan or path
        The plan. It becomes the latest of its night and source.
    """
    loaded = plan if isinstance(plan, Plan) else Plan.load(plan)
    path = plain(loaded.path)  # once: it is a hash of the whole plan
    with catalog.transaction(writes=True) as session:
        # Before the files are read: of two, the one that writes last has read last.
        take(session, Lock.TREE, f"{loaded.production} {loaded.name}")
        records: list[Row] = []
        products: list[Row] = []
        states = ElementStates(loaded)
        for element in loaded.elements:
            record = states.record(element)
            if record is not None:
                records.append(tree.record_values(loaded, path, element, record))
                products.extend(tree.product_values(records[-1], record))
        _write_plan(session, loaded, path)
        _upsert(session, ElementRecord, "record_path", records)
        _upsert(session, ProductRow, "path", products)
        _forget(session, loaded, records, products)
        if loaded.night is not None:
            _write_night(session, loaded, Night(loaded.night))
    return Ingested(len(records), len(loaded.elements) - len(records))


def read_night(catalog: Catalog, plan: Plan) -> None:
    """Read the verdicts of QA and the publications of a plan's night and source into the catalog, and no record."""
    with catalog.transaction(writes=True) as session:
        take(session, Lock.TREE, f"{plan.production} {plan.name}")
        _write_night(session, plan, Night(plan.night or ""))


def night_summary(catalog: Catalog, night: Night, production: str | None = None) -> tuple[SourceSummary, ...]:
    """Return what became of the latest plan of each source of a night, as of its last `ingest`.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    night : Night
        The night.
    production : str, optional
        Name of the production; all by default.
    """
    latest = (
        select(PlanRow)
        .distinct(PlanRow.production, PlanRow.source)
        .where(PlanRow.night == night.evening)
        .order_by(PlanRow.production, PlanRow.source, PlanRow.ingested_utc.desc())
    )
    if production is not None:
        latest = latest.where(PlanRow.production == production)
    with catalog.transaction() as session:
        return tuple(_summary(session, plan) for plan in session.scalars(latest).all())


def _summary(session: Session, plan: PlanRow) -> SourceSummary:
    records = session.scalars(
        select(ElementRecord).where(ElementRecord.plan_path == plan.path).order_by(ElementRecord.element)
    ).all()
    counts = Counter((record.stage, record.state) for record in records)
    stages = tuple(StageSummary.of(stage, total, counts) for stage, total in plan.stages["order"])
    troubles = tuple(
        Trouble(record.element, record.state, record.reason, tuple(record.lost), record.log)
        for record in records
        if record.state != State.DONE or record.lost
    )
    holds = tuple(f"{one['subject']}: {one['reason']}" for one in plan.holds)
    cpu_s = sum(record.cpu_s for record in records)
    return SourceSummary(plan.production, plan.source, plan.path, stages, troubles, holds, cpu_s)


def _write_plan(session: Session, plan: Plan, path: str) -> None:
    write_production(session, plan.production, plan.versions)
    values = tree.plan_values(plan, path, func.clock_timestamp())
    statement = insert(PlanRow).values(**values)
    columns = {name: statement.excluded[name] for name in values if name != "path"}
    session.execute(statement.on_conflict_do_update(index_elements=["path"], set_=columns))


def write_production(session: Session, name: str, versions: Mapping[str, str]) -> None:
    """Write a production with the versions of its latest plan."""
    production = insert(ProductionRow).values(name=name, versions=plain(dict(versions)))
    session.execute(
        production.on_conflict_do_update(
            index_elements=["name"],
            set_={"versions": production.excluded.versions},
            # Most plans have the same: their rows would only be dead copies.
            where=ProductionRow.versions != production.excluded.versions,
        )
    )


def _upsert(session: Session, table: Any, key: str, rows: list[Row]) -> None:
    if not rows:
        return
    statement = insert(table)
    columns = {name: statement.excluded[name] for name in rows[0] if name != key}
    different = or_(*(getattr(table, name).is_distinct_from(value) for name, value in columns.items()))
    # In one order, so that two who write the same rows cannot wait for each other.
    session.connection().execute(
        statement.on_conflict_do_update(index_elements=[key], set_=columns, where=different),
        sorted(rows, key=lambda one: str(one[key])),
    )


def _forget(session: Session, plan: Plan, records: list[Row], products: list[Row]) -> None:
    """Remove records of this plan's elements that are gone, and products that no record names any more."""
    made: dict[str, list[str]] = {row["record_path"]: [] for row in records}
    for row in products:
        made[row["record_path"]].append(row["path"])
    for paths in _batches(plain(str(element.record_path)) for element in plan.elements):
        without = [path for path in paths if path not in made]
        there = [product for path in paths for product in made.get(path, ())]
        session.execute(delete(ElementRecord).where(ElementRecord.record_path.in_(without)))
        session.execute(delete(ProductRow).where(ProductRow.record_path.in_(paths), ProductRow.path.not_in(there)))


def _write_night(session: Session, plan: Plan, night: Night) -> None:
    key: dict[str, Any] = {"production": plan.production, "night": night.evening, "source": plan.source}
    quality, runs = tree.qa_values(Path(plan.root), plan.production, night, plan.source) or (None, [])
    if quality is None:
        session.execute(delete(QaRow).filter_by(**key))
    else:
        statement = insert(QaRow).values(**quality)
        columns = {name: statement.excluded[name] for name in quality}
        session.execute(statement.on_conflict_do_update(index_elements=list(key), set_=columns))
    run_verdicts.write(session, runs, **key)
    publications.write(session, tree.publication_values(Path(plan.root), plan.production, night, plan.source))


def _batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    iterator = iter(items)
    while batch := list(islice(iterator, _BATCH)):
        yield batch
