"""An alarm: what it is about, and what a person should do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class AlarmKind(StrEnum):
    """What an alarm is about."""

    TABLE_ENDS = "table ends"
    NOT_COVERED = "not covered"
    WAITS = "waits too long"
    NO_RUN = "no run"
    UNATTENDED = "unattended"
    OLD_LOCK = "old lock"
    LOG_STANDS_STILL = "log stands still"
    LOG_UNREAD = "log unread"
    LOG_ROWS = "log rows"
    FREE_SPACE = "free space"
    KERNEL_DIFFERS = "kernel differs"
    NOT_MADE = "not made"
    NOT_LOOKED_AT = "not looked at"


_WHAT_TO_DO = {
    AlarmKind.TABLE_ENDS: "add the next entry to the file that is named, with its Monte Carlo",
    AlarmKind.NOT_COVERED: "add the entry to the file that is named, then request the nights again",
    AlarmKind.WAITS: "ask those who copy the files, or `stereo hold` it with what you found out",
    AlarmKind.NO_RUN: "is process_night paused or full in Airflow, or was the night locked? Then request it again",
    AlarmKind.UNATTENDED: "`stereo status NIGHT` says why; mend it and request it again, or `stereo hold` it",
    AlarmKind.OLD_LOCK: "look at the run in Airflow; if it is dead, request the night again: its lock is taken over",
    AlarmKind.LOG_STANDS_STILL: "ask whether the stereo log is still filled in, and exported to where we read it",
    AlarmKind.LOG_UNREAD: "look at detect_nights in Airflow: is it paused, or does it fail?",
    AlarmKind.LOG_ROWS: "look at the rows in the stereo log; `stereo status NIGHT` has what they said before",
    AlarmKind.KERNEL_DIFFERS: "compare both products; then `stereo engine allow STAGE`, or leave it to magic-cta-pipe",
    AlarmKind.NOT_MADE: "see completion of the last run in Airflow; cure the reason, then clear its failed tasks",
    AlarmKind.NOT_LOOKED_AT: "`stereo status` looks at all of them, and so does watch_nights",
    AlarmKind.FREE_SPACE: "make room, or let the operators of the file system do it",
}


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing that needs care."""

    kind: AlarmKind
    subject: str
    """What it is about: a night and source, a row of the log, a path. With kind and place it tells alarms apart."""
    text: str
    content: str = ""
    """Another content is another alarm. Without what changes by itself, such as a number of days; empty: the kind and
    subject say all."""
    place: str = ""
    """What alarms of this kind have in common: the file of the configuration, the production."""

    @property
    def key(self) -> str:
        """Tells alarms apart."""
        return f"{self.kind}: {self.place} {self.subject}"

    @property
    def what_to_do(self) -> str:
        """What a person should do."""
        return _WHAT_TO_DO[self.kind]
