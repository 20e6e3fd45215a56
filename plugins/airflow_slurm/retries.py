"""Asking a place that may not answer for a while, and submitting to it once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from airflow_slurm.array import ArraySpec
from airflow_slurm.backend import ArrayBackend
from airflow_slurm.errors import NoAnswerError, NotReachedError, RejectedError, SubmissionUnknownError
from airflow_slurm.task_state import SubmittedArray
from airflow_slurm.watch import Log

SILENCE_LIMIT_S = 1800.0
"""How long a place may be silent before a task that wants something of it fails."""
_PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0)
_Answer = TypeVar("_Answer")


def ask_until_answered(question: Callable[[], _Answer], log: Log, check: Callable[[], None]) -> _Answer:
    """Ask until there is an answer.

    Parameters
    ----------
    question : callable
        What is asked; it may be asked several times.
    log : Log
        Where it is said that there is no answer.
    check : callable
        Called between the questions; ends the waiting by an exception.

    Raises
    ------
    OSError or RuntimeError
        The last failure, after `SILENCE_LIMIT_S` or if asking again is of no use.
    """
    deadline = time.monotonic() + SILENCE_LIMIT_S
    failures = 0
    while True:
        check()
        try:
            return question()
        except (NotReachedError, NoAnswerError, SubmissionUnknownError) as error:
            if not getattr(error, "again", True) or time.monotonic() > deadline:
                raise
            log.warning("no answer, asking again: %s", error)
        pause_end = time.monotonic() + _PAUSES_S[min(failures, len(_PAUSES_S) - 1)]
        failures += 1
        while time.monotonic() < pause_end:
            check()
            time.sleep(0.2)


def submit_once(
    backend: ArrayBackend, spec: ArraySpec, excluded: tuple[str, ...], log: Log, check: Callable[[], None]
) -> SubmittedArray:
    """Submit an array, or find it again.

    Parameters
    ----------
    excluded : tuple of str
        Nodes to keep away from, if enough others are left.
    """
    exclude = tuple(dict.fromkeys([*spec.placement.exclude, *excluded]))
    careful = replace(spec, placement=replace(spec.placement, exclude=exclude))
    try:
        return ask_until_answered(lambda: _find_or_submit(backend, careful), log, check)
    except RejectedError as error:
        if careful == spec:
            raise
        log.warning("not possible without the nodes %s that failed, so they are used: %s", ",".join(excluded), error)
        return ask_until_answered(lambda: _find_or_submit(backend, spec), log, check)


def _find_or_submit(backend: ArrayBackend, spec: ArraySpec) -> SubmittedArray:
    return SubmittedArray(spec, backend.find(spec.token) or backend.submit(spec))
