"""The pages, for people who are logged in to Airflow."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from airflow.api_fastapi.core_api.security import requires_authenticated
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, select_autoescape

from stereo_portal.qa_page import find_page

# A page runs no script and loads nothing: the login's cookie is readable for scripts of this origin.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'self'"
QA_POLICY = f"{_POLICY}; form-action 'none'"
POLICY = f"{_POLICY}; form-action 'self'"
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
        return HTMLResponse(pages.get_template(name).render(**values), status, headers=_headers(POLICY))

    guarded = _guard(render)

    @app.get("/", response_class=HTMLResponse)
    @guarded("./")
    def nights(
        production: str = "", source: str = "", state: str = "", first: str = "", last: str = ""
    ) -> HTMLResponse:
        """List nights with their states, under the alarms; the last thirty if not asked for others."""
        from stereo_tasks.settings import load_settings
        from stereo_tasks.status import (
            NightState,
            alarm_lines,
            find_alarms,
            kept_connection,
            newest_known_night,
            status_table,
        )

        settings, now = load_settings(), dt.datetime.now(dt.UTC)
        with kept_connection() as engine:
            begin, end = _range(first, last, now)
            if not (first or last) and (newest := newest_known_night(now, engine=engine)) and newest < begin:
                begin, end = _range("", str(newest), now)  # an old log, as of a demonstration
            table = status_table(
                begin,
                end,
                settings=settings,
                production=production or None,
                sources=[source] if source else (),
                states=[NightState(state)] if state in list(NightState) else (),
                now=now,
                engine=engine,
            )
            alarms = alarm_lines(find_alarms(settings, production=production or None, now=now, engine=engine))
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
    @guarded("../")
    def one_night(production: str, night: str) -> HTMLResponse:
        """Show everything that is known of a night."""
        from stereo_tasks.nights import Night
        from stereo_tasks.settings import load_settings
        from stereo_tasks.status import kept_connection
        from stereo_tasks.status.story import night_story

        with kept_connection() as engine:
            story = night_story(Night(night), settings=load_settings(), production=production, engine=engine)
        return render("night.html", story=story, at_most=AT_MOST)

    @app.get("/{production}/{source}/{night}", response_class=HTMLResponse)
    def qa_page(production: str, source: str, night: str) -> HTMLResponse:
        """Show the QA page of a night and source."""
        page = find_page(_output(), production, source, night)
        if page is None:
            raise HTTPException(404, "there is no QA page of this night and source")
        return HTMLResponse(page.read_text(), headers=_headers(QA_POLICY))

    return app


def _guard(render: Callable[..., HTMLResponse]) -> Callable[[str], Callable[..., Any]]:
    """Return a decorator: what a person can mend is said on a page, with the way back to `home`."""

    def guarded(home: str) -> Callable[..., Any]:
        def decorate(page: Callable[..., HTMLResponse]) -> Callable[..., HTMLResponse]:
            @wraps(page)
            def answer(**values: Any) -> HTMLResponse:
                from stereo_tasks.catalog.errors import CatalogError
                from stereo_tasks.nights import BadNightError
                from stereo_tasks.settings import SettingsError

                try:
                    return page(**values)
                except CatalogError as error:
                    return render(
                        "error.html",
                        503,
                        title="The catalog cannot be reached",
                        text=str(error),
                        what_to_do="An operator can say more with `stereo doctor` on the machine of the site.",
                    )
                except (BadNightError, SettingsError) as error:
                    return render("error.html", 404, title="There is no such page", text=str(error), home=home)

            return answer

        return decorate

    return guarded


def _headers(policy: str) -> dict[str, str]:
    return {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


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
