"""The batch script of an array: from its number in the array, each job finds its elements, log and environment."""

from __future__ import annotations

import re
import shlex

from airflow_slurm.array import ArraySpec
from airflow_slurm.local import THREADS

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TOKEN = re.compile(r"[A-Za-z0-9._-]+")

_TEXT = """\
#!/bin/bash
# Jobs {first} to {last} of the array {token}.
export PATH=/usr/local/bin:/usr/bin:/bin
: "${{HOME:=$(cd ~ 2>/dev/null && pwd)}}"
export HOME
jobs=({jobs})
job=$(({first} + SLURM_ARRAY_TASK_ID))
elements=(${{jobs[SLURM_ARRAY_TASK_ID]}})
log={log_folder}/{name}_"${{elements[0]}}".log
cd {log_folder} || exit
exec >>"$log" 2>&1 </dev/null || exit
printf "%s\n" {heading}"${{elements[*]}}"
{environment}
export ARRAY_JOB="$job" ARRAY_LOG="$log"
exec {command} "${{elements[@]}}"
"""


def check(spec: ArraySpec) -> None:
    """Refuse what cannot be said to SLURM or to a shell.

    Raises
    ------
    ValueError
        If the token, the name or the name of a variable is not allowed.
    """
    for what, text in (("token", spec.token), ("name", spec.name)):
        if not _TOKEN.fullmatch(text):
            raise ValueError(f"the {what} of an array has letters, digits and ._- only: {text!r}")
    for name, value in spec.env.items():
        if not _NAME.fullmatch(name) or "\0" in value:
            raise ValueError(f"the variable {name!r} cannot be set: letters, digits and _ in names, no zero bytes")


def batch_script(spec: ArraySpec, first: int, count: int) -> str:
    """Return the script for some jobs of an array.

    A job gets what `ArraySpec` says: `job_command`, `job_env`, and `log_file` with `log_heading` first. The shell is
    replaced by the command, so that exit code and signal are the command's own.

    Parameters
    ----------
    spec : ArraySpec
        The array.
    first : int
        Number of the first job.
    count : int
        Number of jobs.
    """
    jobs = [" ".join(map(str, elements)) for elements in spec.jobs[first : first + count]]
    # The parts of a heading and an environment that all jobs have in common; what differs are the elements.
    environment = dict.fromkeys(THREADS, str(spec.cpus)) | spec.job_env(first)
    return _TEXT.format(
        token=spec.token,
        first=first,
        last=first + count - 1,
        jobs=" ".join(f'"{elements}"' for elements in jobs),
        log_folder=shlex.quote(str(spec.log_folder)),
        name=spec.name,
        heading=shlex.quote(spec.log_heading(first).removesuffix(jobs[0])),
        environment="\n".join(f"export {name}={shlex.quote(value)}" for name, value in environment.items()),
        command=shlex.join(spec.command),
    )
