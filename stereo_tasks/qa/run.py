"""One run as QA sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stereo_tasks.planning.plan import Run
from stereo_tasks.qa.images import Distance


@dataclass(frozen=True, slots=True)
class Flow:
    """Events into and out of one stage of a run; None where no record tells."""

    stage: str
    events_in: float | None
    events_out: float | None


@dataclass(frozen=True, slots=True)
class Subrun:
    """What the coincidence of one LST-1 subrun found."""

    lst_run: int
    subrun: int
    zenith_deg: float | None
    time_offset_us: float | None
    coincidences: float | None
    rate_hz: float | None = None
    """Of showers in LST-1, over the time in which it could record them."""


@dataclass(frozen=True, slots=True)
class Subruns:
    """Used and expected subruns of one instrument."""

    instrument: str
    used: int
    expected: int

    @property
    def completeness(self) -> float:
        """Used over expected; 1 where nothing was expected."""
        return self.used / self.expected if self.expected else 1.0


@dataclass(frozen=True, slots=True)
class RunMetrics:
    """Everything the page shows of one run. None: nothing is known."""

    run: Run
    state: str
    """State of the run's DL3 element."""
    reason: str
    """Why there is no DL3; empty when there is."""
    flows: tuple[Flow, ...]
    subruns: tuple[Subrun, ...]
    completeness: tuple[Subruns, ...]
    lost: tuple[str, ...]
    zenith_deg: float | None
    time_offset_us: float | None
    """Mean over the subruns, weighted with their coincidences."""
    time_offset_jump_us: float | None
    """Largest distance of a subrun's time offset from the known value."""
    pointing_separation_arcmin: float | None
    """Largest of the subruns."""
    wobble_offset_deg: float | None
    dead_time_factor: float | None
    on_time_s: float | None
    live_time_s: float | None
    lost_time_s: float | None
    """Time in which LST-1 observed, and that is no good time: lost subruns, or telescopes that stood still."""
    lost_cause: str
    """Why; empty where nothing is lost."""
    others: Mapping[str, float | None] = field(default_factory=dict)
    """What is judged beside, by the name of the metric: rates, light, offsets from subrun to subrun, images."""
    distances: Mapping[str, Distance] = field(default_factory=dict)
    """How far distributions are from their references, by the name of the metric."""

    def values(self) -> dict[str, float | None]:
        """Return the scalar metrics by name, unit in the name."""
        return {
            **self.others,
            **{name: distance.value for name, distance in self.distances.items()},
            "zenith_deg": self.zenith_deg,
            "time_offset_us": self.time_offset_us,
            "time_offset_jump_us": self.time_offset_jump_us,
            "pointing_separation_arcmin": self.pointing_separation_arcmin,
            "wobble_offset_deg": self.wobble_offset_deg,
            "dead_time_factor": self.dead_time_factor,
            "on_time_s": self.on_time_s,
            "live_time_s": self.live_time_s,
            "lost_time_s": self.lost_time_s,
            "completeness": min((part.completeness for part in self.completeness), default=None),
        }
