"""What quality assurance says of an observation, for those who choose observations from an index."""

from __future__ import annotations

from dataclasses import dataclass

from stereo_tasks.gadf.format import UNKNOWN_QUALITY


@dataclass(frozen=True, slots=True)
class Judgement:
    """What quality assurance says of an observation."""

    quality: int = UNKNOWN_QUALITY
    """As `stereo_tasks.gadf.format.QUALITY`."""
    lost_time_s: float = float("nan")
    """Time of the observation in which the array, or what became of its data, was not complete."""
    lost_cause: str = ""
