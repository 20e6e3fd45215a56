"""Metrics of a run: from the records of its elements and from its DL3 to a few descriptive numbers."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from statistics import median

from stereo_tasks.planning.plan import Element, Plan, Run
from stereo_tasks.products.record import NO_INPUT, Record
from stereo_tasks.qa.dl3 import ObservedRun
from stereo_tasks.qa.elements import Place, Records, place_of, state_of, total
from stereo_tasks.qa.images import RunImages, distances
from stereo_tasks.qa.rates import offset_changes, ratio, run_rates
from stereo_tasks.qa.run import Flow, RunMetrics, Subrun, Subruns
from stereo_tasks.settings.qa import QaSettings
from stereo_tasks.stages import Stage, State, Unit, night_stages
from stereo_tasks.stages.night import CALIBRATE, COINCIDE, DL2, DL3, MERGE, MERGE_STEREO, STEREO, SYNCHRONISE

LOST_TIME_SHOWN_S = 0.5
"""Less is the time between two showers, where a subrun or an interval begins."""


def run_metrics(
    plan: Plan,
    records: Records,
    observed: Mapping[int, ObservedRun],
    images: Mapping[int, RunImages] | None = None,
    others: Mapping[int, Mapping[str, float | None]] | None = None,
) -> tuple[RunMetrics, ...]:
    """Return the metrics of every run of the plan.

    Parameters
    ----------
    plan : Plan
    records : mapping of str to Record or None
        By element id.
    observed : mapping of int to ObservedRun
        What the DL3 files say, by LST-1 run.
    images : mapping of int to RunImages, optional
        What DL2 says, by LST-1 run.
    others : mapping of int to mapping, optional
        Metrics that were found elsewhere, by LST-1 run: muons, the place of the excess.
    """
    placed: dict[tuple[Stage, str | None, int], list[tuple[Place, Element]]] = defaultdict(list)
    for element in plan.elements:
        place = place_of(element)
        if place is not None:
            placed[element.stage, place.telescope, place.run].append((place, element))
    expected_us = plan.settings.get("time_offset_us")
    held = "; ".join(f"{blocker.subject}: {blocker.reason}" for blocker in plan.blockers)
    settings = QaSettings.model_validate(plan.settings["qa"])
    readers = [_RunReader(run, placed, records, held) for run in plan.runs]
    found = []
    for reader in readers:
        run = reader.run.lst_run
        metrics = reader.read(observed.get(run), expected_us)
        own = dict((others or {}).get(run, {}))
        found.append(_with_others(reader, metrics, (images or {}).get(run), plan, settings, own))
    return tuple(found)


def _with_others(
    reader: _RunReader,
    metrics: RunMetrics,
    images: RunImages | None,
    plan: Plan,
    settings: QaSettings,
    others: dict[str, float | None],
) -> RunMetrics:
    run = metrics.run.lst_run
    rates = run_rates(
        reader.records(COINCIDE),
        {telescope: reader.records(MERGE, telescope) for telescope in ("M1", "M2")},
        reader.records(STEREO),
        metrics.zenith_deg,
    )
    if images is not None and metrics.on_time_s:
        rates["stereo_rate_hz"] = images.lst_events / metrics.on_time_s
    offsets = [(one.subrun, one.time_offset_us, one.coincidences or 1.0) for one in metrics.subruns]
    others |= {"nsb": plan.settings.get("nsb", {}).get(str(run)), **rates, **offset_changes(offsets)}
    reference = settings.reference(dt.date.fromisoformat(plan.night or ""), metrics.zenith_deg)
    found = distances(images, reference, settings.images_min) if images and reference else {}
    return replace(metrics, others={**others, **(images.values() if images else {})}, distances=found)


class _RunReader:
    """Collects the records of one run."""

    def __init__(
        self,
        run: Run,
        placed: Mapping[tuple[Stage, str | None, int], list[tuple[Place, Element]]],
        records: Records,
        held: str,
    ) -> None:
        self.run = run
        self.held = held
        self.placed = placed
        self.all_records = records
        self.run = self._in_time()

    def _in_time(self) -> Run:
        """Return the run with the MAGIC runs that were observed at its time; all of the plan's if nothing tells."""
        used = {name for record in self.records(COINCIDE) for name in record.used}
        used_runs = tuple(run for run in self.run.magic_runs if any(f"Run{run:08d}." in name for name in used))
        if not used_runs or used_runs == self.run.magic_runs:
            return self.run
        # The plan's number is that of all MAGIC runs of the night; those that were used have records that tell theirs.
        return replace(self.run, magic_runs=used_runs, magic_subruns_expected=0)

    def elements(self, stage: Stage, telescope: str | None = None) -> list[tuple[Place, Element]]:
        runs = self.run.magic_runs if telescope else (self.run.lst_run,)
        return [pair for run in runs for pair in self.placed.get((stage, telescope, run), [])]

    def records(self, stage: Stage, telescope: str | None = None) -> list[Record]:
        pairs = self.elements(stage, telescope)
        return [record for _, element in pairs if (record := self.all_records.get(element.id)) is not None]

    def read(self, observed: ObservedRun | None, expected_us: float | None) -> RunMetrics:
        coincide, dl3 = self.records(COINCIDE), self.records(DL3)
        subruns = self.subruns()
        offsets = [subrun.time_offset_us for subrun in subruns if subrun.time_offset_us is not None]
        separations_deg = [
            record.counts["pointing_separation_deg"]
            for record in coincide
            if "pointing_separation_deg" in record.counts
        ]
        return RunMetrics(
            run=self.run,
            state=State.HELD.value if self.is_held else state_of(dl3[0] if dl3 else None),
            reason=self.reason(),
            flows=self.flows(),
            subruns=subruns,
            completeness=self.completeness(),
            lost=tuple(text for column in _COLUMNS for record in self.records(*column) for text in record.lost),
            zenith_deg=_first(
                _mean(dl3, "zenith_deg"),
                observed.zenith_deg if observed else None,
                _mean(self.records(DL2), "zenith_mean_deg"),
                _mean(coincide, "zenith_deg"),
            ),
            time_offset_us=_weighted_offset(subruns),
            time_offset_jump_us=(
                max(abs(offset - expected_us) for offset in offsets) if offsets and expected_us is not None else None
            ),
            pointing_separation_arcmin=60 * max(separations_deg) if separations_deg else None,
            wobble_offset_deg=observed.wobble_offset_deg if observed else None,
            dead_time_factor=_first(_mean(dl3, "deadc"), observed.dead_time_factor if observed else None),
            on_time_s=_first(total(dl3, "on_time_s"), observed.on_time_s if observed else None),
            live_time_s=_first(total(dl3, "live_time_s"), observed.live_time_s if observed else None),
            lost_time_s=(lost_time_s := self.lost_time_s(_first(total(dl3, "on_time_s"), 0.0))),
            lost_cause=self.lost_cause(lost_time_s or 0.0),
        )

    def lost_time_s(self, on_time_s: float | None) -> float | None:
        """Return how long LST-1 observed in the run, by the subruns that it should have, less the good time."""
        lengths_s = [
            record.counts["lst_stop_unix_s"] - record.counts["lst_start_unix_s"]
            for record in self.records(COINCIDE)
            if {"lst_start_unix_s", "lst_stop_unix_s"} <= record.counts.keys()
        ]
        if not lengths_s or on_time_s is None:
            return None
        # Of a subrun that cannot be read, nobody knows the length: all but the last of a run have the same.
        missing = max(self.run.lst_subruns_expected - len(lengths_s), 0)
        return max(sum(lengths_s) + missing * median(lengths_s) - on_time_s, 0.0)

    def lost_cause(self, lost_time_s: float) -> str:
        if lost_time_s < LOST_TIME_SHOWN_S:
            return ""
        parts = [
            f"{part.instrument}: {part.expected - part.used} of {part.expected} subruns"
            for part in self.completeness()
            if part.used < part.expected
        ]
        return "; ".join(parts) or "not all three telescopes recorded showers"

    @property
    def is_held(self) -> bool:
        """Whether the plan stops short of the run's DL3 because of a hold."""
        return bool(self.held) and not self.elements(DL3)

    def reason(self) -> str:
        """Return why the run has no DL3: its own record's reason, else that of the nearest stage before it."""
        if self.is_held:
            return self.held
        if not self.run.lst_subruns_expected:
            return "no LST-1 file of it"
        for stage in _BACKWARDS:
            records = self.records(stage)
            if stage == DL3 and any(record.state == State.DONE for record in records):
                return ""
            for record in records:
                # An element without input only hands on what happened before it.
                if record.state != State.DONE and record.reason and not record.reason.startswith(NO_INPUT):
                    return record.reason
        return "its DL3 was not made; no record says why"

    def flows(self) -> tuple[Flow, ...]:
        flows = []
        for stage, telescope in _COLUMNS:
            if stage == SYNCHRONISE and not self.elements(stage, telescope):
                continue  # nights in which MAGIC's clock was right have no such stage
            records = self.records(stage, telescope)
            name = f"{stage.name} {telescope}" if telescope else stage.name
            flows.append(Flow(name, total(records, "events_in"), total(records, "events_out")))
        return tuple(flows)

    def subruns(self) -> tuple[Subrun, ...]:
        subruns = []
        for place, element in self.elements(COINCIDE):
            record = self.all_records.get(element.id)
            if record is not None and place.subrun is not None:
                counts = record.counts
                subruns.append(
                    Subrun(
                        self.run.lst_run,
                        place.subrun,
                        counts.get("zenith_deg"),
                        counts.get("time_offset_us"),
                        counts.get("n_coincidence"),
                        ratio(counts.get("lst_showers"), counts.get("lst_live_s")),
                    )
                )
        return tuple(sorted(subruns, key=lambda entry: entry.subrun))

    def completeness(self) -> tuple[Subruns, ...]:
        lst_expected = self.run.lst_subruns_expected
        return (
            self._subruns("LST-1", MERGE_STEREO, STEREO, None, lst_expected),
            self._subruns("M1", MERGE, CALIBRATE, "M1", self.run.magic_subruns_expected),
            self._subruns("M2", MERGE, CALIBRATE, "M2", self.run.magic_subruns_expected),
        )

    def _subruns(self, name: str, merged: Stage, single: Stage, telescope: str | None, expected: int) -> Subruns:
        records = self.records(merged, telescope)
        used = total(records, "subruns_used")
        if used is None:  # the merge did not come so far: count what it would have taken
            used = sum(record.state == State.DONE for record in self.records(single, telescope))
        # A merge without a record is missing from the sum: the plan's own number stands against that.
        return Subruns(name, int(used), max(int(total(records, "subruns_expected") or 0), expected))


_OF_RUNS = tuple(stage for stage in night_stages() if stage.unit is not Unit.NIGHT)
_BACKWARDS = tuple(stage for stage in reversed(_OF_RUNS) if stage.unit in (Unit.LST_RUN, Unit.LST_SUBRUN))
_COLUMNS = tuple((stage, telescope) for stage in _OF_RUNS for telescope in stage.unit.telescopes)


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def _mean(records: Iterable[Record], key: str) -> float | None:
    values = [record.counts[key] for record in records if key in record.counts]
    return sum(values) / len(values) if values else None


def _weighted_offset(subruns: Iterable[Subrun]) -> float | None:
    known = [
        (subrun.time_offset_us, subrun.coincidences or 1.0) for subrun in subruns if subrun.time_offset_us is not None
    ]
    weight = sum(number for _, number in known)
    return sum(offset * number for offset, number in known) / weight if known else None
