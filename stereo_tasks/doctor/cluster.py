"""Where arrays run."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

from stereo_tasks.doctor.finding import Finding, green, red, yellow
from stereo_tasks.settings import Settings

_LIMIT_S = 20.0
_USABLE = ("idle", "mix", "alloc", "comp")


def cluster(settings: Settings) -> Iterator[Finding]:
    """Check where arrays run: on this machine, or by SLURM's own commands; a private cluster is the local site's."""
    if settings.site.runs_on == "local":
        yield _local(settings.site.workers)
    elif not settings.site.slurm.private:
        yield from slurm(dict(os.environ))


def _local(workers: int) -> Finding:
    cores = len(os.sched_getaffinity(0))
    text = f"this machine: {workers} jobs at a time on {cores} cores"
    if workers > cores:
        return yellow("cluster", text, f"set workers in config/site.yaml to {cores} or less")
    return green("cluster", text)


def slurm(environment: dict[str, str]) -> Iterator[Finding]:
    """Ask the controller whether it works, and which nodes do.

    Parameters
    ----------
    environment : dict
        Of SLURM's commands; ``SLURM_CONF`` says which cluster.
    """
    if missing := [name for name in ("scontrol", "sinfo", "sbatch", "squeue") if shutil.which(name) is None]:
        yield yellow(
            "cluster",
            f"this machine has no {', '.join(missing)}",
            "install SLURM's commands; if the cluster is reached through SSH, test its connection in Airflow instead",
        )
        return
    ping = _ask(environment, "scontrol", "ping")
    if ping.returncode or " UP" not in ping.stdout.upper():
        answer = " | ".join((ping.stdout + ping.stderr).split("\n")).strip(" |") or "no answer"
        yield red("cluster", f"slurmctld does not answer: {answer}", "see slurmctld's log; is SLURM_CONF right?")
        return
    yield green("cluster", ping.stdout.strip().splitlines()[0])
    nodes = _ask(environment, "sinfo", "--Node", "--noheader", "--format=%N|%a|%T")
    if nodes.returncode:
        yield red("cluster", f"sinfo fails: {nodes.stderr.strip()}", "look at slurmctld's log")
        return
    usable, other = _count(nodes.stdout)
    if not usable:
        yield red("cluster nodes", f"none of {other} can be used", "see `sinfo -R`; resume nodes with scontrol")
    elif other:
        yield yellow("cluster nodes", f"{usable} can be used, {other} cannot", "see `sinfo -R` for the reasons")
    else:
        yield green("cluster nodes", f"{usable} can be used")


def _count(text: str) -> tuple[int, int]:
    """Count the nodes that can be used and the others; a node of several partitions has as many lines."""
    usable: dict[str, bool] = {}
    for line in text.splitlines():
        node, available, state = line.split("|")
        # A trailing character says more of a node: * does not answer, ~ is asleep, $ is reserved.
        works = available == "up" and state.startswith(_USABLE) and not state.endswith("*")
        usable[node] = works or usable.get(node, False)
    return sum(usable.values()), len(usable) - sum(usable.values())


def _ask(environment: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
