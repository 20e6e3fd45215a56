"""The programs that a cluster needs, and where they come from."""

from __future__ import annotations

import os
import shutil
import subprocess

from airflow_slurm.private_cluster.errors import PrivateClusterError

SLURM = {
    "slurmctld": "slurm-wlm",
    "slurmd": "slurm-wlm",
    "sbatch": "slurm-wlm",
    "munged": "munge",
}
"""Program to Debian package, of every cluster."""

ACCOUNTING = {
    "slurmdbd": "slurmdbd",
    "mariadbd": "mariadb-server-core",
    "mariadb-install-db": "mariadb-server-core",
    "mariadb": "mariadb-client-core",
}
"""Program to Debian package, of a cluster with accounting."""

# Daemons are in the folders of the administrator, which an ordinary user's search path may lack.
_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def search_path() -> str:
    """Return the search path with the folders of daemons at its end."""
    known = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join([*known, *(folder for folder in _FOLDERS if folder not in known)])


def program(name: str) -> str:
    """Return the path of a program.

    Raises
    ------
    PrivateClusterError
        If it is not installed.
    """
    path = shutil.which(name, path=search_path())
    if path is None:
        package = (SLURM | ACCOUNTING).get(name, name)
        raise PrivateClusterError(f"{name} is not installed: apt-get install {package}")
    return path


def missing_packages(*, accounting: bool) -> list[str]:
    """Return the packages that have to be installed, by their names in Debian."""
    needed = SLURM | (ACCOUNTING if accounting else {})
    return sorted({package for name, package in needed.items() if shutil.which(name, path=search_path()) is None})


def require_packages(*, accounting: bool) -> None:
    """Install what is missing where that is possible: as root, with apt.

    Raises
    ------
    PrivateClusterError
        If packages are missing and cannot be installed; the text names them.
    """
    missing = missing_packages(accounting=accounting)
    if not missing:
        return
    by_hand = f"apt-get install {' '.join(missing)}"
    apt = shutil.which("apt-get", path=search_path())
    if apt is None or os.geteuid() != 0:
        raise PrivateClusterError(f"SLURM is not complete on this machine: as root, `{by_hand}`")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *missing]):
        done = subprocess.run([apt, "-qq", *command], env=environment, capture_output=True, text=True, check=False)
        if done.returncode and command[0] == "install":
            raise PrivateClusterError(f"`{by_hand}` failed:\n{done.stdout}{done.stderr}")
