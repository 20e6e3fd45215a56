"""A limit of jobs on one machine that holds for all processes of all tasks."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from airflow_slurm.processes import kill_with_token


@dataclass(frozen=True, slots=True)
class Slot:
    """The right to run one job; held as long as the file descriptor is open somewhere and locked."""

    descriptor: int

    def release(self) -> None:
        """Give the slot back, even if something still holds a copy of the descriptor."""
        os.ftruncate(self.descriptor, 0)
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)
        os.close(self.descriptor)


class Slots:
    """Locked files ``0.lock`` to ``N-1.lock`` in a folder on a local file system, each the right to run one job.

    A job inherits the descriptor of its slot, so the slot stays taken while the job runs, even if the process that
    started it is dead. Whoever takes a slot that was not given back ends what its last owner has left.
    """

    def __init__(self, folder: Path, number: int) -> None:
        if number < 1:
            raise ValueError(f"{number} workers cannot do anything; give 1 or more")
        self.folder = folder
        self.number = number
        folder.mkdir(parents=True, exist_ok=True)

    def take(self, token: str) -> Slot | None:
        """Take a free slot for a job of the array `token`; None if there is none."""
        for index in range(self.number):
            descriptor = os.open(self.folder / f"{index}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                continue
            if last_owner := os.pread(descriptor, 1000, 0).decode():
                kill_with_token(last_owner)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, token.encode(), 0)
            return Slot(descriptor)
        return None
