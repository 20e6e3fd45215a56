"""Finding the nights that can be processed: log, policy, files, and what was handed on before."""

from __future__ import annotations

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from stereo_tasks.catalog import dispatches, holds, requests
from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.log_versions import note_log_version
from stereo_tasks.catalog.models import Dispatch, ProcessingRun, Request
from stereo_tasks.catalog.observations import update_observations
from stereo_tasks.catalog.processing_runs import locked_out
from stereo_tasks.catalog.readiness import write_readiness
from stereo_tasks.catalog.telescope_runs import write_telescope_runs
from stereo_tasks.dispatch.candidates import Candidate, FileFinder, LogNights, NightInspector
from stereo_tasks.dispatch.partitions import ReadyNight, combined, night_key
from stereo_tasks.inventory import InventoryError, NightFiles, Readiness, night_is_old, night_over
from stereo_tasks.nights import Night
from stereo_tasks.settings import Settings, load_settings
from stereo_tasks.stereo_log import Selection, StereoLog, read_site_log, select

_log = logging.getLogger(__name__)
_NIGHTS_AT_ONCE = 100  # written to the catalog together; also what is kept in memory of the files
_NAMED = 5
_ON_ITS_WAY = dt.timedelta(hours=1)  # from the event to the run; far longer than Airflow takes when it is idle
MAX_GROUPS = 100
"""Groups of nights that are handed on at a time; the others are found again the next time."""


def detect_ready_nights(
    catalog: Catalog,
    now: dt.datetime | None = None,
    *,
    production: str | None = None,
    settings: Settings | None = None,
    idle: bool = False,
) -> list[ReadyNight]:
    """Return the nights that are ready and new, the oldest first.

    Looked at are the nights of the last ``look_back_days``, and older ones that are not settled: a person asked for
    them and they wait, or they were seen before and waited, went out in part, or were never planned. Each observation
    goes out once per content: a night is new as long as nobody called `note_dispatched` for all that is ready of it, so
    that a crash between the two loses nothing. A young night goes out when all its sources are ready that nothing but
    their files keeps back; an old one (``partial_night_age_h``) with what there is.

    What went out and reached no run that planned it goes out again, an hour later, when no run is left that could. So
    does what runs were asked for that were locked out and that nobody has taken over.

    The catalog's observations, telescope runs and readiness are brought up to date on the way.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    now : datetime.datetime, optional
        The time, with its zone.
    production : str, optional
        Name of the production; by default those of ``detect_productions`` in the policy, or the default one.
    settings : Settings, optional
        The site's by default.
    idle : bool, optional
        Whether no run of a night is queued or at work.

    Raises
    ------
    StereoLogError
        If the log as a whole cannot be read.
    CatalogError
        If the catalog cannot be used.
    SettingsError
        If there is no such production.
    """
    now = now or dt.datetime.now(dt.UTC)
    settings = settings or load_settings()
    names = dict.fromkeys([production] if production else settings.policy.detect_productions or [None])
    productions = [settings.production(name).name for name in names]

    nights = LogNights(follow_log(catalog, read_site_log(settings), settings))
    finder = FileFinder(settings)
    rounds = [_Round(name, nights, settings, now, finder, catalog, idle) for name in productions]
    found: list[ReadyNight] = [night for name in productions if idle for night in _left_behind(catalog, name)]
    runs: list[NightFiles] = []
    for night in sorted({night for one in rounds for night in one.nights}):
        for one in rounds:
            found += one.look(night)
        runs += finder.listed(night)
        if len(runs) >= _NIGHTS_AT_ONCE:
            _write(catalog, rounds, runs)
    _write(catalog, rounds, runs)
    return found


def _left_behind(catalog: Catalog, production: str) -> Iterator[ReadyNight]:
    """Yield the nights of runs that were locked out, where the run that worked then has not handed them on."""
    waiting: defaultdict[Night, list[ProcessingRun]] = defaultdict(list)
    for run in locked_out(catalog, production):
        waiting[Night(run.night)].append(run)
    for night, runs in waiting.items():
        choice = combined(run.choice for run in runs)
        reason = f"asked for while another run was at work: {', '.join(run.run_id for run in runs)}"
        yield ReadyNight(night, production, tuple(choice["sources"]), choice["force"], (), False, reason)


def follow_log(catalog: Catalog, log: StereoLog, settings: Settings) -> Selection:
    """Bring the catalog to what the log says, and return what is processed of it.

    A log that lost many rows at once (``log_lost_rows_max``, ``log_lost_fraction_max``) is taken for damaged: the
    catalog keeps the rows, and the loss is reported.
    """
    for text in (*log.warnings, *log.problems):
        _log.warning("stereo log, %s", text)
    selection = select(log.observations, settings.policy)
    changes = update_observations(catalog, selection, too_many=settings.policy.lost_too_many)
    problems = [str(one) for one in (*log.warnings, *log.problems)]
    if lost := [f"{one.night} {one.source}" for one in changes if one.kind == "lost"]:
        named = ", ".join(lost[:_NAMED]) + (f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else "")
        problems.insert(
            0,
            f"{len(lost)} known rows are gone at once: {named}. They are kept as "
            "they were, until the log has them again. If they left it for good, raise log_lost_rows_max and "
            "log_lost_fraction_max in config/policy.yaml for one reading",
        )
        _log.error("stereo log, %s", problems[0])
    note_log_version(
        catalog, log.origin, log.checksum, rows=len(log.observations), problems=problems, changes=changes,
        etag=log.etag, last_modified=log.last_modified,
    )  # fmt: skip
    return selection


