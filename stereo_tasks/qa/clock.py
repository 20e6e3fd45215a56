"""How far MAGIC's clock was from LST-1's, in nights in which its GPS was broken."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from stereo_tasks.planning.plan import Plan
from stereo_tasks.qa.elements import Records, place_of
from stereo_tasks.stages import State
from stereo_tasks.stages.night import SYNCHRONISE


@dataclass(frozen=True, slots=True)
class ClockRun:
    """The clock in a run of one MAGIC telescope, by slices of time."""

    telescope: str
    run: int
    unix_s: tuple[float, ...]
    """Middles of the slices, by MAGIC's clock."""
    offset_ns: tuple[float, ...]
    """MAGIC's time minus LST-1's, as found and taken out."""
    residual_ns: tuple[float, ...]
    """Distance of the slices from the line of the run."""
    drift_us_per_s: float
    residual_rms_ns: float
    slices_lost: int
    """In which both telescopes had showers, and no offset stood out."""

    @property
    def offset_s(self) -> float:
        """The offset in the middle of the run, in s."""
        return self.offset_ns[len(self.offset_ns) // 2] * 1e-9


def clock_runs(plan: Plan, records: Records) -> tuple[ClockRun, ...]:
    """Return what was found of MAGIC's clock; nothing for nights in which nobody looked."""
    runs = []
    for _, element in plan.of_stage(SYNCHRONISE):
        record, place = records.get(element.id), place_of(element)
        if record is None or place is None or record.state != State.DONE:
            continue
        found = json.loads(Path(element.outputs[1]).read_text())
        if not found["unix_s"]:  # LST-1 did not observe then
            continue
        runs.append(
            ClockRun(
                telescope=str(place.telescope),
                run=place.run,
                unix_s=tuple(found["unix_s"]),
                offset_ns=tuple(found["offset_ns"]),
                residual_ns=tuple(found["residual_ns"]),
                drift_us_per_s=record.counts["clock_drift_us_per_s"],
                residual_rms_ns=record.counts["clock_residual_ns"],
                slices_lost=int(record.counts["clock_slices_lost"]),
            )
        )
    return tuple(runs)
