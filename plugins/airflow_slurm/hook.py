"""Airflow's connection to a SLURM cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.hook import BaseHook

from airflow_slurm.client import SlurmClient
from airflow_slurm.connection import SlurmSettings

if TYPE_CHECKING:
    from airflow.sdk import Connection


class SlurmHook(BaseHook):
    """A SLURM cluster, through its commands on this machine or on one that is reached through SSH.

    Parameters
    ----------
    slurm_conn_id : str
        Airflow's connection to the cluster.
    """

    conn_name_attr = "slurm_conn_id"
    default_conn_name = "slurm_default"
    conn_type = "slurm"
    hook_name = "SLURM"

    def __init__(self, slurm_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.slurm_conn_id = slurm_conn_id
        self._settings: SlurmSettings | None = None
        self._client: SlurmClient | None = None

    def settings(self) -> SlurmSettings:
        """Return what the connection says."""
        if self._settings is None:
            self._settings = read_connection(self.get_connection(self.slurm_conn_id))
        return self._settings

    @property
    def installation(self) -> str:
        """The name that marks our jobs."""
        return self.settings().installation

    def client(self) -> SlurmClient:
        """Return the cluster; the same object at each call, for it may keep a connection open."""
        if self._client is None:
            self._client = self.settings().client()
        return self._client

    def get_conn(self) -> SlurmClient:
        """Return the cluster."""
        return self.client()

    def test_connection(self) -> tuple[bool, str]:
        """Say whether the cluster answers, for the button of that name in Airflow's interface."""
        try:
            settings = self.client().settings
        except (OSError, RuntimeError, ValueError) as error:
            return False, str(error)
        accounting = "with" if self.client().has_accounting else "without"
        name, version = settings.get("ClusterName", "?"), settings.get("SLURM_VERSION", "?")
        return (
            True,
            f"cluster {name}, SLURM {version}, {accounting} accounting, through {self.client().transport.where}",
        )


def read_connection(connection: Connection) -> SlurmSettings:
    """Return what a connection says, for those who have fetched it already."""
    extra: dict[str, Any] = connection.extra_dejson
    return SlurmSettings.read(
        host=connection.host,
        port=connection.port,
        login=connection.login,
        password=connection.password,
        extra=extra,
    )
