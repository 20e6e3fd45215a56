"""The pages, for people who are logged in to Airflow."""

from __future__ import annotations

from pathlib import Path

from airflow.api_fastapi.core_api.security import requires_authenticated
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, select_autoescape

from stereo_portal.reports import Report, find_page, newest_reports

# A page runs no script and loads nothing: the login's cookie is readable for scripts of this origin.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
HEADERS = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


def _output() -> Path:
    from stereo_tasks.settings import load_settings

    return load_settings().site.paths.output


def create_app() -> FastAPI:
    """Build the application; every route asks for a login."""
    app = FastAPI(title="Nights", dependencies=[Depends(requires_authenticated())], docs_url=None, openapi_url=None)
    pages = Environment(loader=PackageLoader("stereo_portal"), autoescape=select_autoescape(default=True))

    @app.get("/", response_class=HTMLResponse)
    def nights() -> HTMLResponse:
        """List the newest nights with their verdicts."""
        reports: list[Report] = newest_reports(_output())
        return HTMLResponse(pages.get_template("nights.html").render(reports=reports), headers=HEADERS)

    @app.get("/{production}/{source}/{night}", response_class=HTMLResponse)
    def report(production: str, source: str, night: str) -> HTMLResponse:
        """Show the QA page of a night and source."""
        page = find_page(_output(), production, source, night)
        if page is None:
            raise HTTPException(404, "there is no QA page of this night and source")
        return HTMLResponse(page.read_text(), headers=HEADERS)

    return app
