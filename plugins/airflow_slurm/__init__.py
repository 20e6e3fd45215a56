"""Arrays of jobs for Airflow: submitted as one, watched with one poll, repaired job by job, cancelled with the task."""

from __future__ import annotations

from typing import Any

VERSION = "0.3.1"


def get_provider_info() -> dict[str, Any]:
    """Describe this provider to Airflow (entry point ``apache_airflow_provider``)."""
    return {
        # Airflow refuses a provider whose name is not that of the distribution which carries it.
        "package-name": "airflow-slurm-arrays",
        "name": "SLURM arrays",
        "description": "Arrays of jobs on `SLURM <https://slurm.schedmd.com/>`__, with repair of single jobs.",
        "state": "ready",
        "versions": [VERSION],
        "integrations": [
            {
                "integration-name": "SLURM",
                "external-doc-url": "https://slurm.schedmd.com/documentation.html",
                "tags": ["software"],
            }
        ],
        "operators": [{"integration-name": "SLURM", "python-modules": ["airflow_slurm.operator"]}],
        "hooks": [{"integration-name": "SLURM", "python-modules": ["airflow_slurm.hook"]}],
        "triggers": [{"integration-name": "SLURM", "python-modules": ["airflow_slurm.trigger"]}],
        "connection-types": [
            {
                "connection-type": "slurm",
                "hook-class-name": "airflow_slurm.hook.SlurmHook",
                "hook-name": "SLURM",
                "ui-field-behaviour": _BEHAVIOUR,
                "conn-fields": _FIELDS,
            }
        ],
        "extra-links": ["airflow_slurm.links.JobLink"],
    }


def _text(label: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": ["string", "null"], **schema}}


_BEHAVIOUR = {
    "hidden-fields": ["schema", "extra"],
    "relabeling": {
        "host": "Host (SSH; empty: SLURM's commands on this machine)",
        "port": "Port (SSH)",
        "login": "Login (SSH)",
        "password": "Password of the private key, or of the login",
    },
    "placeholders": {"host": "login.cluster.example", "port": "22"},
}

_FIELDS = {
    "slurm_conf": _text("slurm.conf", "Path of slurm.conf on that host, if SLURM does not find it by itself."),
    "bin_folder": _text("Folder of the commands", "Where sbatch, squeue and so on are, if not on the path."),
    "known_hosts": _text(
        "Known hosts",
        "Path of a known_hosts file, or its lines. The host key is always checked; empty: ~/.ssh/known_hosts.",
        format="multiline",
    ),
    "private_key_file": _text("Private key file", "Path of a private key on the machines of Airflow."),
    "private_key": _text("Private key", "Text of a private key, instead of a file.", format="multiline"),
    "poll_interval_s": {
        "label": "Poll interval (s)",
        "description": "How often the cluster is asked for all jobs, however many tasks wait.",
        "schema": {"type": ["number", "null"], "default": 5, "exclusiveMinimum": 0},
    },
    "state_folder": _text(
        "State folder", "Local folder where the processes of one machine share what they know; not on NFS."
    ),
    "partition": _text("Partition", "For arrays that do not name one."),
    "account": _text("Account", "For arrays that do not name one."),
    "qos": _text("QOS", "For arrays that do not name one."),
    "requeue": {
        "label": "Requeue",
        "description": "Let SLURM start jobs anew by itself after the failure of a node or a preemption.",
        "schema": {"type": ["boolean", "null"], "default": False},
    },
    "installation": _text(
        "Installation", "Marks the jobs of this Airflow in their comment; others leave them alone.", default="airflow"
    ),
    "job_url": _text("Page of a job", "Address of a page about a job, with {job_id} in it."),
}
