"""Telling Airflow that published DL3 changed, where no run of `process_night` does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stereo_tasks.airflow_api.client import site_api
from stereo_tasks.airflow_api.errors import AirflowApiError

if TYPE_CHECKING:
    from stereo_tasks.nights import Night
    from stereo_tasks.settings import Settings

STEREO_DL3 = "stereo_dl3"


def announce_published(settings: Settings, night: Night, source: str, production: str, folder: Path) -> str:
    """Report the night's partition of the asset of published DL3 as changed, so that what follows it runs.

    Returns
    -------
    str
        Why Airflow could not be told; empty if it was.
    """
    extra = {"source": source, "production": production, "path": str(folder)}
    try:
        with site_api(settings) as api:
            api.request_partition(STEREO_DL3, night.partition_key, extra=extra)
    except AirflowApiError as error:
        return str(error)
    return ""
