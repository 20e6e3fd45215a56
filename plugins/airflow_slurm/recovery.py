"""Arrays that earlier tries of a task have left behind."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_slurm.array import ArrayHandle, ArraySpec
from airflow_slurm.backend import ArrayBackend
from airflow_slurm.task_state import SubmittedArray

Unfinished = tuple[ArrayHandle, frozenset[int]]
"""An array with the numbers of its jobs that have not ended."""


def unfinished_arrays(backend: ArrayBackend, base: str) -> list[Unfinished]:
    """Return the arrays of a task that still have jobs, the newest first.

    Ask this before asking which elements are not valid: whatever ends in between has left its record by then.
    """
    unfinished = []
    for handle in backend.find_tries(base):
        jobs = backend.poll(handle)
        if running := frozenset(job for job, status in jobs.items() if not status.state.final):
            unfinished.append((handle, running))
    return unfinished


def recover(unfinished: Sequence[Unfinished], wanted: ArraySpec) -> tuple[list[SubmittedArray], list[ArrayHandle]]:
    """Decide which arrays of earlier tries are taken over.

    An array is taken over if its jobs do for wanted elements what new jobs would do, and no other array that is taken
    over works on the same elements.

    Parameters
    ----------
    unfinished : sequence
        What `unfinished_arrays` returned.
    wanted : ArraySpec
        What would be submitted if there were nothing.

    Returns
    -------
    tuple
        The arrays that are taken over, and those that must end.
    """
    recovered: list[SubmittedArray] = []
    refused: list[ArrayHandle] = []
    open_elements = set(wanted.indices)
    for handle, running in unfinished:
        spec = _spec(handle, wanted)
        elements = {index for job in running for index in spec.jobs[job]} if spec is not None else set()
        useful = elements & open_elements
        clash = (elements & set(wanted.indices)) - open_elements
        if spec is None or not useful or clash:
            refused.append(handle)
            continue
        open_elements -= useful
        recovered.append(SubmittedArray(spec, handle, tuple(sorted(useful))))
    return recovered, refused


def _spec(handle: ArrayHandle, wanted: ArraySpec) -> ArraySpec | None:
    """Return what an array does; None if nobody knows, or if it is something else than what is wanted."""
    try:
        spec = ArraySpec.load(wanted.log_folder / f"{handle.token}.array.json")
    except ValueError:
        return None
    same = spec.command == wanted.command and dict(spec.env) == dict(wanted.env) and len(spec.jobs) == handle.jobs
    return spec if same else None
