"""Telling Airflow that published DL3 changed, where no run of `process_night` does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stereo_tasks.airflow_api.client import site_api
from stereo_tasks.airflow_api.errors import AirflowApiError
from stereo_tasks.nights import Night

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stereo_tasks.processing.overruling import Followed
    from stereo_tasks.settings import Settings

STEREO_DL3 = "stereo_dl3"


def announce_published(
    settings: Settings, night: Night, source: str, production: str | None, folder: Path
) -> Iterator[str]:
    """Report the night's partition of the asset of published DL3 as changed, so that what follows it runs.

    Parameters
    ----------
    settings : Settings
        Of the site.
    night : Night
        Which night of the source changed.
    source : str
        The source.
    production : str or None
        Name of the production; the site's default if not given.
    folder : pathlib.Path
        What users read.

    Yields
    ------
    str
        Why Airflow could not be told; nothing if it was.
    """
    extra = {"source": source, "production": settings.production(production).name, "path": str(folder)}
    try:
        with site_api(settings) as api:
            api.request_partition(STEREO_DL3, night.partition_key, extra=extra)
    except AirflowApiError as error:
        yield f"what follows published DL3 is not told, it runs with the next publication: {error}"


def announce_followed(settings: Settings, done: Followed) -> Iterator[str]:
    """Say what is published with a decision on a run, and report it as changed."""
    yield from (f"published with it: {folder}" for folder in done.published)
    if done.problem:
        yield f"the published index does not say so yet: {done.problem}"
    elif not done.published:
        yield "no published index has to follow"
    for folder in done.published[:1]:
        run = done.run
        yield from announce_published(settings, Night(run.night), run.source, run.production, folder)
