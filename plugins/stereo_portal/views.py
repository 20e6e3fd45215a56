"""From Airflow's interface to the portal: an entry of the menu, and a tab of each run.

Airflow 3.3.2 shows a plugin's page in a frame that lets no link out and no login in; an external page on top of the
menu is a button without a link. What works is a component of its own interface that goes on to the page.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from stereo_portal.qa_page import NoPageError

_ROUTE = "open.js"
_MENU, _TAB = "Nights", "Night"
# Of one file for both: Airflow looks a component up by its name, and imports the file once.
_SCRIPT = f"""\
globalThis["{_MENU}"] = globalThis["{_TAB}"] = ({{ runId }}) => {{
  const page = runId === undefined ? "nights/" : `nights/run?id=${{encodeURIComponent(runId)}}`;
  location.replace(new URL(page, document.baseURI));
  return null;
}};
"""
# Without a leading slash the address survives a reverse proxy.
VIEWS: list[dict[str, Any]] = [
    {
        "name": _MENU,
        "bundle_url": f"nights/{_ROUTE}",
        "destination": "nav",
        "url_route": "nights",
        "nav_top_level": True,
    },
    {"name": _TAB, "bundle_url": f"nights/{_ROUTE}", "destination": "dag_run", "url_route": "night"},
]


def view_routes() -> APIRouter:
    """Return the routes."""
    router = APIRouter()

    @router.get(f"/{_ROUTE}", response_class=Response)
    def script() -> Response:
        """Give Airflow's interface the component."""
        return Response(_SCRIPT, media_type="text/javascript")

    @router.get("/run", response_class=HTMLResponse)
    def night_of_run(request: Request, id: str) -> Response:
        """Lead to the night of a run of `process_night`."""
        from stereo_portal.run_notes import night_of_run

        found = night_of_run(id)
        if found is None:
            raise NoPageError("this run is of no night: only runs of process_night are")
        return RedirectResponse(f"./{found[1]}/{found[0].lst_date}")

    return router
