"""Arrays of jobs for Airflow: submitted as one, watched with one poll, repaired job by job, cancelled with the task."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Describe this provider to Airflow (entry point ``apache_airflow_provider``)."""
    return {
        # Airflow refuses a provider whose name is not that of the distribution which carries it.
        "package-name": "stereo-nights",
        "name": "SLURM arrays",
        "description": "Arrays of jobs on SLURM or on one machine, with repair of single jobs.",
        "versions": ["0.1.0"],
    }
