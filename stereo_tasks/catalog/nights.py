"""One row a night and source, with everything that the catalog knows of it."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from stereo_tasks.catalog import night_queries
from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.records import StageSummary
from stereo_tasks.nights import Night
from stereo_tasks.products.publication import stable_path

WHOLE_NIGHT = ""


@dataclass(frozen=True, slots=True)
class Observed:
    """What the stereo log says."""

    in_log: bool
    """False when the row has left the log."""
    accepted: bool
    reason: str
    """Why it was rejected; empty when accepted."""
    lst_runs: tuple[int, ...]
    observation_min: float
    same_wobble_min: float
    notes: str = ""


@dataclass(frozen=True, slots=True)
class Waits:
    """What detection saw of the files."""

    ready: bool
    partial: bool
    present: tuple[str, ...]
    missing: tuple[str, ...]
    remarks: tuple[str, ...]
    files_changed_utc: dt.datetime | None
    waiting_since_utc: dt.datetime | None
    checked_utc: dt.datetime


@dataclass(frozen=True, slots=True)
class LatestDispatch:
    """The last time that the night was handed on to `process_night`."""

    reason: str
    dispatched_utc: dt.datetime


@dataclass(frozen=True, slots=True)
class LatestRequest:
    """The last time that a person asked for the night."""

    outcome: str
    reason: str
    backfill: str
    sources: tuple[str, ...]
    force: bool
    by: str
    requested_utc: dt.datetime


@dataclass(frozen=True, slots=True)
class Run:
    """The latest run of the night."""

    run_id: str
    state: str
    lines: tuple[str, ...]
    started_utc: dt.datetime
    ended_utc: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Locked:
    """Who works on the night."""

    owner: str
    since_utc: dt.datetime


@dataclass(frozen=True, slots=True)
class Held:
    """A person's hold of the night, or of the source."""

    source: str
    """Empty: of the whole night."""
    reason: str
    by: str
    held_utc: dt.datetime
    until_utc: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Planned:
    """The latest plan that was read in, and what became of its elements."""

    path: str
    holds: tuple[str, ...]
    """Why it cannot be run, if it cannot."""
    stages: tuple[StageSummary, ...]
    losses: int
    """Elements that are done with a loss."""
    ingested_utc: dt.datetime

    @property
    def failed(self) -> int:
        """Failed elements."""
        return sum(stage.failed for stage in self.stages)

    @property
    def held(self) -> int:
        """Held elements."""
        return sum(stage.held for stage in self.stages)

    @property
    def open(self) -> int:
        """Elements without a record."""
        return sum(stage.open for stage in self.stages)


@dataclass(frozen=True, slots=True)
class PublishedDl3:
    """What users read now."""

    path: str
    """The link, which later publications turn to themselves."""
    cuts: str
    verdict: str
    """Of QA when it was published; empty when there was none."""
    published_utc: dt.datetime


@dataclass(frozen=True, slots=True)
class Quality:
    """The verdict of the QA page."""

    verdict: str
    reason: str
    page: str
    metrics: dict[str, Any]


@dataclass(frozen=True, slots=True)
class NightRow:
    """A source of a night. What the catalog does not know is None, or empty."""

    night: Night
    source: str
    """Empty where something is known of the night, and no source of it (somebody asked for a night in vain)."""
    production: str
    observed: Observed | None = None
    readiness: Waits | None = None
    dispatch: LatestDispatch | None = None
    request: LatestRequest | None = None
    run: Run | None = None
    locked: Locked | None = None
    held: tuple[Held, ...] = ()
    """Those of the whole night, too."""
    planned: Planned | None = None
    published: PublishedDl3 | None = None
    """The latest, if there are several cuts."""
    quality: Quality | None = None


@dataclass(slots=True)
class _Facts:
    """What the queries found: of a night, and of a source of it."""

    night: defaultdict[dt.date, dict[str, Any]] = field(default_factory=lambda: defaultdict(dict))
    source: defaultdict[tuple[dt.date, str], dict[str, Any]] = field(default_factory=lambda: defaultdict(dict))
    held: defaultdict[tuple[dt.date, str], list[Held]] = field(default_factory=lambda: defaultdict(list))


