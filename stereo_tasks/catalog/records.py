"""The records of the output tree in the catalog, and what they say of a night."""

from __future__ import annotations

import datetime as dt
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from stereo_tasks.catalog.models import ElementRecord, PlanRow, ProductionRow
from stereo_tasks.catalog.session import transaction
from stereo_tasks.catalog.values import plain
from stereo_tasks.nights import Night
from stereo_tasks.planning.plan import Element, Plan
from stereo_tasks.products.record import Record, State, read_record

_BATCH = 500
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ingested:
    """What was read in."""

    records: int
    """Elements with a record."""
    open: int
    """Elements without a valid record."""


@dataclass(frozen=True, slots=True)
class StageSummary:
    """Elements of one stage, by what became of them."""

    stage: str
    total: int
    done: int
    skipped: int
    held: int
    failed: int

    @property
    def open(self) -> int:
        """Elements without a record."""
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


def ingest(plan: Plan | Path | str, *, engine: Engine | None = None) -> Ingested:
    """Read the records of a plan from the tree into the catalog; doing it again changes nothing.

    An element whose record is gone or unreadable goes from the catalog, too: it is not done.

    Parameters
    ----------
    plan : Plan or path
        The plan. It becomes the latest of its night and source.
    engine : sqlalchemy.Engine, optional
        Of the catalog.
    """
    loaded = plan if isinstance(plan, Plan) else Plan.load(plan)
    path = plain(loaded.path)  # once: it is a hash of the whole plan
    found: list[dict[str, Any]] = []
    without: list[str] = []
    for element in loaded.elements:
        record = read_record(element.record_path)
        if record is None:
            without.append(plain(str(element.record_path)))
        else:
            found.append(_values(loaded, path, element, record))
    with transaction(engine) as session:
        _write_plan(session, loaded, path)
        if found:
            statement = insert(ElementRecord)
            columns = {name: statement.excluded[name] for name in found[0] if name != "record_path"}
            statement = statement.on_conflict_do_update(index_elements=["record_path"], set_=columns)
            # In one order, so that two who write the same rows cannot wait for each other.
            session.connection().execute(statement, sorted(found, key=lambda one: one["record_path"]))
        for paths in _batches(without):
            session.execute(delete(ElementRecord).where(ElementRecord.record_path.in_(paths)))
    return Ingested(len(found), len(without))


def ingest_tree(output: Path, *, engine: Engine | None = None) -> int:
    """Rebuild plans and records from the whole output tree; return the number of plans.

    Plans are taken in the order in which they were written. One that cannot be read is left out with a warning.
    """
    plans = sorted(output.glob("*/*/plans/*/plan_*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    count = 0
    for path in plans:
        try:
            plan = Plan.load(path)
        except (ValueError, KeyError, TypeError) as error:
            _log.warning("%s is left out: %s", path, error)
            continue
        ingest(plan, engine=engine)
        count += 1
    return count


def night_summary(
    night: Night, production: str | None = None, *, engine: Engine | None = None
) -> tuple[SourceSummary, ...]:
    """Return what became of the latest plan of each source of a night, as of its last `ingest`.

    Parameters
    ----------
    night : Night
        The night.
    production : str, optional
        Name of the production; all by default.
    engine : sqlalchemy.Engine, optional
        Of the catalog.
    """
    latest = (
        select(PlanRow)
        .distinct(PlanRow.production, PlanRow.source)
        .where(PlanRow.night == night.evening)
        .order_by(PlanRow.production, PlanRow.source, PlanRow.ingested_utc.desc())
    )
    if production is not None:
        latest = latest.where(PlanRow.production == production)
    with transaction(engine) as session:
        return tuple(_summary(session, plan) for plan in session.scalars(latest).all())


def _summary(session: Session, plan: PlanRow) -> SourceSummary:
    records = session.scalars(
        select(ElementRecord).where(ElementRecord.plan_path == plan.path).order_by(ElementRecord.element)
    ).all()
    counts = Counter((record.stage, record.state) for record in records)
    stages = tuple(
        StageSummary(stage, total, *(counts[stage, state.value] for state in State))
        for stage, total in plan.stages["order"]
    )
    troubles = tuple(
        Trouble(record.element, record.state, record.reason, tuple(record.lost), record.log)
        for record in records
        if record.state != State.DONE or record.lost
    )
    holds = tuple(f"{one['subject']}: {one['reason']}" for one in plan.holds)
    cpu_s = sum(record.cpu_s for record in records)
    return SourceSummary(plan.production, plan.source, plan.path, stages, troubles, holds, cpu_s)


def _write_plan(session: Session, plan: Plan, path: str) -> None:
    production = insert(ProductionRow).values(name=plan.production, versions=plain(plan.versions))
    session.execute(
        production.on_conflict_do_update(index_elements=["name"], set_={"versions": production.excluded.versions})
    )
    # A list: JSONB would not keep the order of the stages.
    stages = {"order": [[stage.value, len(plan.of_stage(stage))] for stage in plan.stages]}
    values = {
        "path": path, "digest": _digest(path), "production": plan.production, "name": plan.name,
        "night": _evening(plan), "source": plan.source, "stages": stages,
        "holds": [plain({"subject": one.subject, "reason": one.reason}) for one in plan.holds],
        "ingested_utc": func.clock_timestamp(),
    }  # fmt: skip
    statement = insert(PlanRow).values(**values)
    columns = {name: statement.excluded[name] for name in values if name != "path"}
    session.execute(statement.on_conflict_do_update(index_elements=["path"], set_=columns))


def _digest(path: str) -> str:
    return Path(path).stem.removeprefix("plan_")


def _evening(plan: Plan) -> dt.date | None:
    return Night(plan.night).evening if plan.night else None


def _values(plan: Plan, path: str, element: Element, record: Record) -> dict[str, Any]:
    return {
        "record_path": plain(element.record_path), "plan_path": path, "production": plan.production,
        "night": _evening(plan), "source": plan.source, "element": element.id, "stage": element.stage.value,
        "state": record.state.value, "reason": plain(record.reason), "fingerprint": record.fingerprint,
        "made_for_plan": plain(record.plan), "lost": plain(record.lost), "counts": plain(record.counts),
        "versions": plain(record.versions), "host": plain(record.host), "job": plain(record.job),
        "attempt": record.attempt, "started_utc": record.started_utc, "ended_utc": record.ended_utc,
        "elapsed_s": record.elapsed_s, "cpu_s": record.cpu_s, "peak_memory_mb": record.peak_memory_mb,
        "log": plain(record.log),
    }  # fmt: skip


def _batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    iterator = iter(items)
    while batch := list(islice(iterator, _BATCH)):
        yield batch
