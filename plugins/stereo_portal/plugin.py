"""The plugin: *Nights* in Airflow's menu, links from tasks to their night, and the schedule of `request_nights`."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from stereo_portal import run_notes
from stereo_portal.app import create_app
from stereo_portal.base_path import ToBasePath
from stereo_portal.night_link import NightLink
from stereo_portal.timetable import OnRequest
from stereo_portal.views import VIEWS

PREFIX = "/nights"


class StereoPortalPlugin(AirflowPlugin):
    """Pages of the nights."""

    name = "stereo_portal"
    fastapi_apps = [{"app": create_app(), "url_prefix": PREFIX, "name": "Nights"}]  # noqa: RUF012
    fastapi_root_middlewares = [{"middleware": ToBasePath, "args": [], "kwargs": {}, "name": "to the base path"}]  # noqa: RUF012
    react_apps = VIEWS
    global_operator_extra_links = [NightLink()]  # noqa: RUF012
    listeners = [run_notes]  # noqa: RUF012
    timetables = [OnRequest]  # noqa: RUF012
