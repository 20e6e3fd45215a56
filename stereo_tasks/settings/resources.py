"""What the elements of a stage may use on this site, where it differs from what the stage declares."""

from __future__ import annotations

from pydantic import Field

from stereo_tasks.settings.model import Model
from stereo_tasks.settings.units import Duration, Memory
from stereo_tasks.stages import Cost


class Resources(Model):
    """What the elements of a stage may use; null is what the stage declares (`stereo_tasks.stages`)."""

    memory: Memory | None = None
    """Limit of a job's resident memory."""
    time_per_element: Duration | None = None
    """Expected time of an element, without the start of its tool."""
    time_per_gb: Duration | None = None
    """What is added to it for each GB of raw files that the element stems from."""
    elements_per_job: int | None = Field(default=None, ge=1)
    """At most so many elements in one job."""
    partition: str | None = None
    """Where on the cluster its jobs run; null is the partition of the site."""

    def applied_to(self, cost: Cost) -> Cost:
        """Return what is declared, with what differs here."""
        return Cost(
            memory_mb=cost.memory_mb if self.memory is None else round(float(self.memory.to_value("MB"))),
            element_s=_seconds(self.time_per_element, cost.element_s),
            s_per_gb=_seconds(self.time_per_gb, cost.s_per_gb),
            elements_per_job=self.elements_per_job or cost.elements_per_job,
            start_s=cost.start_s,
        )


def _seconds(duration: Duration | None, declared: float) -> float:
    return declared if duration is None else float(duration.to_value("s"))
