"""Making again what the catalog copies: from the stereo log, the output tree, the raw files, and people's decisions."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from stereo_tasks.catalog import log_versions, publications, run_verdicts, telescope_runs, tree
from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.models import (
    Base,
    ElementRecord,
    PlanRow,
    ProductionRow,
    ProductRow,
    QaRow,
    TelescopeRun,
)
from stereo_tasks.catalog.observations import follow
from stereo_tasks.catalog.taking_over import take_over
from stereo_tasks.catalog.tree import Row
from stereo_tasks.catalog.values import plain
from stereo_tasks.inventory import InventoryError, NightFiles, night_over, scan_night
from stereo_tasks.nights import Night
from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.planning.plan import Element, Plan
from stereo_tasks.settings import Settings
from stereo_tasks.stereo_log import Selection, StereoLog, StereoLogError, read_site_log
from stereo_tasks.stereo_log import select as select_rows

_log = logging.getLogger(__name__)
_BATCH = 2000
_READERS = 8  # files on a network are waited for rather than read
_MADE_AGAIN = (ProductRow, ElementRecord, PlanRow, QaRow, TelescopeRun, ProductionRow)
"""In the order in which their rows can go. All else stays: what the log said before, what was handed on, runs, jobs."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild found."""

    decisions: int
    """Of people, that the catalog did not have."""
    observations: int
    plans: int
    records: int
    products: int
    publications: int
    runs: int
    """Of telescopes."""


def rebuild(catalog: Catalog, settings: Settings) -> Rebuilt:
    """Make again what the catalog copies from elsewhere, and leave the rest.

    Everything is read within one transaction: readers of the catalog see the old rows until the new ones are complete,
    and those who write wait. In a database that was lost, people's decisions are there again, too; what was handed on
    is not, so detection hands the last nights on once more, and their runs find that nothing is stale.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    settings : Settings
        Of the site.

    Raises
    ------
    DecisionError
        If the files of decisions cannot be read or written.
    """
    taken_over = take_over(catalog)
    log = _read_log(settings)
    # Before the others have to wait: the raw files can be many, and detection looks at them again soon.
    files = list(_raw_files(log, settings))
    with catalog.transaction(rebuilds=True) as session:
        for table in _MADE_AGAIN:
            session.execute(delete(table))
        if log is not None:
            _follow_log(session, log, settings)
        found = _Tree()
        found.read(session, settings.site.paths.output)
        run_verdicts.supersede_without_page(session)
        runs = [row for rows in telescope_runs.parts(files).values() for row in rows]
        write_rows(session, TelescopeRun, runs)
        observations = session.scalar(select(func.count()).select_from(Base.metadata.tables["observations"]))
    _analyse(catalog)
    return Rebuilt(
        decisions=taken_over, observations=observations or 0, plans=found.plans, records=found.records,
        products=found.products, publications=found.publications, runs=len(runs),
    )  # fmt: skip


def _read_log(settings: Settings) -> StereoLog | None:
    try:
        return read_site_log(settings)
    except StereoLogError as error:
        _log.warning("the stereo log cannot be read, what the catalog has of it stays: %s", error)
        return None


def _raw_files(log: StereoLog | None, settings: Settings) -> Iterator[NightFiles]:
    """Yield the files of all nights that detection would look at if they were recent."""
    accepted = select_rows(log.observations, settings.policy).accepted if log else ()
    now, paths = dt.datetime.now(dt.UTC), settings.site.paths
    productions = [settings.production(name) for name in settings.policy.detect_productions or (None,)]
    wanted = {
        (row.night, one.lst_version, one.lst_tailcut)
        for row in accepted
        if night_over(row.night, now)
        for one in (production.effective(row.night, row.source) for production in productions)
    }

    def scan(item: tuple[Night, str | tuple[str, ...], str | None]) -> NightFiles | None:
        night, version, tailcut = item
        try:
            return scan_night(
                night, magic_calibrated=paths.magic_calibrated, lst_dl1=paths.lst_dl1, lst_version=version,
                lst_tailcut=tailcut,
            )  # fmt: skip
        except InventoryError as error:
            _log.warning("the runs of %s are left to detection: %s", night, error)
            return None

    with ThreadPoolExecutor(_READERS) as pool:
        found = pool.map(scan, sorted(wanted))
        yield from (one for one in found if one is not None)


