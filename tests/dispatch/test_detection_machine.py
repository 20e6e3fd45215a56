"""Whatever comes in whatever order: each content of an observation is planned by one run, and none is forgotten.

Runs begin, find another one at work, plan, end and die while files come, people ask and the detector looks. A model
says at each look what must go out. Promises are checked besides it: one run at a time works on a night, nothing goes
out that a run has planned, and in the end everything that can be processed was planned with its latest content.
"""

from __future__ import annotations

import copy
import datetime as dt
import itertools
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from fake_site import FakeSite
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from sqlalchemy import text

from stereo_tasks.catalog import holds
from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.locks import NightLockedError, release_night
from stereo_tasks.catalog.models import Base
from stereo_tasks.dispatch import taking
from stereo_tasks.dispatch.partitions import ReadyNight
from stereo_tasks.dispatch.requests import request_night
from stereo_tasks.nights import Night
from stereo_tasks.settings.choices import Period, TimeOffset

# Later than today, since holds end by the clock of the database, and files come by that of the file system.
FIRST = dt.date(2040, 1, 10)
NIGHTS = tuple(str(FIRST + dt.timedelta(days=day)) for day in (0, 1, 40))
SOURCES = ("CrabNebula", "Mrk421")
HOUR = dt.timedelta(hours=1)
SETTLE, PARTIAL, LOOK_BACK_DAYS = HOUR / 2, 72 * HOUR, 30
PIECES = ("LST-1 a", "LST-1 b", "M1", "M2")

nights, sources, pieces = st.sampled_from(NIGHTS), st.sampled_from(SOURCES), st.sampled_from(PIECES)


@dataclass
class Row:
    """A row of the log, and the files of the observation."""

    number: int
    minutes: int = 40
    listed: bool = True
    accepted: bool = True
    files: dict[str, dt.datetime] = field(default_factory=dict)

    @property
    def content(self):
        return self.minutes, tuple(sorted(self.files.items()))

    @property
    def usable(self) -> bool:
        return {"M1", "M2"} <= self.files.keys() and len(self.files) > 2

    def settled(self, now: dt.datetime) -> bool:
        return all(now - written >= SETTLE for written in self.files.values())


@dataclass
class Run:
    """A run of process_night, from the event that causes it to its end."""

    production: str
    night: str
    sources: tuple
    force: bool
    id: str
    planned: bool = False


@dataclass(frozen=True)
class Ask:
    """What a person waits for."""

    sources: frozenset
    force: bool


def night_end(night: str) -> dt.datetime:
    return Night(night).noon + 20 * HOUR


