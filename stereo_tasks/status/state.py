"""The states of a source of a night, each in one word, and what to do about each."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from stereo_tasks.catalog.nights import NightRow
from stereo_tasks.nights import Night
from stereo_tasks.stages.night import DL3


class NightState(StrEnum):
    """Where a source of a night stands. The order of the members is the order of the totals."""

    DONE = "done"
    """Every run reached DL3, and it is published."""
    PARTIAL = "partial"
    """Published with what there was: files never came, or runs were lost."""
    RUNNING = "running"
    """A run works on the night."""
    REQUESTED = "requested"
    """Handed on for processing; its run has not begun."""
    READY = "ready"
    """Complete; detection hands it on at its next round."""
    WAITING = "waiting"
    """Something is missing that detection waits for."""
    HELD = "held"
    """A person holds it, or something must come first that the pipeline cannot make."""
    FAILED = "failed"
    """An error, or nothing was published of what was planned."""
    UPCOMING = "upcoming"
    """The night is not over."""
    NOT_ASKED = "not asked"
    """It could be processed; nobody asked, and it is too old for detection."""
    NOT_TAKEN = "not taken"
    """The policy leaves the observation out, or its row left the log."""
    NOTHING = "nothing"
    """No joint observation."""


TROUBLES = (NightState.HELD, NightState.FAILED)
"""States that a person must look at."""

_WHAT_TO_DO = {
    NightState.DONE: "",
    NightState.PARTIAL: "nothing, if that is all there is; it comes again by itself when files arrive",
    NightState.RUNNING: "wait; the run is process_night in Airflow",
    NightState.REQUESTED: "wait; if it stays so, look whether process_night is paused or full",
    NightState.READY: "wait half an hour; if it stays so, look at detect_nights in Airflow",
    NightState.WAITING: "wait, or do what the reason says; if files should be there, ask those who copy them",
    NightState.HELD: "do what the reason says, then `stereo backfill {night} {night}`",
    NightState.FAILED: "read the reason and the log of the run in Airflow, then `stereo backfill {night} {night}`",
    NightState.UPCOMING: "",
    NightState.NOT_ASKED: "`stereo backfill {night} {night}`",
    NightState.NOT_TAKEN: "nothing; if it should be taken, correct the log or config/policy.yaml",
    NightState.NOTHING: "",
}
_RELEASE = "`stereo release {night}{source}` when the reason is gone"


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """A source of a night in one word and one reason."""

    night: Night
    source: str
    """Empty: of the whole night, which has no source that is known."""
    production: str
    state: NightState
    reason: str
    since_utc: dt.datetime | None
    present: tuple[str, ...]
    """What is there: files, runs that reached DL3, the publication."""
    missing: tuple[str, ...]
    """What is missing of the files."""
    qa: str
    """Verdict of QA: ``good``, ``warning``, ``bad``; empty without a page."""
    by_person: bool
    """Whether it is held by a person."""
    alarm_utc: dt.datetime | None
    """When it becomes an alarm, if it waits until then; None if it does not wait."""
    row: NightRow
    """All that the catalog knows."""

    @property
    def what_to_do(self) -> str:
        """What a person should do; empty if nothing."""
        if not self.by_person:
            return _WHAT_TO_DO[self.state].format(night=self.night)
        # The first hold is that of the whole night, if there is one.
        source = self.row.held[0].source
        return _RELEASE.format(night=self.night, source=f" --source {source}" if source else "")

    @property
    def dl3(self) -> str:
        """Runs with DL3 of those that were planned, such as ``3/4``; empty without a plan."""
        stages = self.row.planned.stages if self.row.planned else ()
        return next((f"{stage.done}/{stage.total}" for stage in stages if stage.stage == DL3.name), "")