def _follow_log(session: Session, log: StereoLog, settings: Settings) -> None:
    chosen: Selection = select_rows(log.observations, settings.policy)
    changes = follow(session, chosen, settings.policy.lost_too_many)
    session.flush()
    session.expunge_all()
    log_versions.take_note(
        session, log_versions.values(log.origin, log.checksum, len(log.observations), log.problems, changes, log.etag,
                                 log.last_modified),
    )  # fmt: skip


class _Tree:
    """What the output tree holds, on its way to the tables."""

    def __init__(self) -> None:
        self.plans = self.records = self.products = self.publications = 0
        # In the order in which they are written: rows refer to those before.
        self._waiting: dict[Any, list[Row]] = {PlanRow: [], ElementRecord: [], ProductRow: [], QaRow: []}

    def read(self, session: Session, output: Path) -> None:
        """Write plans, records, products, QA and publications."""
        latest: dict[str, tuple[dt.datetime, Any]] = {}
        first: dict[str, dt.datetime] = {}
        with ThreadPoolExecutor(_READERS) as pool:
            for plans in pool.map(tree.load_plans, tree.plan_files(output)):
                for _, plan, used in plans:
                    if plan.production not in first:  # plans refer to it; its versions are known at the end
                        write_rows(session, ProductionRow, [{"name": plan.production, "versions": {}}])
                    first[plan.production] = min(used, first.get(plan.production, used))
                    if plan.production not in latest or used >= latest[plan.production][0]:
                        latest[plan.production] = (used, plan.versions)
                self._folder(session, plans, pool)
                if len(self._waiting[ElementRecord]) >= _BATCH:
                    self._write(session)
        self._write(session)
        for name, (_, versions) in latest.items():
            session.execute(
                update(ProductionRow)
                .where(ProductionRow.name == name)
                .values(versions=plain(dict(versions)), first_seen_utc=first[name])
            )

    def _write(self, session: Session) -> None:
        for table, rows in self._waiting.items():
            write_rows(session, table, rows)
            rows.clear()

    def _folder(
        self, session: Session, plans: Sequence[tuple[str, Plan, dt.datetime]], pool: ThreadPoolExecutor
    ) -> None:
        """Take the plans of one night and source, the latest last: it has the elements that it shares with others."""
        owners: dict[Path, tuple[ElementStates, str, Element]] = {}
        for path, plan, _ in plans:
            states = ElementStates(plan)
            owners |= {element.record_path: (states, path, element) for element in plan.elements}
        records: list[Row] = []
        products: dict[str, Row] = {}
        for states in {id(states): states for states, _, _ in owners.values()}.values():
            states.read_all(pool.map)
        for states, path, element in owners.values():
            if (record := states.record(element)) is not None:
                records.append(tree.record_values(states.plan, path, element, record))
                products |= {row["path"]: row for row in tree.product_values(records[-1], record)}
        self._waiting[PlanRow] += [tree.plan_values(plan, path, used) for path, plan, used in plans]
        self._waiting[ElementRecord] += records
        self._waiting[ProductRow] += products.values()
        self.plans, self.records = self.plans + len(plans), self.records + len(records)
        self.products += len(products)
        if plans and (night := plans[-1][1].night) is not None:
            self._night(session, plans[-1][1], Night(night))

    def _night(self, session: Session, plan: Plan, night: Night) -> None:
        of = (Path(plan.root), plan.production, night, plan.source)
        quality, runs = tree.qa_values(*of) or (None, [])
        if quality is not None:
            self._waiting[QaRow].append(quality)
        run_verdicts.write(session, runs, production=plan.production, night=night.evening, source=plan.source)
        found = tree.publication_values(*of)
        publications.write(session, found)
        self.publications += len(found)


def write_rows(session: Session, table: Any, rows: Iterable[Row]) -> None:
    """Insert rows in batches."""
    iterator = iter(rows)
    while batch := list(islice(iterator, _BATCH)):
        session.connection().execute(insert(table), batch)


def _analyse(catalog: Catalog) -> None:
    """Tell the planner of queries how many rows there are now: the server itself looks only after a minute."""
    with catalog.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE " + ", ".join(Base.metadata.tables)))
