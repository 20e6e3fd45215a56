"""Running SLURM's commands on another machine through SSH, over one connection that is kept open."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import os
import shlex
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_slurm.errors import NoAnswerError, NotReachedError
from airflow_slurm.transport import Result, Transport, command_name

if TYPE_CHECKING:
    import asyncssh

_KEEPALIVE_S = 10
_SESSIONS = 4
"""Commands at a time over one connection; an SSH server allows ten by default."""


@dataclass(frozen=True, slots=True)
class SshTarget:
    """A machine that is reached through SSH, and how we show who we are.

    The machine shows who it is by its host key, which must be among the known hosts. There is no way around that.
    """

    host: str
    login: str | None = None
    port: int = 22
    known_hosts: str | None = None
    """Path of a file, or its text; the user's own ``~/.ssh/known_hosts`` if it is not given."""
    private_key_file: str | None = None
    private_key: str | None = None
    """Text of a private key."""
    password: str | None = None
    """Of the private key if there is one, otherwise of the login."""
    connect_timeout_s: float = 15.0

    def __str__(self) -> str:
        return f"{self.login + '@' if self.login else ''}{self.host}:{self.port}"


class SshTransport(Transport):
    """Run commands on another machine; the connection is opened when it is needed, and again when it was lost.

    All is done in a thread of its own with an event loop, so that `run` can be called from any thread.

    Parameters
    ----------
    target : SshTarget
        The machine.
    slurm_conf : str, optional
        Path of ``slurm.conf`` there.
    bin_folder : str, optional
        Folder of SLURM's commands there, if they are not on the path.
    """

    def __init__(self, target: SshTarget, slurm_conf: str | None = None, bin_folder: str | None = None) -> None:
        self.target = target
        self.where = str(target)
        # The other side's shell fills in the variables: what sshd gave, and nothing that a profile has added.
        path = f'{shlex.quote(bin_folder)}:"$PATH"' if bin_folder else '"$PATH"'
        self._prefix = f'env -i PATH={path} HOME="$HOME" USER="$USER" LOGNAME="$LOGNAME" LANG=C.UTF-8 '
        if slurm_conf:
            self._prefix += f"SLURM_CONF={shlex.quote(slurm_conf)} "
        self._guard = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0
        self._connection: asyncssh.SSHClientConnection | None = None
        self._opening = asyncio.Lock()
        self._sessions = asyncio.Semaphore(_SESSIONS)

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout_s: float = 30.0) -> Result:
        """Run a command to its end."""
        job = asyncio.run_coroutine_threadsafe(self._run(argv, stdin, timeout_s), self._running_loop())
        try:
            return job.result(timeout_s + 2 * self.target.connect_timeout_s)
        except concurrent.futures.TimeoutError:
            job.cancel()
            raise NoAnswerError(f"{command_name(argv)} on {self.where}: no answer") from None

    def close(self) -> None:
        """Close the connection and end the thread; the next `run` starts anew."""
        with self._guard:
            loop, self._loop = self._loop, None
        if loop is None or self._process != os.getpid():
            return
        asyncio.run_coroutine_threadsafe(self._disconnect(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._guard:
            if self._loop is None or self._process != os.getpid():  # threads do not survive a fork
                self._loop, self._process, self._connection = asyncio.new_event_loop(), os.getpid(), None
                self._opening, self._sessions = asyncio.Lock(), asyncio.Semaphore(_SESSIONS)
                threading.Thread(target=self._loop.run_forever, name=f"ssh {self.where}", daemon=True).start()
            return self._loop

    async def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            await self._connection.wait_closed()
            self._connection = None

    async def _run(self, argv: Sequence[str], stdin: str, timeout_s: float) -> Result:
        import asyncssh

        name = command_name(argv)
        async with self._sessions:
            connection = await self._connected()
            try:
                done = await connection.run(
                    self._prefix + shlex.join(argv), input=stdin, timeout=timeout_s, encoding="utf-8", errors="replace"
                )
            except asyncssh.ChannelOpenError as error:
                self._drop(connection)
                raise NotReachedError(f"{self.where} opened no session for {name}: {error}", again=True) from error
            except asyncssh.TimeoutError as error:
                raise NoAnswerError(f"{name} on {self.where} gave no answer within {timeout_s:g} s") from error
            except (asyncssh.Error, OSError) as error:
                self._drop(connection)
                raise NoAnswerError(f"the connection to {self.where} was lost during {name}: {error}") from error
        if done.exit_status is None or done.exit_status < 0:
            if connection.is_closed():
                self._drop(connection)
            raise NoAnswerError(f"{name} on {self.where} was cut off before its end; the connection may be lost")
        return Result(done.exit_status, str(done.stdout or ""), str(done.stderr or ""))

    def _drop(self, connection: asyncssh.SSHClientConnection) -> None:
        connection.abort()
        if self._connection is connection:
            self._connection = None

    async def _connected(self) -> asyncssh.SSHClientConnection:
        async with self._opening:
            if self._connection is None or self._connection.is_closed():
                self._connection = await self._connect()
            return self._connection

    async def _connect(self) -> asyncssh.SSHClientConnection:
        import asyncssh

        # It tells each session of each command, which would drown the log of the task.
        if (chatty := logging.getLogger("asyncssh")).level == logging.NOTSET:
            chatty.setLevel(logging.WARNING)
        options = self._options()
        try:
            return await asyncio.wait_for(asyncssh.connect(**options), self.target.connect_timeout_s)
        except asyncssh.HostKeyNotVerifiable as error:
            raise NotReachedError(
                f"{self.where} is not the machine that we know, or we do not know it ({error}); nothing was sent. Ask "
                "its administrators for its host key and put that into known_hosts of the connection"
            ) from error
        except asyncssh.PermissionDenied as error:
            raise NotReachedError(
                f"{self.where} does not let us in ({error}); check login and private key of the connection"
            ) from error
        except (asyncssh.Error, OSError, TimeoutError) as error:
            text = str(error) or f"no answer within {self.target.connect_timeout_s:g} s"
            raise NotReachedError(f"{self.where} cannot be reached: {text}", again=True) from error

    def _options(self) -> dict[str, Any]:
        import asyncssh

        target = self.target
        options: dict[str, Any] = {
            "host": target.host,
            "port": target.port,
            "config": None,  # the connection says all; ~/.ssh/config of whoever runs Airflow says nothing
            "keepalive_interval": _KEEPALIVE_S,
        }
        if target.login:
            options["username"] = target.login
        if target.known_hosts:
            options["known_hosts"] = self._known_hosts(target.known_hosts)
        try:
            if keys := self._keys():
                options |= {"client_keys": keys, "agent_path": None}
            elif target.password:
                options["password"] = target.password
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, OSError) as error:
            raise NotReachedError(f"the private key for {self.where} cannot be read: {error}") from error
        return options

    def _known_hosts(self, known: str) -> asyncssh.SSHKnownHosts:
        import asyncssh

        try:
            # A path has no blanks; a line of known_hosts has at least two.
            text = known if " " in known.strip() else Path(known).expanduser().read_text()
            return asyncssh.import_known_hosts(text)
        except (OSError, ValueError) as error:
            raise NotReachedError(
                f"the known_hosts of the connection to {self.where} cannot be read ({error}); nothing was sent"
            ) from error

    def _keys(self) -> list[asyncssh.SSHKey]:
        import asyncssh

        target, keys = self.target, []
        if target.private_key:
            # Forms and secret stores like to turn line ends into the two characters \n.
            text = target.private_key.replace("\\n", "\n").strip() + "\n"
            keys.append(asyncssh.import_private_key(text, target.password))
        if target.private_key_file:
            keys.append(asyncssh.read_private_key(Path(target.private_key_file).expanduser(), target.password))
        return keys
