"""Groups of processes: their memory, their end, and what is left of them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable

import psutil

_LINUX = sys.platform == "linux"
_PR_SET_PDEATHSIG = 1
# Loaded here, not between fork and exec, where nothing may be loaded.
_LIBC = ctypes.CDLL(None, use_errno=True) if _LINUX else None


def prepare_child(niceness: int) -> Callable[[], None]:
    """Return what a child does before it becomes the job: be nice, and die with its parent.

    Without prctl (not on Linux) a job survives a parent that was killed with SIGKILL.
    """
    parent = os.getpid()

    def prepare() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # it died before the call above
                os._exit(1)
        if niceness:
            os.nice(niceness)

    return prepare


def signal_group(group: int, number: signal.Signals) -> None:
    """Send a signal to a process group that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def memory_mb(groups: set[int]) -> dict[int, float]:
    """Return the resident memory of process groups in MB (10^6 bytes).

    Pages that processes of a group share count for each of them.
    """
    used = dict.fromkeys(groups, 0.0)
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if (group := os.getpgid(process.pid)) in used:
                used[group] += process.memory_info().rss / 1e6
    return used


def pids_with_token(token: str) -> list[int]:
    """Return the living processes that carry a token in their environment as ``ARRAY_TOKEN``."""
    pids = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # gone, or somebody else's
            if process.environ().get("ARRAY_TOKEN") == token:
                pids.append(process.pid)
    return pids


def kill_with_token(token: str, patience_s: float = 2.0) -> list[int]:
    """Kill every process that carries a token; return those which live on after all."""
    deadline = time.monotonic() + patience_s
    while left := pids_with_token(token):
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    return left
