"""The pages, for people who are logged in to Airflow."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from airflow.api_fastapi.core_api.security import requires_authenticated
from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, select_autoescape

from stereo_portal.error_pages import add_error_pages
from stereo_portal.headers import HEADERS, QA_POLICY, SafeHeaders
from stereo_portal.qa_page import read_page

LAST_NIGHTS = 30
AT_MOST = 200
MOST_NIGHTS = 1500
"""More nights than this at once are not shown: four years."""


def create_app() -> FastAPI:
    """Build the application; every route asks for a login."""
    app = FastAPI(title="Nights", dependencies=[Depends(requires_authenticated())], docs_url=None, openapi_url=None)
    pages = Environment(loader=PackageLoader("stereo_portal"), autoescape=select_autoescape(default=True))
    pages.filters["utc"] = _utc

    def render(name: str, status: int = 200, **values: Any) -> HTMLResponse:
        return HTMLResponse(pages.get_template(name).render(**values), status, headers=HEADERS)

    app.add_middleware(SafeHeaders)
    add_error_pages(app, render)

    @app.get("/", response_class=HTMLResponse)
    def nights(
        production: str = "", source: str = "", state: str = "", first: str = "", last: str = ""
    ) -> HTMLResponse:
        """List nights with their states, under the alarms; the last thirty if not asked for others."""
        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.settings import load_settings
        from stereo_tasks.status import (
            NightState,
            alarm_lines,
            find_alarms,
            newest_known_night,
            status_table,
        )

        settings, now = load_settings(), dt.datetime.now(dt.UTC)
        with Catalog.kept(settings) as catalog:
            begin, end = _range(first, last, now)
            if not (first or last) and (newest := newest_known_night(catalog, now)) and newest < begin:
                begin, end = _range("", str(newest), now)  # an old log, as of a demonstration
            table = status_table(
                catalog,
                begin,
                end,
                settings=settings,
                production=production or None,
                sources=[source] if source else (),
                states=[NightState(state)] if state in list(NightState) else (),
                now=now,
            )
            alarms = alarm_lines(find_alarms(catalog, settings, production=production or None, now=now))
        return render(
            "nights.html",
            table=table,
            alarms=alarms,
            states=list(NightState),
            state=state,
            source=source,
            productions=sorted(settings.productions.productions),
        )

    @app.get("/{production}/{night}", response_class=HTMLResponse)
    def night_page(production: str, night: str) -> HTMLResponse:
        """Show everything that is known of a night."""
        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.nights import Night
        from stereo_tasks.settings import load_settings
        from stereo_tasks.status.story import night_story

        settings = load_settings()
        with Catalog.kept(settings) as catalog:
            story = night_story(catalog, Night(night), settings=settings, production=production)
        return render("night.html", story=story, at_most=AT_MOST)

    @app.get("/{production}/{source}/{night}", response_class=HTMLResponse)
    def qa_page(production: str, source: str, night: str) -> HTMLResponse:
        """Show the QA page of a night and source."""
        page = read_page(_output(), production, source, night)
        return HTMLResponse(page, headers=HEADERS | {"Content-Security-Policy": QA_POLICY})

    return app


def _range(first: str, last: str, now: dt.datetime) -> tuple[Any, Any]:
    """Return the nights to show: the last thirty, or thirty up to or from the one that is given."""
    from stereo_tasks.nights import Night
    from stereo_tasks.status import newest_night

    span = dt.timedelta(days=LAST_NIGHTS - 1)
    if not last:
        end = newest_night(now)
        if first and Night(first) > end:
            end = Night(first)
    else:
        end = Night(last)
    begin = Night(first) if first else Night(end.evening - span)
    begin, end = min(begin, end), max(begin, end)
    if (end.evening - begin.evening).days > MOST_NIGHTS:
        begin = Night(end.evening - dt.timedelta(days=MOST_NIGHTS))
    return begin, end


def _utc(time: dt.datetime | None) -> str:
    return f"{time.astimezone(dt.UTC):%Y-%m-%d %H:%M}" if time else ""


def _output() -> Path:
    from stereo_tasks.settings import load_settings

    return load_settings().site.paths.output