def night_overview(
    catalog: Catalog,
    production: str,
    first: Night,
    last: Night,
    *,
    source: str | None = None,
    only: Collection[Night] | None = None,
    brief: bool = False,
    now: dt.datetime | None = None,
) -> tuple[NightRow, ...]:
    """Return all that is known of each source of a range of nights, by night and source.

    The number of queries is the same however many nights there are, and all see the same state of the catalog.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    production : str
        Name of the production.
    first, last : Night
        The range, both included.
    source : str, optional
        Only this one; rows of a night without any source are then left out.
    only : collection of Night, optional
        Only these nights, instead of all of the range.
    brief : bool, optional
        Count only elements of DL3 and those that are not done, for ranges of hundreds of nights.
    now : datetime.datetime, optional
        The time for holds that end by themselves; the database's by default.
    """
    facts = _Facts()
    nights = None if only is None else tuple(night.evening for night in only)
    asked = night_queries.Range(production, first.evening, last.evening, source, nights, brief)
    with catalog.transaction(snapshot=True) as session:
        _take_sources(facts, asked, session)
        _take_nights(facts, asked, session)
        for one in session.execute(night_queries.open_holds(asked, now)):
            facts.held[one.night, one.source].append(
                Held(one.source, one.reason, one.held_by, one.held_utc, one.until_utc)
            )
    return tuple(_rows(facts, production, source))


def _take_sources(facts: _Facts, asked: night_queries.Range, session: Any) -> None:
    for one in session.execute(night_queries.observations(asked)):
        facts.source[one.night, one.source]["observed"] = Observed(
            one.in_log, one.accepted, one.reason, tuple(one.content.get("lst_runs", ())),
            float(one.content.get("observation_min") or 0), float(one.content.get("same_wobble_min") or 0),
            str(one.content.get("notes") or ""),
        )  # fmt: skip
    for one in session.execute(night_queries.readiness(asked)):
        facts.source[one.night, one.source]["readiness"] = Waits(
            one.ready, one.partial, tuple(one.present), tuple(one.missing), tuple(one.remarks), one.files_changed_utc,
            one.waiting_since_utc, one.checked_utc,
        )  # fmt: skip
    counts: defaultdict[str, dict[tuple[str, str], int]] = defaultdict(dict)
    losses: defaultdict[str, int] = defaultdict(int)
    for one in session.execute(night_queries.element_states(asked)):
        counts[one.plan_path][one.stage, one.state] = one.elements
        losses[one.plan_path] += one.losses
    for one in session.execute(night_queries.latest_plans(asked)):
        facts.source[one.night, one.source]["planned"] = Planned(
            one.path,
            tuple(f"{hold['subject']}: {hold['reason']}" for hold in one.holds),
            tuple(StageSummary.of(stage, total, counts[one.path]) for stage, total in one.stages["order"]),
            losses[one.path],
            one.ingested_utc,
        )
    for one in session.execute(night_queries.published(asked)):
        facts.source[one.night, one.source]["published"] = PublishedDl3(
            stable_path(one.path), one.cuts, one.verdict, one.published_utc
        )
    for one in session.execute(night_queries.quality(asked)):
        facts.source[one.night, one.source]["quality"] = Quality(one.verdict, one.reason, one.page, one.metrics)


def _take_nights(facts: _Facts, asked: night_queries.Range, session: Any) -> None:
    for one in session.execute(night_queries.latest_dispatches(asked)):
        facts.night[one.night]["dispatch"] = LatestDispatch(one.reason, one.dispatched_utc)
    for one in session.execute(night_queries.latest_requests(asked)):
        facts.night[one.night]["request"] = LatestRequest(
            one.outcome, one.reason, one.backfill, tuple(one.sources), one.force, one.requested_by, one.requested_utc
        )
    for one in session.execute(night_queries.latest_processing_runs(asked)):
        facts.night[one.night]["run"] = Run(one.run_id, one.state, tuple(one.lines), one.started_utc, one.ended_utc)
    for one in session.execute(night_queries.locks(asked)):
        facts.night[one.night]["locked"] = Locked(one.owner, one.since_utc)


def _rows(facts: _Facts, production: str, source: str | None) -> Iterable[NightRow]:
    keys = set(facts.source) | {key for key in facts.held if key[1] != WHOLE_NIGHT}
    if source is None:
        with_source = {night for night, _ in keys}
        nights = set(facts.night) | {night for night, _ in facts.held}
        keys |= {(night, WHOLE_NIGHT) for night in nights - with_source}
    for night, name in sorted(keys):
        held = tuple(facts.held.get((night, WHOLE_NIGHT), ()))
        if name != WHOLE_NIGHT:
            held += tuple(facts.held.get((night, name), ()))
        known = {**facts.night.get(night, {}), **facts.source.get((night, name), {})}
        yield NightRow(Night(night), name, production, held=held, **known)
