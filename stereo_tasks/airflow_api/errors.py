"""The error of this room."""

from __future__ import annotations

from stereo_tasks.errors import StereoError


class AirflowApiError(StereoError):
    """Airflow does not run, does not answer, or refuses; the text says what to do."""
