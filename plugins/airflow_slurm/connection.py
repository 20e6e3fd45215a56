"""What one of Airflow's connections says about a cluster."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from airflow_slurm.client import SlurmClient
from airflow_slurm.ssh import SshTarget, SshTransport
from airflow_slurm.transport import CommandTransport, Transport

_POLL_INTERVAL_S = 5.0
_YES = ("1", "true", "yes", "on")


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmSettings:
    """A cluster, and how it is reached."""

    host: str | None = None
    """Machine that has SLURM's commands and is reached through SSH; None for this machine."""
    port: int = 22
    login: str | None = None
    password: str | None = None
    slurm_conf: str | None = None
    bin_folder: str | None = None
    known_hosts: str | None = None
    private_key_file: str | None = None
    private_key: str | None = None
    poll_interval_s: float = _POLL_INTERVAL_S
    state_folder: str | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    requeue: bool = False
    installation: str = "airflow"
    job_url: str | None = None

    @classmethod
    def read(
        cls, *, host: str | None, port: Any, login: str | None, password: str | None, extra: Mapping[str, Any]
    ) -> SlurmSettings:
        """Read the parts of a connection; empty fields of its form count as not given.

        Raises
        ------
        ValueError
            If a field does not exist or has a value that it cannot have.
        """
        given = {name: value for name, value in extra.items() if value not in (None, "")}
        known = {field.name for field in fields(cls)} - {"host", "port", "login", "password"}
        if unknown := given.keys() - known:
            raise ValueError(
                f"the connection has extra fields that nobody reads: {', '.join(sorted(unknown))}; "
                f"there are {', '.join(sorted(known))}"
            )
        try:
            given["poll_interval_s"] = float(given.get("poll_interval_s", _POLL_INTERVAL_S))
            given["requeue"] = str(given.get("requeue", False)).lower() in _YES
            settings = cls(
                host=host or None, port=int(port or 22), login=login or None, password=password or None, **given
            )
        except (TypeError, ValueError) as error:
            raise ValueError(f"the connection has a value of the wrong kind: {error}") from error
        if settings.poll_interval_s <= 0 or "|" in settings.installation:
            raise ValueError(
                "the connection needs a poll_interval_s above 0 s, and no | in the name of the installation"
            )
        return settings

    def transport(self) -> Transport:
        """Return the way to the cluster."""
        if self.host is None:
            return CommandTransport(self.slurm_conf, self.bin_folder)
        target = SshTarget(
            host=self.host,
            login=self.login,
            port=self.port,
            known_hosts=self.known_hosts,
            private_key_file=self.private_key_file,
            private_key=self.private_key,
            password=self.password,
        )
        return SshTransport(target, self.slurm_conf, self.bin_folder)

    def client(self) -> SlurmClient:
        """Return the cluster."""
        return SlurmClient(self.transport())

    def view_folder(self) -> Path:
        """Return the folder of the view that all processes of this machine share, one for each cluster and user."""
        base = self.state_folder or Path(tempfile.gettempdir()) / f"airflow-slurm-{os.getuid()}"
        conf = self.slurm_conf or (os.environ.get("SLURM_CONF") if self.host is None else None)
        identity = "\n".join(str(part) for part in (self.host, self.port, self.login, conf, self.installation))
        return Path(base) / hashlib.sha256(identity.encode()).hexdigest()[:16]
