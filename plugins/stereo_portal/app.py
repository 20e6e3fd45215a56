"""The pages, for people who are logged in to Airflow."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from airflow.api_fastapi.core_api.security import requires_authenticated
from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, select_autoescape

from stereo_portal.error_pages import add_error_pages
from stereo_portal.headers import HEADERS, QA_POLICY, SafeHeaders
from stereo_portal.paused import paused_dags
from stereo_portal.qa_page import read_page

LAST_NIGHTS = 30
AT_MOST = 200
ALARM_NIGHTS = 50
"""So many nights are looked at for alarms: a backfill of years must not make every page slow."""


def create_app() -> FastAPI:
    """Build the application; every route asks for a login."""
    app = FastAPI(title="Nights", dependencies=[Depends(requires_authenticated())], docs_url=None, openapi_url=None)
    pages = Environment(loader=PackageLoader("stereo_portal"), autoescape=select_autoescape(default=True))
    pages.filters["utc"] = _utc
    pages.filters["stable"] = _stable

    def render(name: str, status: int = 200, **values: Any) -> HTMLResponse:
        return HTMLResponse(pages.get_template(name).render(**values), status, headers=HEADERS)

    app.add_middleware(SafeHeaders)
    add_error_pages(app, render)

    @app.get("/", response_class=HTMLResponse)
    def nights(
        production: str = "", source: str = "", state: str = "", first: str = "", last: str = "", until: str = ""
    ) -> HTMLResponse:
        """List nights with their states, under the alarms; the last thirty if not asked for others."""
        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.nights import Night
        from stereo_tasks.settings import load_settings
        from stereo_tasks.status import AlarmKind, NightState, alarm_lines, find_alarms, newest_known_night, status_page

        settings, now = load_settings(), dt.datetime.now(dt.UTC)
        name = settings.production(production or None).name
        with Catalog.kept(settings) as catalog:
            begin, end = _range(first, last, now)
            if not (first or last) and (newest := newest_known_night(catalog, name, now)) and newest < begin:
                begin, end = _range("", str(newest), now)  # an old log, as of a demonstration
            page = status_page(
                catalog,
                begin,
                min(end, Night(until)) if until else end,
                settings=settings,
                production=name,
                source=source or None,
                state=NightState(state) if state in list(NightState) else None,
                now=now,
            )
            found = find_alarms(catalog, settings, production=production or None, most_nights=ALARM_NIGHTS, now=now)
        paused = paused_dags()
        # Nobody reads the log while detection is paused: the banner says so, and an alarm would say it twice.
        told = {AlarmKind.LOG_UNREAD} if "detect_nights" in paused else set()
        form = {"production": name, "source": source, "state": state, "first": str(begin), "last": str(end)}
        return render(
            "nights.html",
            table=page.table,
            older=urlencode(form | {"until": str(page.older)}) if page.older else "",
            newest=urlencode(form) if until else "",
            alarms=alarm_lines([alarm for alarm in found if alarm.kind not in told]),
            paused=paused,
            states=list(NightState),
            form=form,
            productions=sorted(settings.productions.productions),
        )

    @app.get("/{production}/{night}", response_class=HTMLResponse)
    def night_page(production: str, night: str) -> HTMLResponse:
        """Show everything that is known of a night."""
        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.nights import Night
        from stereo_tasks.settings import load_settings
        from stereo_tasks.status.night_report import night_report

        settings = load_settings()
        with Catalog.kept(settings) as catalog:
            report = night_report(catalog, Night(night), settings=settings, production=production)
        return render("night.html", report=report, at_most=AT_MOST)

    @app.get("/{production}/{source}/{night}", response_class=HTMLResponse)
    def qa_page(production: str, source: str, night: str) -> HTMLResponse:
        """Show the QA page of a night and source."""
        page = read_page(_output(), production, source, night)
        return HTMLResponse(page, headers=HEADERS | {"Content-Security-Policy": QA_POLICY})

    return app


def _range(first: str, last: str, now: dt.datetime) -> tuple[Any, Any]:
    """Return the nights to show: the last thirty, or thirty up to or from the one that is given."""
    from stereo_tasks.nights import FIRST_NIGHT, Night
    from stereo_tasks.status import newest_night

    span = dt.timedelta(days=LAST_NIGHTS - 1)
    if not last:
        end = newest_night(now)
        if first and Night(first) > end:
            end = Night(first)
    else:
        end = Night(last)
    begin = Night(first) if first else Night(max(end.evening - span, FIRST_NIGHT))
    return min(begin, end), max(begin, end)


def _utc(time: dt.datetime | None) -> str:
    return f"{time.astimezone(dt.UTC):%Y-%m-%d %H:%M}" if time else ""


def _stable(folder: str) -> str:
    from stereo_tasks.products.publication import stable_path

    return stable_path(folder)


def _output() -> Path:
    from stereo_tasks.settings import load_settings

    return load_settings().site.paths.output