class Detection(RuleBasedStateMachine):
    """Files, log, people, clock and productions change; the detector looks, and dies at times before it handed on."""

    catalog: Catalog
    root: Path
    empty_site: FakeSite

    def __init__(self) -> None:
        super().__init__()
        with self.catalog.engine.begin() as connection:
            connection.execute(text("TRUNCATE " + ", ".join(Base.metadata.tables)))
        shutil.rmtree(self.root, ignore_errors=True)
        self.site = site = copy.copy(self.empty_site)
        site.rows = {}
        tables = site.settings.monte_carlo
        long = {"first": dt.date(2030, 1, 1), "last": dt.date(2050, 1, 1)}
        period = tables.model_copy(update={"periods": (Period(name="P", **long),)})
        offsets = (TimeOffset(**long, offset_us=-3.1),)
        site.settings = site.settings.model_copy(update={"monte_carlo": period, "time_offsets": offsets})
        self.default = site.settings.productions.default
        self.productions = [self.default]
        self.other = site.second_production()
        site.models(NIGHTS[0], *SOURCES)

        self.now = night_end(NIGHTS[0])
        self.rows = {key: Row(number) for number, key in enumerate(itertools.product(NIGHTS, SOURCES), 1)}
        self.rows[NIGHTS[1], SOURCES[1]].listed = False
        self.finished: set[str] = set()
        self.held: dict[tuple[str, str], dt.datetime | None] = {}
        self.without_models: set[str] = set()
        self.requests: dict[tuple[str, str], Ask] = {}
        self.sent: dict[tuple[str, str, str], list] = {}
        """Contents that went out, of (production, night, source)."""
        self.planned: dict[tuple[str, str, str], list] = {}
        """Contents that a run has planned."""
        self.queue: list[Run] = []
        self.at_work: list[Run] = []
        self.over: set[str] = set()
        self.left_behind: list[Run] = []
        """Runs that found another one at work, and whose requests nobody has taken yet."""
        self.ids = itertools.count(1)
        self.seen: dict[tuple[str, str], dict[str, tuple]] = {}
        """What the last look at a night of a production saw of each source: row, content, ready, partial."""
        self.write_log()

    def teardown(self) -> None:
        self.nothing_is_forgotten()

    # --- the world

    def write_log(self) -> None:
        self.site.rows.clear()
        for (night, source), row in self.rows.items():
            if row.listed:
                trigger = "L3T" if row.accepted else "SumT"
                lst = [row.number * 10, row.number * 10 + 1]
                self.site.log(night, source, lst, 5_000_000 + row.number, minutes=row.minutes, trigger=trigger)
        self.site.write_log()

    @rule(night=nights, source=sources, some=st.lists(pieces, min_size=1, max_size=4, unique=True))
    def files_come(self, night, source, some):
        row = self.rows[night, source]
        for piece in some:
            if piece.startswith("LST-1"):
                self.site.lst(night, row.number * 10 + (piece == "LST-1 b"), self.now)
            else:
                self.site.magic(night, 5_000_000 + row.number, self.now, source, telescopes=(int(piece[1]),))
            row.files[piece] = self.now

    @rule(night=nights, source=sources)
    def all_files_come_but_one_is_empty(self, night, source):
        self.files_come(night, source, PIECES[:1] + PIECES[2:])
        row = self.rows[night, source]
        self.site.lst(night, row.number * 10 + 1, self.now, content="")
        row.files.pop("LST-1 b", None)

    @rule(night=nights, source=sources)
    def all_comes(self, night, source):
        self.files_come(night, source, PIECES)
        self.lst_closes_the_night(night)

    @rule(night=nights)
    def lst_closes_the_night(self, night):
        self.site.finish(night, self.now)
        self.finished.add(night)

    @rule(night=nights, source=sources, minutes=st.integers(38, 40), accepted=st.booleans())
    def a_row_is_corrected(self, night, source, minutes, accepted):
        row = self.rows[night, source]
        row.minutes, row.accepted = minutes, accepted
        self.write_log()

    @rule(night=nights, source=sources)
    def a_row_goes_or_returns(self, night, source):
        row = self.rows[night, source]
        row.listed = not row.listed
        self.write_log()

    @rule(night=nights, source=st.sampled_from(("", *SOURCES)), hours=st.sampled_from((None, 1, 100)))
    def a_person_holds(self, night, source, hours):
        until = None if hours is None else self.now + hours * HOUR
        self.forget_ended_holds()
        if holds.hold(
            self.catalog,
            Night(night),
            self.default,
            "look first",
            by="me",
            source=source,
            until=until,
        ):
            assert (night, source) not in self.held or self.ended(night, source)
            self.held[night, source] = until

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def a_person_releases(self, data):
        night, source = data.draw(st.sampled_from(sorted(self.held)))
        holds.release(self.catalog, Night(night), self.default, by="me", source=source)
        del self.held[night, source]

    @rule(night=nights, only=st.sets(sources, max_size=1), force=st.booleans(), told=st.booleans())
    def a_person_asks(self, night, only, force, told):
        answer = request_night(
            self.catalog, night, sources=sorted(only), force=force, now=self.now, settings=self.site.settings
        )
        accepted = [source for source in SOURCES if self.accepted(night, source) and (not only or source in only)]
        states = {source: self.state(self.default, night, source) for source in accepted}
        going = [s for s in accepted if self.rows[night, s].usable and not self.blocked(self.default, night, s)]
        over = self.now >= night_end(night)
        before = self.requests.get((self.default, night))
        if Night(night).noon > self.now:
            assert answer.outcome == "refused"
        elif not accepted:
            assert answer.outcome == "nothing"
        elif not over or not going:
            assert answer.outcome == "waiting"
            both = frozenset(only | before.sources) if before and only and before.sources else frozenset()
            ask = Ask(both, force or before.force) if before else Ask(frozenset(only), force)
            self.requests[self.default, night] = ask
        else:
            assert answer.outcome == "requested"
            assert (answer.handed_on.sources or tuple(accepted)) == tuple(going)
            self.requests.pop((self.default, night), None)
            left = before.sources - set(going) if before else frozenset()
            if before and answer.handed_on.sources and (left or not before.sources):
                self.requests[self.default, night] = Ask(frozenset(left), before.force)
        if over and accepted and Night(night).noon <= self.now:
            self.seen.setdefault((self.default, night), {}).update(states)
        if answer.handed_on and told:  # else the task died before it could say so
            self.site.emit(answer.handed_on)
            self.note_sent(self.default, night, going)
            self.enqueue(answer.handed_on)

    @rule(source=st.just("Mrk421"))
    def models_go_or_come(self, source):
        self.without_models ^= {source}
        if source in self.without_models:
            for path in self.site.model_files(NIGHTS[0], source)[:3]:
                path.unlink()
        else:
            self.site.models(NIGHTS[0], source)

    @rule()
    def a_production_is_added_or_left(self):
        self.productions = [self.default] if len(self.productions) == 2 else [self.default, self.other]
        self.site.policy(detect_productions=tuple(self.productions))

    # --- runs of nights

    def enqueue(self, ready) -> None:
        self.queue.append(Run(ready.production, str(ready.night), ready.sources, ready.force, f"run {next(self.ids)}"))

    @property
    def idle(self) -> bool:
        return not self.queue and not self.at_work

    @precondition(lambda self: self.queue)
    @rule(data=st.data())
    def a_run_begins(self, data):
        self.begin(data.draw(st.sampled_from(self.queue)))

    def begin(self, run: Run) -> None:
        self.queue.remove(run)
        other = [r for r in self.at_work if (r.production, r.night) == (run.production, run.night)]
        choice = {"sources": list(run.sources), "force": run.force}
        try:
            taking.begin(
                self.catalog, Night(run.night), run.production, run.id, choice, owner=run.id,
                is_dead=self.over.__contains__,
            )  # fmt: skip
        except NightLockedError:
            assert other, "nobody else was at work"
            self.left_behind.append(run)
            self.over.add(run.id)
        else:
            assert not other, "two runs work on one night"
            self.at_work.append(run)

    @precondition(lambda self: [run for run in self.at_work if not run.planned])
    @rule(data=st.data())
    def a_run_plans(self, data):
        self.plan(data.draw(st.sampled_from([run for run in self.at_work if not run.planned])))

    def plan(self, run: Run) -> None:
        self.forget_ended_holds()
        choice = {"sources": list(run.sources), "force": run.force}
        _, wanted = taking.plan_and_take(
            self.catalog, Night(run.night), run.production, run.id, choice, settings=self.site.settings
        )
        mine = [r for r in self.left_behind if (r.production, r.night) == (run.production, run.night)]
        asked = [set(r.sources) for r in (*mine, run)]
        assert set(wanted["sources"]) == (set().union(*asked) if all(asked) else set())
        assert wanted["force"] == any(r.force for r in (*mine, run))
        self.left_behind = [r for r in self.left_behind if r not in mine]
        run.planned = True
        for source in SOURCES:
            row, named = self.rows[run.night, source], not wanted["sources"] or source in wanted["sources"]
            has_magic = {"M1", "M2"} <= row.files.keys()
            is_planned = named and has_magic and self.accepted(run.night, source)
            if is_planned and not self.blocked(run.production, run.night, source):
                self.planned.setdefault((run.production, run.night, source), []).append(row.content)

    @precondition(lambda self: self.at_work)
    @rule(data=st.data())
    def a_run_ends(self, data):
        self.end(data.draw(st.sampled_from(self.at_work)))

    def end(self, run: Run) -> None:
        """Let a run end; if it has planned, it hands on what others were asked for meanwhile."""
        night = Night(run.night)
        release_night(self.catalog, night, run.production, run.id)
        self.at_work.remove(run)
        self.over.add(run.id)
        choice = taking.left_behind_choice(self.catalog, night, run.production)
        mine = [r for r in self.left_behind if (r.production, r.night) == (run.production, run.night)]
        assert (choice is None) == (not mine)
        if choice and run.planned:
            follower = ReadyNight(night, run.production, tuple(choice["sources"]), choice["force"], (), False, "")
            self.enqueue(follower)

    @precondition(lambda self: not self.idle)
    @rule(data=st.data())
    def a_run_dies(self, data):
        """The machine of a run is lost, or its event: nothing is released, nothing is said."""
        run = data.draw(st.sampled_from(self.queue + self.at_work))
        (self.queue if run in self.queue else self.at_work).remove(run)
        self.over.add(run.id)

    @rule(hours=st.sampled_from((0.4, 5, 24, 80, 24 * 20)))
    def time_passes(self, hours):
        self.now += hours * HOUR

    @rule(told=st.booleans())
    def the_detector_looks_and_a_month_passes(self, told):
        self.look(told)
        self.now += 31 * 24 * HOUR

    # --- the model

    def ended(self, night, source) -> bool:
        until = self.held[night, source]
        return until is not None and until <= self.now

    def forget_ended_holds(self) -> None:
        # The clock of the database stands still compared with ours: it would find them open.
        for night, source in [key for key in self.held if self.ended(*key)]:
            holds.release(self.catalog, Night(night), self.default, by="me", source=source)
            del self.held[night, source]

    def accepted(self, night, source) -> bool:
        row = self.rows[night, source]
        return row.listed and row.accepted

    def blocked(self, production, night, source) -> bool:
        is_held = any((night, name) in self.held and not self.ended(night, name) for name in ("", source))
        return source in self.without_models or (is_held and production == self.default)

    def state(self, production, night, source) -> tuple:
        row = self.rows[night, source]
        complete = len(row.files) == len(PIECES) and night in self.finished and row.settled(self.now)
        old = self.now >= night_end(night) + PARTIAL
        free = not self.blocked(production, night, source)
        partial = free and not complete and old and row.usable and row.settled(self.now)
        return (row.minutes, row.accepted), row.content, free and (complete or partial), partial

    def unsettled(self, production, night) -> bool:
        """Whether detection still watches a night however old it is."""
        seen = self.seen.get((production, night))
        if not seen:
            return False
        open_ = any(
            not ready or partial or content not in self.planned.get((production, night, source), [])
            for source, (_, content, ready, partial) in seen.items()
        )
        accepted = [source for source in SOURCES if self.accepted(night, source)]
        return open_ or any(
            source not in seen or seen[source][0] != self.state(production, night, source)[0] for source in accepted
        )

    def going(self, production, night, states, *, again=False) -> list[str]:
        free = [source for source in states if not self.blocked(production, night, source)]
        ready = [source for source in free if states[source][2]]
        new = [s for s in ready if states[s][1] not in self.done_with(production, night, s)]
        old = self.now >= night_end(night) + PARTIAL
        settled = all(self.rows[night, source].settled(self.now) for source in free)
        worth = ready if again else new
        return ready if worth and (len(ready) == len(free) or (old and settled)) else []

    def expected(self, production) -> dict[str, tuple[list[str], bool, bool]]:
        """Return sources, force, and whether a person's request is answered, of each night that must go out."""
        found = {}
        for night in NIGHTS:
            accepted = [source for source in SOURCES if self.accepted(night, source)]
            ask = self.requests.get((production, night))
            recent = Night(night).evening >= self.now.date() - dt.timedelta(days=LOOK_BACK_DAYS)
            due = recent or self.unsettled(production, night)
            if not accepted or self.now < night_end(night) or not (due or ask):
                continue
            states = {source: self.state(production, night, source) for source in accepted}
            general = self.going(production, night, states) if due else []
            asked = []
            if ask:
                wanted = {s: state for s, state in states.items() if not ask.sources or s in ask.sources}
                asked = self.going(production, night, wanted, again=True)
            self.seen.setdefault((production, night), {}).update(states)
            if general or asked:
                found[night] = sorted({*general, *asked}), bool(asked and ask.force), bool(asked)
        return found

    def done_with(self, production, night, source) -> list:
        """Return the contents that no run must be sent for: planned, or on their way as long as a run is left."""
        key = production, night, source
        return self.planned.get(key, []) + ([] if self.idle else self.sent.get(key, []))

    def note_sent(self, production, night, sources) -> None:
        for source in sources:
            self.sent.setdefault((production, night, source), []).append(self.rows[night, source].content)

    @rule()
    def the_detector_looks(self):
        self.look(told=True)

    @rule()
    def the_detector_dies_before_it_hands_on(self):
        self.look(told=False)

    def look(self, told: bool) -> int:
        found = self.site.detect(self.now, idle=self.idle)
        followers = [ready for ready in found if not ready.contents]
        found = [ready for ready in found if ready.contents]
        lost = {(run.production, run.night) for run in self.left_behind if run.production in self.productions}
        assert {(ready.production, str(ready.night)) for ready in followers} == (lost if self.idle else set())
        if not told:  # it died before it could hand on or say so
            for production in self.productions:
                self.expected(production)
            return len(found)
        for production in self.productions:
            expected = self.expected(production)
            mine = [one for one in found if one.production == production]
            assert [one.night for one in mine] == sorted(Night(night) for night in expected)
            for one in mine:
                night = str(one.night)
                sources, force, answers = expected[night]
                accepted = [source for source in SOURCES if self.accepted(night, source)]
                assert (sorted(one.sources or accepted), one.force, one.answers) == (sources, force, answers)
                known = [self.planned.get((production, night, source), []) for source in sources]
                new = any(self.rows[night, s].content not in old for s, old in zip(sources, known, strict=True))
                assert new or answers, f"{night} of {production} went out although it was planned"
                self.note_sent(production, night, sources)
                if answers:
                    del self.requests[production, night]
        assert {one.production for one in found} <= set(self.productions)
        self.site.emit(found)
        for ready in (*found, *followers):
            self.enqueue(ready)
        return len(found) + len(followers)

    def all_runs_end(self) -> None:
        while not self.idle:
            for run in list(self.queue):
                self.begin(run)
            for run in list(self.at_work):
                if not run.planned:
                    self.plan(run)
                self.end(run)

    def nothing_is_forgotten(self) -> None:
        """After all that keeps something back is gone and time has passed, everything was planned as it is now."""
        for night, source in self.held:
            holds.release(self.catalog, Night(night), self.default, by="me", source=source)
        self.held.clear()
        for source in list(self.without_models):
            self.models_go_or_come(source)
        watched = {
            (production, night)
            for production in self.productions
            for night in NIGHTS
            if Night(night).evening >= self.now.date() - dt.timedelta(days=LOOK_BACK_DAYS)
            or self.unsettled(production, night)
            or (production, night) in self.requests
        }
        self.look(True)
        self.all_runs_end()
        for hours in (1, *4 * [24 * 20]):  # never longer without a look than it looks back
            self.now += hours * HOUR
            self.look(True)
            self.all_runs_end()
        assert self.look(True) == 0
        assert not [run for run in self.left_behind if run.production in self.productions]
        for production, night in watched:
            for source in SOURCES:
                row = self.rows[night, source]
                if self.accepted(night, source) and row.usable:
                    assert row.content in self.planned.get((production, night, source), []), (production, night, source)
        for (_, night), ask in self.requests.items():
            waits = [source for source in SOURCES if self.accepted(night, source) and self.rows[night, source].usable]
            assert not [source for source in waits if not ask.sources or source in ask.sources]


def test_every_ready_night_is_planned_with_its_latest_content_and_none_is_forgotten(catalog, tmp_path, monkeypatch):
    monkeypatch.setattr("stereo_tasks.processing.night_plans.science_versions", lambda _: {"magic-cta-pipe": "0.6.2"})
    Detection.catalog, Detection.root, Detection.empty_site = catalog, tmp_path, FakeSite(tmp_path, catalog)
    run_state_machine_as_test(
        Detection,
        settings=settings(
            max_examples=int(os.environ.get("STEREO_DETECTION_EXAMPLES", "12")),
            stateful_step_count=25,
            deadline=None,
            database=None,
            phases=(Phase.generate,),  # making a failure smaller takes minutes
            suppress_health_check=list(HealthCheck),
        ),
    )
