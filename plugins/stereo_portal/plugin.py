"""The plugin: *Browse > Nights* in Airflow's menu, and the schedule of `request_nights`."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from stereo_portal.app import create_app
from stereo_portal.timetable import OnRequest

PREFIX = "/nights"


class StereoPortalPlugin(AirflowPlugin):
    """Pages of the nights."""

    name = "stereo_portal"
    fastapi_apps = [{"app": create_app(), "url_prefix": PREFIX, "name": "Nights"}]  # noqa: RUF012
    # Without a leading slash the address survives a reverse proxy.
    external_views = [  # noqa: RUF012
        {"name": "Nights", "href": "nights/", "destination": "nav", "category": "browse", "url_route": "nights"},
    ]
    timetables = [OnRequest]  # noqa: RUF012
