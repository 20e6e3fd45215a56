"""SLURM's words for states and reasons, and what they mean to a person."""

from __future__ import annotations

import re
import signal

from airflow_slurm.array import JobState

_STATES = {
    "BOOT_FAIL": JobState.NODE_FAIL,
    "DEADLINE": JobState.TIMEOUT,
    "REVOKED": JobState.CANCELLED,
    "REQUEUED": JobState.PENDING,
    "REQUEUE_FED": JobState.PENDING,
    "REQUEUE_HOLD": JobState.PENDING,
    "SPECIAL_EXIT": JobState.PENDING,
    "RESV_DEL_HOLD": JobState.PENDING,
}
"""Beside those that we call by the same name. Whatever else SLURM says (COMPLETING, SUSPENDED, ...) is not an end."""

_ASK = "ask the administrators of the cluster"
_STUCK = {
    "JobHeldUser": "held by a user; `scontrol release` lets it go",
    "JobHeldAdmin": f"held by an administrator; {_ASK}",
    "JobHoldMaxRequeue": "held, for it was started too often; look at its log, then `scontrol release` or cancel it",
    "DependencyNeverSatisfied": "it depends on a job that will never end as demanded; cancel it",
    "PartitionTimeLimit": "its time limit is above that of the partition; lower it or take another partition",
    "PartitionNodeLimit": "its partition does not have the nodes it asks for; ask for less or take another partition",
    "PartitionConfig": "its partition does not allow it; check partition, memory, time and account",
    "BadConstraints": "no node can ever fulfil what it asks for; check memory, cpus, constraint and excluded nodes",
    "InvalidAccount": "its account does not exist; check the account in the connection or the task",
    "InvalidQOS": "its QOS does not exist or is not allowed; check the QOS in the connection or the task",
    "AccountNotAllowed": "its account may not use the partition; take another partition or account",
    "QOSNotAllowed": "its QOS may not use the partition; take another partition or QOS",
    "ReservationDeleted": "its reservation was deleted; cancel it",
    "MaxMemPerLimit": "it asks for more memory than the cluster allows a job; ask for less",
    "REQUEUE_HOLD": "held, for it could not be started; look at its log, then `scontrol release` or cancel it",
    "SPECIAL_EXIT": "held by a rule of the cluster after a special exit; `scontrol release` or cancel it",
    "RESV_DEL_HOLD": "its reservation was deleted; cancel it",
}
_STUCK_LIMIT = re.compile(r"PerJob|PerNode|^QOSMin")
"""Limits on one job: no other job's end will help."""
_WAITING = {
    "PartitionDown": f"its partition is down; {_ASK} when that will change",
    "PartitionInactive": f"its partition is inactive; {_ASK} when that will change",
    "BeginTime": "its time to start has not come; a job that is started anew waits about two minutes",
    "JobArrayTaskLimit": "as many jobs of its array as may run at a time are running",
    "ReqNodeNotAvail": "nodes that it needs are down, reserved or busy",
}

_NO_LOG_FOLDER = 53
"""Said as a signal when slurmd cannot open a job's output."""


def state_of(word: str) -> JobState:
    """Return our state for SLURM's word, such as `COMPLETING` or ``CANCELLED by 0``."""
    word = word.split()[0].rstrip("+") if word.strip() else ""
    if word in _STATES:
        return _STATES[word]
    try:
        return JobState(word)
    except ValueError:
        return JobState.RUNNING


def waiting(word: str, reason: str) -> tuple[str, bool]:
    """Return why a job waits, and whether it will wait for ever.

    Parameters
    ----------
    word : str
        SLURM's state.
    reason : str
        SLURM's reason.
    """
    key = word if word in _STUCK else reason
    if text := _STUCK.get(key):
        return f"{key}: {text}", True
    if _STUCK_LIMIT.search(reason):
        return (
            f"{reason}: it asks for more or less than its account or QOS allows one job; change what it asks for",
            True,
        )
    if text := _WAITING.get(reason):
        return f"{reason}: {text}", False
    return "" if reason == "None" else reason, False


def ending(state: JobState, reason: str, exit_code: int | None, signal_number: int | None, node: str) -> str:
    """Return why a job has ended so, for a person; nothing if it ended well."""
    fixed = {
        JobState.COMPLETED: "",
        JobState.TIMEOUT: "it ran longer than its time limit",
        JobState.OUT_OF_MEMORY: "it used more memory than its limit",
        JobState.CANCELLED: "cancelled",
        JobState.NODE_FAIL: f"its node {node} failed" if node else "its node failed",
        JobState.PREEMPTED: "a job of higher priority took its place",
    }
    if state in fixed:
        return fixed[state]
    if signal_number == _NO_LOG_FOLDER:
        return "it could not be started: its log folder is not there on the node, or cannot be written"
    if signal_number == signal.SIGKILL:
        return "killed by SIGKILL; that can be for its memory"
    if signal_number is not None:
        return f"killed by {signal_name(signal_number)}"
    if exit_code is not None and exit_code != 0:
        return f"exit code {exit_code}"
    return reason if reason not in ("", "None") else ""


def signal_name(number: int) -> str:
    """Return a signal's name, such as SIGSEGV."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
