"""Many alarms in few lines: a backfill of years must not bury the others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from stereo_tasks.status.alarm_kinds import Alarm, AlarmKind

_EACH = 3
_MANY = {
    AlarmKind.NOT_COVERED: "{place} does not cover {count} requested nights",
    AlarmKind.WAITS: "{count} sources of nights wait for longer than they should",
    AlarmKind.NO_RUN: "{count} sources of nights were requested, and no run has begun",
    AlarmKind.UNATTENDED: "{count} sources of nights failed or are held, and nobody did anything about it",
    AlarmKind.OLD_LOCK: "{count} nights have an old lock",
    AlarmKind.NOT_MADE: "{count} stages of forests and IRFs, data sets or analyses of seasons failed or are held",
    AlarmKind.LOG_ROWS: "{count} rows of the stereo log went, were changed, or cannot be read",
}


@dataclass(frozen=True, slots=True)
class AlarmLine:
    """One alarm, or all of one kind."""

    kind: AlarmKind
    text: str
    what_to_do: str
    count: int


def alarm_lines(alarms: Iterable[Alarm]) -> tuple[AlarmLine, ...]:
    """Return a line for each alarm; one for all of a kind if there are more than three."""
    groups: dict[tuple[AlarmKind, str], list[Alarm]] = {}
    for alarm in alarms:
        groups.setdefault((alarm.kind, alarm.place), []).append(alarm)
    lines: list[AlarmLine] = []
    for (kind, place), found in groups.items():
        if len(found) <= _EACH or kind not in _MANY:
            lines += [AlarmLine(kind, alarm.text, alarm.what_to_do, 1) for alarm in found]
        else:
            subjects = ", ".join(alarm.subject for alarm in found[:_EACH])
            text = _MANY[kind].format(place=place, count=len(found))
            lines.append(
                AlarmLine(kind, f"{text}: {subjects} and {len(found) - _EACH} more", found[0].what_to_do, len(found))
            )
    return tuple(lines)
