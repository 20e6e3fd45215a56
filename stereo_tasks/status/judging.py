"""From all that the catalog knows of a source of a night to one word. Pure: no database, no clock."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from stereo_tasks.catalog.nights import NightRow, Planned
from stereo_tasks.inventory import night_over
from stereo_tasks.nights import Night
from stereo_tasks.settings.policy import Policy
from stereo_tasks.stages import run_stages
from stereo_tasks.stages.night import DL3
from stereo_tasks.status.state import NightState, SourceStatus

# The note of a dispatch is written just after its event: the run may have begun a moment before.
_DISPATCH_TO_RUN = dt.timedelta(minutes=2)
_NAMED = 3
_NO_REASONS: Mapping[tuple[str, str], str] = {}


@dataclass(frozen=True, slots=True)
class _Standing:
    state: NightState
    reason: str = ""
    since_utc: dt.datetime | None = None
    by_person: bool = False


def judge(
    rows: Iterable[NightRow],
    policy: Policy,
    now: dt.datetime,
    *,
    detected: bool = True,
    waits_h: float = 24.0,
    reasons: Mapping[tuple[str, str], str] = _NO_REASONS,
) -> tuple[SourceStatus, ...]:
    """Return the state of each source of a range of nights.

    Parameters
    ----------
    rows : iterable of NightRow
        All sources of the nights: they wait for each other.
    policy : Policy
        How long detection looks back.
    now : datetime.datetime
        The time, with its zone.
    detected : bool, optional
        Whether detection asks for this production.
    waits_h : float, optional
        After so many hours what waits is an alarm.
    reasons : mapping, optional
        Of elements in trouble: (plan, state) to the first of its reasons.
    """
    found = [_status(row, _standing(row, policy, now, detected, reasons), waits_h) for row in rows]
    waiting: dict[Night, list[str]] = {}
    for status in found:
        if status.state == NightState.WAITING:
            waiting.setdefault(status.night, []).append(status.source)
    return tuple(_with_siblings(status, waiting.get(status.night, ())) for status in found)


def _with_siblings(status: SourceStatus, waiting: Iterable[str]) -> SourceStatus:
    """Say for which sources a complete one waits: a night is handed on as a whole."""
    others = [name for name in waiting if name != status.source]
    if status.state != NightState.READY or not others:
        return status
    reason = f"all files are there; the night waits for {', '.join(others)}"
    return replace(status, state=NightState.WAITING, reason=reason)


def _standing(
    row: NightRow, policy: Policy, now: dt.datetime, detected: bool, reasons: Mapping[tuple[str, str], str]
) -> _Standing:
    steps: tuple[Callable[[], _Standing | None], ...] = (
        lambda: _at_work(row),
        lambda: _held_by_person(row),
        lambda: _requested(row),
        lambda: _not_taken(row),
        lambda: _processed(row, reasons),
        lambda: _asked_in_vain(row),
        lambda: _not_over(row, now),
        lambda: _by_files(row, policy, now, detected),
    )
    return next(found for step in steps if (found := step()) is not None)


def _at_work(row: NightRow) -> _Standing | None:
    if row.locked is None or _rejected(row):
        return None
    return _Standing(NightState.RUNNING, "a run is at work on it", row.locked.since_utc)


def _held_by_person(row: NightRow) -> _Standing | None:
    if not row.held or _rejected(row):
        return None
    hold = row.held[0]
    until = f" until {hold.until_utc.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC" if hold.until_utc else ""
    return _Standing(NightState.HELD, f"by {hold.by}{until}: {hold.reason}", hold.held_utc, by_person=True)


def _requested(row: NightRow) -> _Standing | None:
    """Return whether the night was handed on after its latest run began."""
    request = row.request
    candidates = [(row.dispatch.dispatched_utc, _handed_on(row.dispatch.reason))] if row.dispatch else []
    if request and request.outcome == "requested" and _was_wanted(row):
        candidates.append((request.requested_utc, f"asked for by {request.by or 'a person'}"))
    if not candidates or _rejected(row):
        return None
    at, reason = max(candidates)
    if row.run is not None and row.run.started_utc > at - _DISPATCH_TO_RUN:
        return None
    return _Standing(NightState.REQUESTED, reason, at)


def _handed_on(reason: str) -> str:
    return f"detection handed it on: {'all files are there' if reason == 'complete' else reason}"


def _was_wanted(row: NightRow) -> bool:
    """Return whether the last person who asked for the night asked for this source, too."""
    return not (row.request and row.request.sources and row.source) or row.source in row.request.sources


def _not_taken(row: NightRow) -> _Standing | None:
    if not _rejected(row) or row.observed is None:
        return None
    if row.observed.in_log:
        return _Standing(NightState.NOT_TAKEN, row.observed.reason)
    kept = "; what was published of it stays" if row.published else ""
    return _Standing(NightState.NOT_TAKEN, f"the row has left the log, or cannot be read any more{kept}")


def _rejected(row: NightRow) -> bool:
    return row.observed is not None and not (row.observed.in_log and row.observed.accepted)


def _processed(row: NightRow, reasons: Mapping[tuple[str, str], str]) -> _Standing | None:
    run, plan = row.run, row.planned
    if run is None and plan is None:
        return None
    since = (run.ended_utc or run.started_utc) if run else plan.ingested_utc if plan else None
    if run is not None and run.state == "running":
        text = f"the run {run.run_id} ended without a word: it was killed, or its lock was broken"
        return _Standing(NightState.FAILED, text, since)
    if plan is None:
        return _without_plan(row, since)
    if run is not None and run.state == "failed" and plan.ingested_utc < run.started_utc and _was_wanted(row):
        text = run.lines[0].strip() if run.lines else "see its log in Airflow"
        return _Standing(NightState.FAILED, f"its latest run ended before it was looked at: {text}", since)
    state, reason = _of_plan(row, plan, reasons)
    return _Standing(state, reason, since)


def _without_plan(row: NightRow, since: dt.datetime | None) -> _Standing | None:
    if row.run is None or row.run.state in ("done", "taken"):
        return None  # the run was of other sources of the night
    lines = [line.strip() for line in row.run.lines if line.strip()]
    if row.run.state == "nothing":
        return _Standing(NightState.NOTHING, lines[0] if lines else "no joint observation", since)
    if row.run.state == "locked":
        return _Standing(NightState.REQUESTED, lines[0] if lines else "another run is at work; one follows", since)
    return _Standing(NightState.FAILED, lines[0] if lines else "its run failed before there was a plan", since)


def _of_plan(row: NightRow, plan: Planned, reasons: Mapping[tuple[str, str], str]) -> tuple[NightState, str]:
    stages = {stage.stage: stage for stage in plan.stages}
    of_runs = [stages[name] for name in run_stages() if name in stages]
    if failed := sum(stage.failed for stage in of_runs):
        return NightState.FAILED, _counted(failed, "failed", reasons.get((plan.path, "failed"), ""))
    if plan.holds:
        return NightState.HELD, "; ".join(plan.holds)
    if held := sum(stage.held for stage in of_runs):
        return NightState.HELD, _counted(held, "held", reasons.get((plan.path, "held"), ""))
    dl3 = stages.get(DL3.name)
    if dl3 is None or not dl3.done:
        skipped = reasons.get((plan.path, "skipped"), "")
        return NightState.FAILED, "no run reached DL3" + (f": {skipped}" if skipped else "")
    if row.published is None:
        return NightState.FAILED, "DL3 is there and not published: see the log of publish in Airflow"
    if dl3.done < dl3.total:
        return NightState.PARTIAL, f"{dl3.total - dl3.done} of {dl3.total} runs did not reach DL3"
    if row.readiness is not None and row.readiness.partial:
        return NightState.PARTIAL, "with what there was; missing: " + "; ".join(row.readiness.missing)
    return NightState.DONE, _counted(plan.losses, "done with a loss", "") if plan.losses else ""


def _counted(number: int, word: str, reason: str) -> str:
    text = f"{number} element{'s' if number > 1 else ''} {word}"
    return f"{text}: {reason}" if reason else text


def _asked_in_vain(row: NightRow) -> _Standing | None:
    """Return what was answered to who asked for the night, if that is all that is known."""
    request = row.request
    if request is None:
        return None
    if request.outcome == "waiting":
        since = row.readiness.waiting_since_utc if row.readiness else None
        return _Standing(NightState.WAITING, _waits(row) or request.reason, since or request.requested_utc)
    if request.outcome in ("nothing", "refused") and (row.observed is None or not row.source):
        return _Standing(NightState.NOTHING, request.reason, request.requested_utc)
    return None


def _not_over(row: NightRow, now: dt.datetime) -> _Standing | None:
    if night_over(row.night, now):
        return None
    text = "is still to come" if row.night.noon > now else "is being observed, until 08:00 UTC"
    return _Standing(NightState.UPCOMING, f"the night {text}")


def _by_files(row: NightRow, policy: Policy, now: dt.datetime, detected: bool) -> _Standing:
    if row.observed is None:
        return _Standing(NightState.NOTHING, "no joint observation in the log")
    seen = row.readiness
    old = row.night.evening < now.astimezone(dt.UTC).date() - dt.timedelta(days=policy.look_back_days)
    if seen is not None and not seen.ready:
        return _Standing(NightState.WAITING, _waits(row), seen.waiting_since_utc or seen.checked_utc)
    if old or not detected:
        why = f"older than the {policy.look_back_days} days of detection" if old else "detection asks for another one"
        return _Standing(NightState.NOT_ASKED, f"nobody asked for it; {why}")
    if seen is None:
        return _Standing(NightState.WAITING, "detection has not looked at it yet")
    reason = "it goes on with what there is" if seen.partial else "all files are there"
    return _Standing(NightState.READY, reason, seen.checked_utc)


def _waits(row: NightRow) -> str:
    """Name what is missing, and say how much more there is: the whole is in `SourceStatus.missing`."""
    missing = row.readiness.missing if row.readiness else ()
    more = [f"and {len(missing) - _NAMED} more"] if len(missing) > _NAMED else []
    return "; ".join([*missing[:_NAMED], *more])


def _status(row: NightRow, standing: _Standing, waits_h: float) -> SourceStatus:
    seen = row.readiness
    present = list(seen.present) if seen else []
    if row.published:
        present.append(f"DL3 published {row.published.published_utc.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC")
    waits = standing.since_utc if standing.state == NightState.WAITING else None
    qa = row.quality.verdict if row.quality else row.published.verdict if row.published else ""
    return SourceStatus(
        night=row.night, source=row.source, production=row.production, state=standing.state, reason=standing.reason,
        since_utc=standing.since_utc, present=tuple(present), missing=seen.missing if seen else (), qa=qa,
        by_person=standing.by_person, alarm_utc=waits and waits + dt.timedelta(hours=waits_h), row=row,
    )  # fmt: skip