def note_dispatched(
    catalog: Catalog, nights: ReadyNight | Iterable[ReadyNight], *, settings: Settings | None = None
) -> None:
    """Remember that nights were handed on, so that they are not found again with the same content.

    Parameters
    ----------
    nights : ReadyNight or iterable of ReadyNight
        As `detect_ready_nights` or `request_night` gave them.
    settings, engine
        The same as there.
    """
    settings = settings or load_settings()
    by_production: defaultdict[str, list[ReadyNight]] = defaultdict(list)
    for one in (nights,) if isinstance(nights, ReadyNight) else nights:
        by_production[one.production].append(one)
    for name, found in by_production.items():
        reasons = {(one.night, content): one.reason for one in found for content in one.contents}
        dispatches.note_dispatches(catalog, reasons, name)
        waiting = {Night(request.night): request for request in requests.waiting_requests(catalog, name)}
        for one in found:
            if one.answers and (request := waiting.get(one.night)):
                requests.note_request(
                    catalog, one.night, name, requests.REQUESTED, f"by detection: {one.reason}",
                    backfill=request.backfill, sources=request.sources, force=request.force, by=request.requested_by,
                )  # fmt: skip


def grouped(found: Iterable[ReadyNight], settings: Settings | None = None) -> list[dict[str, Any]]:
    """Return nights as they are handed on: those together for which the same is asked.

    Returns
    -------
    list of dict
        At most `MAX_GROUPS`, each with ``keys`` (partitions), ``choice`` (for the run that processes the night) and
        ``nights`` (plain values for `ReadyNight.from_dict`).
    """
    settings = settings or load_settings()
    groups: dict[tuple[object, ...], dict[str, Any]] = {}
    for one in found:
        same = one.production, one.sources, one.force
        group = groups.setdefault(same, {"keys": [], "choice": one.choice, "nights": []})
        group["keys"].append(night_key(one, settings))
        group["nights"].append(one.as_dict())
    return list(groups.values())[:MAX_GROUPS]


@dataclass(slots=True)
class _Round:
    """One look at the nights of one production."""

    production: str
    log: LogNights
    settings: Settings
    now: dt.datetime
    finder: FileFinder
    catalog: Catalog
    idle: bool
    inspector: NightInspector = field(init=False)
    due: set[Night] = field(init=False)
    asked: dict[Night, Request] = field(init=False)
    done_with: set[tuple[Night, str]] = field(init=False)
    """What a run has planned, or is on its way to a run."""
    readiness: list[tuple[Night, str, Readiness]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        over = {night for night in self.log.accepted if night_over(night, self.now)}
        oldest = self.now.astimezone(dt.UTC).date() - dt.timedelta(days=self.settings.policy.look_back_days)
        unsettled = dispatches.unsettled_nights(self.catalog, self.production)
        self.due = {night for night in over if night.evening >= oldest or night in unsettled}
        waiting = requests.waiting_requests(self.catalog, self.production)
        self.asked = {night: request for request in waiting if (night := Night(request.night)) in over}
        known = dispatches.dispatches(self.catalog, self.nights, self.production)
        self.done_with = {key for key, row in known.items() if row.taken_utc is not None or not self._lost(row)}
        people = holds.open_holds(self.catalog, self.production, now=self.now)
        self.inspector = NightInspector(self.settings, self.production, people, self.finder)

    @property
    def nights(self) -> set[Night]:
        """The nights that can matter."""
        return self.due | self.asked.keys()

    def look(self, night: Night) -> list[ReadyNight]:
        """Look at a night; return it if it goes out."""
        if night not in self.nights:
            return []
        try:
            states = self.inspector.inspect(night, self.log.accepted[night], self.log.rows(night), self.now)
        except InventoryError as error:
            _log.error("%s is left for the next time: %s", night, error)
            return []
        self.readiness += [(night, state.source, state.readiness) for state in states]
        request = self.asked.get(night)
        going = self._going(night, states) if night in self.due else []
        asked: list[Candidate] = []
        if request is not None:
            wanted = [state for state in states if not request.sources or state.source in request.sources]
            asked = self._going(night, wanted, again=True)
        going += [state for state in asked if state not in going]
        if not going:
            return []
        sources = () if len(going) == len(states) else tuple(sorted(state.source for state in going))
        contents = tuple(state.readiness.content for state in going)
        force = bool(asked and request and request.force)
        reason = " | ".join(map(str, states))
        return [ReadyNight(night, self.production, sources, force, contents, bool(asked), reason)]

    def _lost(self, dispatch: Dispatch) -> bool:
        """Return whether what was handed on never reached a run that planned it, and none is left that could."""
        return self.idle and self.now - dispatch.dispatched_utc >= _ON_ITS_WAY

    def _going(self, night: Night, states: Sequence[Candidate], *, again: bool = False) -> list[Candidate]:
        """Return what goes out of a night: all that is ready, if it is worth a run and nothing else is expected."""
        free = [state for state in states if not state.readiness.blocked]
        ready = [state for state in free if state.readiness.ready]
        new = [state for state in ready if (night, state.readiness.content) not in self.done_with]
        if not (ready if again else new):
            return []
        old = night_is_old(night, self.settings.policy, self.now)
        complete = len(ready) == len(free) or (old and all(state.readiness.settled for state in free))
        return ready if complete else []


def _write(catalog: Catalog, rounds: Iterable[_Round], runs: list[NightFiles]) -> None:
    """Write what was found to the catalog, and forget it."""
    for one in rounds:
        write_readiness(
            catalog, one.readiness, one.production
        )  # fmt: skip
        one.readiness.clear()
    write_telescope_runs(catalog, runs)
    runs.clear()
