"""What is tried again after an array has ended, and with what limits."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from airflow_slurm.array import ArraySpec, JobState


@dataclass(frozen=True, slots=True)
class RepairPolicy:
    """How often and with what limits elements are tried again.

    Parameters
    ----------
    repairs : int
        More tries for elements that failed or left no valid record; 0 for none.
    memory_factor, time_factor : float
        By how much the limit grows after a job has exceeded it.
    memory_ceiling_mb : int
        Memory that is never exceeded by growing, in MB.
    time_ceiling_s : int
        Time that is never exceeded by growing, in seconds.
    """

    repairs: int = 2
    memory_factor: float = 2.0
    memory_ceiling_mb: int = 64_000
    time_factor: float = 2.0
    time_ceiling_s: int = 86_400

    def __post_init__(self) -> None:
        """Refuse what cannot help."""
        if self.repairs < 0 or self.memory_factor < 1 or self.time_factor < 1:
            raise ValueError(f"repairs must not be negative, factors not below 1: {self}")

    def again(self, spec: ArraySpec, indices: tuple[int, ...], ends: Collection[JobState], token: str) -> ArraySpec:
        """Return the array that tries some elements of another one again.

        Each element gets a job of its own: what breaks one no longer takes its neighbours along.

        Parameters
        ----------
        spec : ArraySpec
            What was tried last.
        indices : tuple of int
            The elements to try again.
        ends : collection of JobState
            How the jobs of these elements ended.
        token : str
            The token of the new array.
        """
        memory_mb, time_s = spec.memory_mb, spec.time_s
        if JobState.OUT_OF_MEMORY in ends:
            memory_mb = _grown(memory_mb, self.memory_factor, self.memory_ceiling_mb)
        if JobState.TIMEOUT in ends:
            time_s = _grown(time_s, self.time_factor, self.time_ceiling_s)
        return replace(
            spec,
            token=token,
            indices=indices,
            per_job=1,
            memory_mb=memory_mb,
            time_s=time_s,
            attempt=spec.attempt + 1,
        )


def _grown(limit: int, factor: float, ceiling: int) -> int:
    # A limit that was above the ceiling from the start stays as it was asked for.
    return max(limit, min(round(limit * factor), ceiling))
