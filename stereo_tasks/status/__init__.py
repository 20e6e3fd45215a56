"""What a shifter wants to know: which nights are done, held, failed or waiting, and why; and what needs care soon."""

from stereo_tasks.status.alarm_kinds import Alarm, AlarmKind
from stereo_tasks.status.alarms import find_alarms
from stereo_tasks.status.collecting import StatusTable, newest_known_night, newest_night, parse_range, status_table
from stereo_tasks.status.grouping import AlarmLine, alarm_lines
from stereo_tasks.status.paging import StatusPage, status_page
from stereo_tasks.status.state import TROUBLES, NightState, SourceStatus

__all__ = [
    "TROUBLES", "Alarm", "AlarmKind", "AlarmLine", "NightState", "SourceStatus", "StatusPage", "StatusTable",
    "alarm_lines", "find_alarms", "newest_known_night", "newest_night", "parse_range", "status_page", "status_table",
]  # fmt: skip
