"""Where SLURM's commands are run: on this machine. `ssh` has the same for another one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airflow_slurm.errors import NoAnswerError, NotReachedError

_KEPT = ("HOME", "USER", "LOGNAME")
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True, slots=True)
class Result:
    """What a command that ran to its end has said."""

    code: int
    stdout: str
    stderr: str


class Transport(ABC):
    """A way to run a command on a machine of the cluster."""

    where: str
    """The machine, for people."""

    def close(self) -> None:
        """Give up what is kept open; there may be nothing."""
        return

    @abstractmethod
    def run(self, argv: Sequence[str], *, stdin: str = "", timeout_s: float = 30.0) -> Result:
        """Run a command to its end.

        Parameters
        ----------
        argv : sequence of str
            Program and arguments.
        stdin : str
            What it reads.
        timeout_s : float
            After this time it is given up, in seconds.

        Raises
        ------
        NotReachedError
            If the command was certainly not started.
        NoAnswerError
            If it was started, or may have been, and its end is not known.
        """


class CommandTransport(Transport):
    """Run commands on this machine, which must have SLURM's commands and its configuration.

    They see nothing of the environment of Airflow, which holds secrets and may hold options for `sbatch`.

    Parameters
    ----------
    slurm_conf : str, optional
        Path of ``slurm.conf``; otherwise what the environment says, or where SLURM looks by itself.
    bin_folder : str, optional
        Folder of SLURM's commands, if they are not on the path.
    """

    where = "this machine"

    def __init__(self, slurm_conf: str | None = None, bin_folder: str | None = None) -> None:
        path = f"{os.environ.get('PATH', '')}:{_SYSTEM_PATH}".lstrip(":")
        self._environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        self._environment |= {"PATH": f"{bin_folder}:{path}" if bin_folder else path, "LANG": "C.UTF-8"}
        self._conf = slurm_conf or os.environ.get("SLURM_CONF")
        if self._conf:
            self._environment["SLURM_CONF"] = self._conf

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout_s: float = 30.0) -> Result:
        """Run a command to its end."""
        if self._conf and not Path(self._conf).exists():  # SLURM's commands would wait a minute for it
            raise NotReachedError(f"{self._conf} is not there: say in the connection where slurm.conf is", again=True)
        try:
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._environment,
                cwd=Path("/"),
                start_new_session=True,  # a Ctrl-C meant for us must not cut off a submission
                text=True,
                errors="replace",
            )
        except OSError as error:
            raise NotReachedError(
                f"{argv[0]} cannot be started on this machine ({error}); install SLURM's commands, say in the "
                "connection where they are (bin_folder), or give a host that has them"
            ) from error
        try:
            stdout, stderr = process.communicate(stdin, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise NoAnswerError(f"{command_name(argv)} gave no answer within {timeout_s:g} s") from None
        finally:
            if process.poll() is None:
                _kill(process)
        if process.returncode < 0:
            raise NoAnswerError(f"{command_name(argv)} was ended by signal {-process.returncode}")
        return Result(process.returncode, stdout, stderr)


def command_name(argv: Sequence[str]) -> str:
    """Return which program a command line runs, behind ``env`` and its settings."""
    return next((word for word in argv if word != "env" and "=" not in word), "the command")


def _kill(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
