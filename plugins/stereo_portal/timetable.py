"""When nights are asked for: when somebody does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.timetables.trigger import CronPartitionTimetable

if TYPE_CHECKING:
    from airflow.timetables.base import DagRunInfo, TimeRestriction


class OnRequest(CronPartitionTimetable):
    """Partitions that backfills and people run, and never the scheduler.

    Airflow backfills only what has a periodic schedule. Runs that such a schedule makes by itself would ask for
    nothing, and a backfill of *Missing Runs* would leave their dates out, since they have run.
    """

    description = "only when somebody asks"

    @property
    def summary(self) -> str:
        """What the interface shows as the schedule."""
        return "on request"

    def next_dagrun_info_v2(
        self, *, last_dagrun_info: DagRunInfo | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """Return None: there is no next run."""
        return None
