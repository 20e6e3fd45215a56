"""Arrays that earlier tries of a task have left behind."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_slurm.array import ArrayHandle, ArraySpec
from airflow_slurm.backend import ArrayBackend
from airflow_slurm.course import Submitted

Left = tuple[ArrayHandle, frozenset[int]]
"""An array with the numbers of its jobs that have not ended."""


def left_behind(backend: ArrayBackend, base: str) -> list[Left]:
    """Return the arrays of a task that still have jobs, the newest first.

    Ask this before asking which elements are not valid: whatever ends in between has left its record by then.
    """
    found = []
    for handle in backend.find_tries(base):
        jobs = backend.poll(handle)
        if going := frozenset(job for job, status in jobs.items() if not status.state.final):
            found.append((handle, going))
    return found


def adopt(left: Sequence[Left], wanted: ArraySpec) -> tuple[list[Submitted], list[ArrayHandle]]:
    """Decide which arrays of earlier tries are taken over.

    An array is taken over if its jobs do for wanted elements what new jobs would do, and no other array that is taken
    over works on the same elements.

    Parameters
    ----------
    left : sequence
        What `left_behind` found.
    wanted : ArraySpec
        What would be submitted if there were nothing.

    Returns
    -------
    tuple
        The arrays that are taken over, and those that must end.
    """
    adopted: list[Submitted] = []
    refused: list[ArrayHandle] = []
    open_elements = set(wanted.indices)
    for handle, going in left:
        spec = _spec(handle, wanted)
        elements = {index for job in going for index in spec.elements(job)} if spec is not None else set()
        useful = elements & open_elements
        clash = (elements & set(wanted.indices)) - open_elements
        if spec is None or not useful or clash:
            refused.append(handle)
            continue
        open_elements -= useful
        adopted.append(Submitted(spec, handle, tuple(sorted(useful))))
    return adopted, refused


def _spec(handle: ArrayHandle, wanted: ArraySpec) -> ArraySpec | None:
    """Return what an array does; None if nobody knows, or if it is something else than what is wanted."""
    try:
        spec = ArraySpec.load(wanted.log_folder / f"{handle.token}.array.json")
    except ValueError:
        return None
    same = spec.command == wanted.command and dict(spec.env) == dict(wanted.env) and len(spec.jobs) == handle.jobs
    return spec if same else None
