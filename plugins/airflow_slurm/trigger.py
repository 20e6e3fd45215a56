"""The trigger that watches deferred arrays: one look at the cluster a poll, however many arrays there are."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_slurm.array import ArrayHandle, JobStatus
from airflow_slurm.watch import Event, Watched, Watcher

if TYPE_CHECKING:
    from airflow_slurm.cluster_view import Snapshot
    from airflow_slurm.slurm import SlurmBackend

FIRST_LOOK_S = 15.0
"""A task that goes on within some seconds after it was deferred can fail: Airflow may not have put it aside yet."""
_KILL_PATIENCE_S = 25.0
_SLOWEST_S = 60.0


@dataclass(frozen=True, slots=True)
class Look:
    """One look at all jobs of a cluster."""

    backend: SlurmBackend | None = None
    snapshot: Snapshot | None = None
    error: str = ""
    """Why the cluster did not answer."""

    def states(self, handles: Sequence[ArrayHandle]) -> dict[str, dict[int, JobStatus]]:
        """Return the states of all jobs of arrays, by token and job number; reads a file."""
        if self.backend is None or self.snapshot is None:
            return {}
        for handle in handles:
            self.backend.view.watch(handle)
        return {handle.token: self.backend.states(handle, self.snapshot) for handle in handles}


class SlurmArrayTrigger(BaseEventTrigger):
    """Wait until arrays have ended, and cancel them if the task is ended by a person.

    It decides nothing: it wakes the task, which looks itself. Its event is a dictionary with ``task_state`` (the file
    from which the task goes on), ``why`` (an `Event`) and ``stuck_since`` (ISO time or None).

    Parameters
    ----------
    slurm_conn_id : str
        The cluster's connection. All triggers with the same one share their looks at it.
    task_state : str
        File from which the task goes on.
    what : str
        What the log calls it.
    arrays : list of dict
        `Watched` as plain values.
    first_look : float
        Unix time before which nothing is reported, in seconds.
    stuck_after_s, stuck_since, deadline
        As in `Watcher`; the times are ISO texts.
    """

    def __init__(
        self,
        slurm_conn_id: str,
        task_state: str,
        what: str,
        arrays: list[dict[str, Any]],
        first_look: float,
        stuck_after_s: float | None = None,
        stuck_since: str | None = None,
        deadline: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.slurm_conn_id = slurm_conn_id
        self.task_state = task_state
        self.what = what
        self.arrays = arrays
        self.first_look = first_look
        self.stuck_after_s = stuck_after_s
        self.stuck_since = stuck_since
        self.deadline = deadline
        self._known_backend: SlurmBackend | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what is needed to make it again."""
        names = (
            "slurm_conn_id",
            "task_state",
            "what",
            "arrays",
            "first_look",
            "stuck_after_s",
            "stuck_since",
            "deadline",
        )
        return f"{__name__}.{type(self).__name__}", {name: getattr(self, name) for name in names}

    def shared_stream_key(self) -> Hashable | None:
        """One stream a cluster."""
        return (type(self).__name__, self.slurm_conn_id)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[Look]:
        """Look at the cluster for ever. Nothing is raised here: it would fail every task that waits."""
        backend: SlurmBackend | None = None
        failures = 0
        while True:
            pause_s = 5.0
            try:
                backend = backend or await _backend(kwargs["slurm_conn_id"])
                pause_s = backend.view.interval_s
                # In a thread: commands and files must not stop the other triggers.
                snapshot = await asyncio.to_thread(backend.view.look)
                failures = 0
                yield Look(backend, snapshot, "" if snapshot.answered else snapshot.error or "no answer")
            except Exception as error:  # noqa: BLE001 - whatever it is, the next look may be better
                backend = None
                failures += 1
                yield Look(error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(min(pause_s * 2 ** min(failures, 10), max(_SLOWEST_S, pause_s)))

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Look]) -> AsyncIterator[TriggerEvent]:
        """Report once that the wait is over."""
        watcher = self._watcher()
        why = Event.LOOK
        try:
            why = await self._wait(shared_stream, watcher)
        except Exception:  # the task must go on, or nobody watches its jobs
            self.log.exception("%s: the look at the cluster failed; the task looks itself", self.what)
        since = watcher.stuck_since_utc
        payload = {"task_state": self.task_state, "why": str(why), "stuck_since": since.isoformat() if since else None}
        yield TriggerEvent(payload)  # type: ignore[no-untyped-call]

    async def _wait(self, looks: AsyncIterator[Look], watcher: Watcher) -> Event:
        handles = [array.handle for array in watcher.arrays]
        shown = ""
        async for look in looks:
            self._known_backend = look.backend or self._known_backend
            if time.time() < self.first_look:
                continue
            if look.error != shown:
                text = f"the cluster does not answer: {look.error}" if look.error else "the cluster answers again"
                self.log.warning("%s: %s", self.what, text)
                shown = look.error
            if watcher.is_late():
                return Event.TIMEOUT
            if look.error:
                continue
            if (event := watcher.see(await asyncio.to_thread(look.states, handles))) is not None:
                return event
        return Event.LOOK

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Watch alone, where nobody shares looks."""
        stream = self.open_shared_stream({"slurm_conn_id": self.slurm_conn_id})
        async for event in self.filter_shared_stream(stream):
            yield event
            return

    async def on_kill(self) -> None:
        """Cancel the arrays: a person has ended the task."""
        deadline = time.monotonic() + _KILL_PATIENCE_S
        left = [_handle(array) for array in self.arrays]
        while left:
            try:
                backend = self._known_backend or await _backend(self.slurm_conn_id)
                await asyncio.to_thread(backend.cancel, left[0])
                self.log.info("%s: the array %s was cancelled with the task", self.what, left.pop(0).token)
            except Exception as error:
                if time.monotonic() > deadline:
                    self.log.exception(
                        "%s: these arrays may still run: %s", self.what, [handle.token for handle in left]
                    )
                    return
                self.log.warning("%s: %s is not cancelled yet: %s", self.what, left[0].token, error)
                await asyncio.sleep(2)

    def _watcher(self) -> Watcher:
        return Watcher(
            what=self.what,
            arrays=[Watched(_handle(array), tuple(array["elements"])) for array in self.arrays],
            log=self.log,
            stuck_after_s=self.stuck_after_s,
            stuck_since_utc=dt.datetime.fromisoformat(self.stuck_since) if self.stuck_since else None,
            deadline_utc=dt.datetime.fromisoformat(self.deadline) if self.deadline else None,
        )


def serialize(array: Watched) -> dict[str, Any]:
    """Return an array as the trigger takes it."""
    return {**asdict(array.handle), "elements": list(array.elements)}


def _handle(content: Mapping[str, Any]) -> ArrayHandle:
    return ArrayHandle(content["token"], content["id"], content["jobs"])


async def _backend(conn_id: str) -> SlurmBackend:
    from airflow_slurm.hook import SlurmHook, read_connection
    from airflow_slurm.slurm import SlurmBackend

    connection = await SlurmHook.aget_connection(conn_id)
    return await asyncio.to_thread(SlurmBackend.from_settings, read_connection(connection), conn_id)
