"""Asking for a night: what a person's request comes to, and how it reaches the run that processes the night."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from stereo_tasks.catalog import holds, requests
from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.models import Request
from stereo_tasks.catalog.readiness import write_readiness
from stereo_tasks.dispatch.candidates import Candidate, LogNights, NightInspector
from stereo_tasks.dispatch.partitions import ReadyNight
from stereo_tasks.inventory import night_over
from stereo_tasks.nights import Night
from stereo_tasks.processing.reprocessing import check_stage
from stereo_tasks.settings import Settings, load_settings
from stereo_tasks.stereo_log import StereoLog, read_site_log, select


@dataclass(frozen=True, slots=True)
class Answer:
    """What becomes of a request."""

    night: Night

    outcome: str

    """``requested``, ``nothing``, ``waiting``, ``refused`` or ``dry run``."""
    reason: str
    handed_on: ReadyNight | None = None
    """If it is requested: for the run that processes it, and for `note_dispatched`."""
    lines: tuple[str, ...] = ()
    """Of a dry run: what would be done."""


def request_night(
    catalog: Catalog,
    night: Night | str,
    *,
    production: str | None = None,
    sources: Sequence[str] = (),
    force: bool = False,
    dry_run: bool = False,
    from_stage: str = "",
    why: str = "",
    backfill: str = "",
    by: str = "",
    now: dt.datetime | None = None,
    settings: Settings | None = None,
) -> Answer:
    """Answer somebody who asks for a night, and note it.

    Only what can be processed now is requested: observations that have files of all three telescopes, complete or not,
    and that nobody holds. If there are none yet, the request waits, and detection takes it up however old the night is.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    night : Night or str
        The night, by its evening date.
    production : str, optional
        Name of the production; the default one by default.
    sources : sequence of str, optional
        Only these; all by default.
    force : bool, optional
        Compute again what is valid, too.
    dry_run : bool, optional
        Only say what would be done.
    from_stage : str, optional
        Compute everything from this stage on again, valid or not. Only what can be processed now: it does not wait.
    why : str, optional
        What it is for, in the words of who asks.
    backfill : str, optional
        Id of Airflow's backfill or run, to find the answers again.
    by : str, optional
        Who asks.
    now : datetime.datetime, optional
        The time, with its zone.
    settings : Settings, optional
        The site's by default.

    Raises
    ------
    BadNightError
        If it is no night.
    SettingsError
        If there is no such production.
    NoStageError
        If there is no such stage.
    StereoLogError
        If the log as a whole cannot be read.
    InventoryError
        If a folder is there and cannot be listed.
    """
    night = night if isinstance(night, Night) else Night(night)
    now = now or dt.datetime.now(dt.UTC)
    settings = settings or load_settings()
    name = settings.production(production).name
    wanted = sorted(set(sources))
    if from_stage:
        check_stage(from_stage)

    outcome, reason, states = _examine(catalog, night, name, wanted, now, settings)
    if from_stage and outcome == requests.WAITING:
        outcome, reason = requests.REFUSED, f"it cannot be made again from {from_stage} on now: {reason}"
    elif from_stage:
        reason = f"again from {from_stage} on: {reason}"
    reason = f"{why.strip()}; {reason}" if why.strip() else reason
    going = [state for state in states if _goes(state)] if outcome == requests.REQUESTED else []
    if dry_run and outcome != requests.REFUSED:
        lines = _plan_lines(night, name, [state.source for state in going], settings) if going else ()
        reason = f"dry run, nothing was requested; without it: {outcome}, {reason}"
        _note(catalog, Answer(night, requests.DRY_RUN, reason), name, wanted, force, backfill, by, settings)
        return Answer(night, requests.DRY_RUN, reason, None, lines)
    ready = None
    if going:
        sources = tuple(sorted(state.source for state in going)) if wanted or len(going) < len(states) else ()
        contents = tuple(state.readiness.content for state in going)
        ready = ReadyNight(night, name, sources, force, contents, False, reason, from_stage)
    answer = Answer(night, outcome, reason, ready)
    _note(catalog, answer, name, wanted, force, backfill, by, settings)
    # What does not go now is watched by detection from now on.
    entries = [(night, state.source, state.readiness) for state in states]
    write_readiness(catalog, entries, name)
    return answer


def _note(
    catalog: Catalog,
    answer: Answer,
    production: str,
    wanted: Sequence[str],
    force: bool,
    backfill: str,
    by: str,
    settings: Settings,
) -> None:
    """Note an answer; what somebody asked for before and still waits for goes on waiting."""
    before = [one for one in requests.waiting_requests(catalog, production) if one.night == answer.night.evening]
    again: Request | None = before[0] if before else None
    if again and answer.outcome == requests.WAITING:
        wanted = sorted({*wanted, *again.sources}) if wanted and again.sources else []
        force = force or again.force
    requests.note_request(
        catalog, answer.night, production, answer.outcome, answer.reason, backfill=backfill, sources=wanted,
        force=force, by=by,
    )  # fmt: skip
    if again and answer.handed_on and answer.handed_on.sources:
        left = sorted(set(again.sources) - set(answer.handed_on.sources))
        if left or not again.sources:
            requests.note_request(
                catalog, answer.night, production, requests.WAITING, again.reason, backfill=again.backfill,
                sources=left, force=again.force, by=again.requested_by,
            )  # fmt: skip


def _examine(
    catalog: Catalog, night: Night, production: str, wanted: Sequence[str], now: dt.datetime, settings: Settings
) -> tuple[str, str, tuple[Candidate, ...]]:
    """Return outcome, reason, and the state of what was asked for, if it was looked at."""
    if night.noon > now:
        return requests.REFUSED, f"the night of {night} is still to come: end the range before it", ()
    log = read_site_log(settings)
    selection = select([row for row in log.observations if row.night == night], settings.policy)
    nights = LogNights(selection)
    accepted = [row for row in nights.accepted[night] if not wanted or row.source in wanted]
    if not accepted:
        return requests.NOTHING, _nothing(night, wanted, nights, log), ()
    if not night_over(night, now):
        return requests.WAITING, f"the night of {night} is not over", ()
    inspector = NightInspector(settings, production, holds.open_holds(catalog, production, night=night, now=now))
    states = inspector.inspect(night, accepted, nights.rows(night), now)
    outcome = requests.REQUESTED if any(map(_goes, states)) else requests.WAITING
    return outcome, " | ".join(map(_described, states)), states


def _goes(state: Candidate) -> bool:
    """Return whether a person who asks gets this source now: with what there is, however little."""
    return state.readiness.usable and not state.readiness.blocked


def _described(state: Candidate) -> str:
    if not _goes(state) or state.readiness.ready:
        return str(state)
    return f"{state.source}: partial: {'; '.join(state.readiness.missing)}"


def _nothing(night: Night, wanted: Sequence[str], nights: LogNights, log: StereoLog) -> str:
    of_whom = f" of {', '.join(wanted)}" if wanted else ""
    parts = [f"no observations{of_whom} in the stereo log for the night of {night}"]
    left_out = [(row, why) for row, why in nights.rejected[night] if not wanted or row.source in wanted]
    if left_out:
        parts = [f"no observations{of_whom} in the stereo log for the night of {night} that the policy takes"]
        parts += [f"{row.source}: {why}" for row, why in left_out]
    elif there := [row.source for row in nights.rows(night)]:
        parts.append(f"the log has {', '.join(there)}")
    parts += [f"unreadable row: {one}" for one in log.problems if one.night == night]
    return "; ".join(parts)


def _plan_lines(night: Night, production: str, sources: Sequence[str], settings: Settings) -> tuple[str, ...]:
    from stereo_tasks.planning.element_state import ElementStates
    from stereo_tasks.processing.night_plans import plan_night

    found = plan_night(night, production=production, sources=sources or None, settings=settings)
    lines: list[str] = []
    for plan in found.plans:
        lines.append(f"{plan.name}, production {plan.production}, plan {plan.digest}")
        for stage, states in ElementStates(plan).summary().items():
            lines.append(f"  {stage}: {', '.join(f'{number} {state}' for state, number in states.items())}")
        lines += [f"  held, {blocker.subject}: {blocker.reason}" for blocker in plan.blockers]
    lines += [f"not taken: {text}" for text in (*found.not_taken, *found.problems)]
    return tuple(lines)
