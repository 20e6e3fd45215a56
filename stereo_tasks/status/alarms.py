"""What needs care before it hurts: tables that end, forgotten nights, a log that stands still, full disks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence

from astropy import units as u
from sqlalchemy import func, select, union

from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.locks import HeldLock, held_locks
from stereo_tasks.catalog.log_versions import latest_log_version
from stereo_tasks.catalog.models import (
    Dispatch,
    ElementRecord,
    LogVersion,
    ObservationChange,
    PlanRow,
    ProcessingRun,
    ReadinessRow,
    Request,
)
from stereo_tasks.catalog.suspensions import open_suspensions
from stereo_tasks.nights import Night
from stereo_tasks.settings import Settings
from stereo_tasks.settings.choices import NoChoiceError
from stereo_tasks.stages import State
from stereo_tasks.status.alarm_kinds import Alarm, AlarmKind
from stereo_tasks.status.collecting import StatusTable, newest_night, status_table
from stereo_tasks.status.disks import disks
from stereo_tasks.status.state import NightState, SourceStatus


def find_alarms(
    catalog: Catalog,
    settings: Settings,
    *,
    production: str | None = None,
    most_nights: int | None = None,
    now: dt.datetime | None = None,
) -> tuple[Alarm, ...]:
    """Return all alarms.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    settings : Settings
        Configuration of the site.
    production : str, optional
        Name of the production whose nights are looked at; those that detection asks for by default.
    most_nights : int, optional
        Look at so many nights of a production, the newest; an alarm says if there are more. All by default.
    now : datetime.datetime, optional
        The time, with its zone.

    Raises
    ------
    CatalogError
        If the catalog cannot be used.
    """
    now = now or dt.datetime.now(dt.UTC)
    detected = settings.policy.detect_productions or (settings.productions.default,)
    names = (
        [settings.production(production).name] if production else [settings.production(name).name for name in detected]
    )
    locks = held_locks(catalog)
    found = [*_free_space(settings), *_tables_end(settings, now)]
    found += _log(latest_log_version(catalog), settings, now)
    found += _log_changes(catalog, settings, now)
    found += [
        Alarm(AlarmKind.KERNEL_DIFFERS, row.stage, f"{Night(row.night)} {row.source}: {row.reason}")
        for row in open_suspensions(catalog)
    ]
    found += _not_made(catalog, settings, now)
    for name in names:
        nights = _nights_of_interest(catalog, settings, name, now)
        if most_nights is not None and len(nights) > most_nights:
            found.append(_not_looked_at(name, len(nights) - most_nights))
            nights = nights[-most_nights:]
        table = _table(catalog, settings, name, nights, now)
        found += [*_not_covered(settings, table), *_locks(locks, table, settings, now), *_nights(table, settings, now)]
    # Two productions want the same table of the configuration.
    return tuple({alarm.key: alarm for alarm in found}.values())


def _nights_of_interest(catalog: Catalog, settings: Settings, production: str, now: dt.datetime) -> list[Night]:
    """Return the nights with which something happened lately, however old they are."""
    since = now - dt.timedelta(days=settings.alarms.look_back_days)
    statement = union(
        select(Dispatch.night).where(Dispatch.production == production, Dispatch.dispatched_utc >= since),
        select(Request.night).where(Request.production == production, Request.requested_utc >= since),
        select(ProcessingRun.night).where(ProcessingRun.production == production, ProcessingRun.started_utc >= since),
        select(ReadinessRow.night).where(
            ReadinessRow.production == production, ~ReadinessRow.ready, ReadinessRow.checked_utc >= since
        ),
    )
    with catalog.transaction() as session:
        return [Night(night) for night in sorted(session.scalars(statement))]


def _table(
    catalog: Catalog, settings: Settings, production: str, nights: Sequence[Night], now: dt.datetime
) -> StatusTable:
    first, last = (nights[0], nights[-1]) if nights else (newest_night(now), newest_night(now))
    return status_table(catalog, first, last, settings=settings, production=production, only=nights, now=now)


def _not_looked_at(production: str, number: int) -> Alarm:
    text = f"{number} older nights were requested or processed lately, too: their alarms are not looked for here"
    return Alarm(AlarmKind.NOT_LOOKED_AT, "older nights", text, place=production)


def _tables_end(settings: Settings, now: dt.datetime) -> Iterator[Alarm]:
    today, ahead = now.astimezone(dt.UTC).date(), dt.timedelta(days=settings.alarms.table_ends_days)
    tables = (
        ("observation periods", "monte_carlo.yaml", max(entry.last for entry in settings.monte_carlo.periods)),
        ("time offsets", "time_offsets.yaml", max(entry.last for entry in settings.time_offsets)),
    )
    for name, file, last in tables:
        if last < today + ahead:
            days = (last - today).days
            when = f"in {days} days" if days >= 0 else f"{-days} days ago"
            text = f"the table of {name} (config/{file}) ends with {last}, {when}: nights after it are held"
            yield Alarm(AlarmKind.TABLE_ENDS, f"config/{file}", text, content=str(last))


def _not_covered(settings: Settings, table: StatusTable) -> Iterator[Alarm]:
    for night in sorted({status.night for status in table.sources if _is_wanted(status)}):
        for file, look_up in (
            ("monte_carlo.yaml", settings.monte_carlo.period),
            ("time_offsets.yaml", settings.time_offset),
        ):
            try:
                look_up(night)
            except NoChoiceError as error:
                yield Alarm(AlarmKind.NOT_COVERED, str(night), str(error), place=f"config/{file}")


def _is_wanted(status: SourceStatus) -> bool:
    return (
        bool(status.source) and status.state not in (NightState.NOT_TAKEN, NightState.NOTHING) and not status.by_person
    )


def _locks(locks: Iterable[HeldLock], table: StatusTable, settings: Settings, now: dt.datetime) -> Iterator[Alarm]:
    runs = {status.night: status.row.run for status in table.sources}
    limit = dt.timedelta(hours=settings.alarms.run_h)
    for lock in locks:
        if lock.production != table.production:
            continue
        run, text = runs.get(lock.night), f"{lock.night} is locked by {lock.owner} since {_time(lock.since)}"
        if run is not None and run.ended_utc and run.ended_utc > lock.since and lock.owner.endswith(run.run_id):
            text += f", and that run ended {_time(run.ended_utc)}"
        elif now - lock.since > limit:
            text += f", longer than {settings.alarms.run_h:g} h"
        else:
            continue
        yield Alarm(AlarmKind.OLD_LOCK, str(lock.night), text, lock.owner, place=table.production)


def _nights(table: StatusTable, settings: Settings, now: dt.datetime) -> Iterator[Alarm]:
    limits_h = {
        NightState.WAITING: (AlarmKind.WAITS, settings.alarms.waits_h),
        NightState.REQUESTED: (AlarmKind.NO_RUN, settings.alarms.requested_h),
        NightState.FAILED: (AlarmKind.UNATTENDED, settings.alarms.unattended_h),
        NightState.HELD: (AlarmKind.UNATTENDED, settings.alarms.unattended_h),
    }
    oldest = now - dt.timedelta(days=settings.alarms.look_back_days)
    for status in table.sources:
        if status.state not in limits_h or status.by_person or status.since_utc is None or status.since_utc < oldest:
            continue
        kind, limit_h = limits_h[status.state]
        # What a waiting night lacks changes as files come: that is no other alarm.
        content = status.reason if kind == AlarmKind.UNATTENDED else ""
        if now - status.since_utc > dt.timedelta(hours=limit_h):
            subject = f"{status.night} {status.source}".strip()
            text = f"{subject} {status.state} since {_time(status.since_utc)}: {status.reason}"
            yield Alarm(kind, subject, text, content=content, place=table.production)


def _log(reading: LogVersion | None, settings: Settings, now: dt.datetime) -> Iterator[Alarm]:
    limits, subject = settings.alarms, "stereo log"
    if reading is None:
        yield Alarm(AlarmKind.LOG_UNREAD, subject, "the stereo log was never read")
        return
    if now - reading.last_seen_utc > dt.timedelta(hours=limits.log_unread_h):
        text = f"the stereo log was last read {_time(reading.last_seen_utc)}: new nights are not noticed"
        yield Alarm(AlarmKind.LOG_UNREAD, subject, text)
    if now - reading.first_seen_utc > dt.timedelta(days=limits.log_unchanged_days):
        text = f"the stereo log has not changed since {_time(reading.first_seen_utc)}"
        yield Alarm(AlarmKind.LOG_STANDS_STILL, subject, text, content=reading.checksum)
    for problem in reading.problems:
        yield Alarm(AlarmKind.LOG_ROWS, str(problem), f"a row of the stereo log cannot be read: {problem}")


def _log_changes(catalog: Catalog, settings: Settings, now: dt.datetime) -> Iterator[Alarm]:
    """Yield rows that left the log, and rows of old nights that were changed."""
    since = now - dt.timedelta(days=settings.alarms.log_changes_days)
    old = now.astimezone(dt.UTC).date() - dt.timedelta(days=settings.policy.look_back_days)
    columns = (ObservationChange.night, ObservationChange.source, ObservationChange.kind, ObservationChange.at_utc)
    latest = (
        select(*columns)
        .distinct(ObservationChange.night, ObservationChange.source)
        .where(ObservationChange.at_utc >= since, ObservationChange.kind.in_(("removed", "returned", "changed")))
        .order_by(ObservationChange.night, ObservationChange.source, ObservationChange.id.desc())
    )
    with catalog.transaction() as session:
        for change in session.execute(latest):
            subject = f"{Night(change.night)} {change.source}"
            if change.kind == "removed":
                text = f"the row {subject} left the stereo log, or cannot be read any more, {_time(change.at_utc)}"
            elif change.kind == "changed" and change.night < old:
                text = f"the old row {subject} was changed in the stereo log {_time(change.at_utc)}"
            else:
                continue
            yield Alarm(AlarmKind.LOG_ROWS, subject, text, content=change.at_utc.isoformat())


def _not_made(catalog: Catalog, settings: Settings, now: dt.datetime) -> Iterator[Alarm]:
    """Yield what failed of plans that are of no night: forests and IRFs, data sets, analyses of seasons."""
    since = now - dt.timedelta(days=settings.alarms.look_back_days)
    latest = (
        select(PlanRow.path)
        .distinct(PlanRow.production, PlanRow.name)
        .where(PlanRow.night.is_(None), PlanRow.ingested_utc >= since)
        .order_by(PlanRow.production, PlanRow.name, PlanRow.ingested_utc.desc())
    )
    columns = PlanRow.production, PlanRow.name, ElementRecord.stage
    failed = (
        select(*columns, func.count().label("number"), func.min(ElementRecord.reason).label("reason"))
        .join(PlanRow, ElementRecord.plan_path == PlanRow.path)
        .where(PlanRow.path.in_(latest), ElementRecord.state.in_((State.FAILED, State.HELD)))
        .group_by(*columns)
        .order_by(*columns)
    )
    with catalog.transaction() as session:
        for row in session.execute(failed):
            subject = f"{row.name} {row.stage}"
            text = f"{subject}: {row.number} failed or are held, such as: {row.reason}"
            yield Alarm(AlarmKind.NOT_MADE, subject, text, content=row.reason, place=row.production)


def _free_space(settings: Settings) -> Iterator[Alarm]:
    needed = settings.alarms.free_space.to_value(u.GB)
    for disk in disks(settings):
        if disk.free_gb < needed:
            text = f"{disk.free_gb:.0f} GB are free at {disk.path} (paths.{disk.name}), {needed:.0f} GB are wanted"
            yield Alarm(AlarmKind.FREE_SPACE, f"paths.{disk.name}", text)


def _time(time: dt.datetime) -> str:
    return f"{time.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
