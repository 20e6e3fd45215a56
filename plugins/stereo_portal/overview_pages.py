"""Pages over many nights: calendar, runs, trends, seasons."""

from __future__ import annotations

import calendar
import datetime as dt
from itertools import chain
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse

from stereo_portal.filters import LEVELS, AskedWrongError, RangeForm, RunForm
from stereo_portal.headers import HEADERS, qa_headers
from stereo_portal.permission import MayDecide
from stereo_portal.plot import draw_trend
from stereo_portal.run_table import csv_parts
from stereo_portal.season_files import read_season_page, season_sets

if TYPE_CHECKING:
    from stereo_portal.pages import Pages
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.nights import Night


def overview_pages(pages: Pages) -> APIRouter:
    """Return the routes."""
    router = APIRouter()

    @router.get("/calendar", response_class=HTMLResponse)
    def year_page(request: Request, year: str = "", production: str = "", source: str = "") -> HTMLResponse:
        """Show a year of nights by state, and where the observed time went."""
        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.settings import load_settings
        from stereo_tasks.status.calendar import year_of

        settings, now = load_settings(), dt.datetime.now(dt.UTC)
        name = settings.production(production or None).name
        with Catalog.kept(settings) as catalog:
            newest = _newest_night(catalog, name, now)
            shown = _year(year) if year else newest.evening.year
            found = year_of(catalog, settings, shown, production=name, source=source or None, now=now)
        total = sum(found.hours.values())
        return pages.render(
            request,
            "calendar.html",
            here="Calendar",
            found=found,
            months=[(calendar.month_name[month], _weeks(shown, month)) for month in range(1, 13)],
            hours=[(cause, hours, 100 * hours / total) for cause, hours in found.hours.items()],
            form={"production": name, "source": source},
            productions=sorted(settings.productions.productions),
        )

    @router.get("/runs", response_class=HTMLResponse)
    def runs_page(
        request: Request,
        may: MayDecide,
        asked: Annotated[RunForm, Depends()],
        until: str = "",
    ) -> HTMLResponse:
        """List runs with their verdicts, newest first."""
        from dataclasses import replace

        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.nights import Night
        from stereo_tasks.settings import load_settings
        from stereo_tasks.status.run_page import months_of, run_page

        settings = load_settings()
        name, wanted = settings.production(asked.production or None).name, asked.wanted()
        with Catalog.kept(settings) as catalog:
            page = run_page(catalog, name, replace(wanted, last=Night(until)) if until else wanted)
            months = months_of(catalog, name)
        form = asked.fields(name)
        return pages.render(
            request,
            "runs.html",
            here="Runs",
            may=may,
            page=page,
            good=[run.run for run in page.runs if run.effective == LEVELS[0]],
            months=[(of, month, urlencode(_month(of, month, name))) for of, month in months.items()],
            older=urlencode(form | {"until": str(page.older)}) if page.older else "",
            query=urlencode(form),
            newest=bool(until),
            form=form,
            levels=LEVELS,
            productions=sorted(settings.productions.productions),
        )

    @router.get("/runs.csv")
    def runs_csv(asked: Annotated[RunForm, Depends()]) -> Response:
        """Give all runs that fit as a table for other programs."""
        from stereo_tasks.settings import load_settings

        settings = load_settings()
        parts = csv_parts(settings, settings.production(asked.production or None).name, asked.wanted())
        # What is wrong with the catalog is known with the first part: the answer has not begun then.
        text = chain([next(parts)], parts)
        headers = HEADERS | {"Content-Disposition": 'attachment; filename="runs.csv"'}
        return StreamingResponse(text, media_type="text/csv; charset=utf-8", headers=headers)

    @router.get("/trends", response_class=HTMLResponse)
    def trends_page(request: Request, asked: Annotated[RangeForm, Depends()], metric: str = "") -> HTMLResponse:
        """Draw a metric over the nights."""
        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.nights import Night
        from stereo_tasks.settings import load_settings
        from stereo_tasks.status.run_page import months_of
        from stereo_tasks.status.trends import default_range, metric_names, trend

        settings, now = load_settings(), dt.datetime.now(dt.UTC)
        name = settings.production(asked.production or None).name
        with Catalog.kept(settings) as catalog:
            begin, end = default_range(Night(asked.last) if asked.last else _newest_night(catalog, name, now))
            begin = Night(asked.first) if asked.first else begin
            begin, end = min(begin, end), max(begin, end)
            names = metric_names(catalog, name)
            chosen = metric or next(iter(names), "")
            found = trend(catalog, name, chosen, begin, end, source=asked.source or None) if chosen else None
            if found and found.points and not asked.first:
                begin = found.points[0].night
            sources = tuple(months_of(catalog, name))
        return pages.render(
            request,
            "trends.html",
            here="Trends",
            found=found,
            plot=draw_trend(found, begin, end, f"{name}/") if found and found.points else "",
            form={"production": name, "metric": chosen, "source": asked.source, "first": str(begin), "last": str(end)},
            metrics=names,
            sources=sources,
            productions=sorted(settings.productions.productions),
        )

    @router.get("/seasons", response_class=HTMLResponse)
    def seasons_page(request: Request, production: str = "") -> HTMLResponse:
        """List the sources of which there are published nights or results over many of them."""
        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.settings import load_settings
        from stereo_tasks.status.seasons import seasons

        settings = load_settings()
        name = settings.production(production or None).name
        with Catalog.kept(settings) as catalog:
            found = seasons(catalog, name)
        return pages.render(
            request, "seasons.html", here="Seasons", found=found, production=name,
            productions=sorted(settings.productions.productions),
        )  # fmt: skip

    @router.get("/seasons/{production}/{source}", response_class=HTMLResponse)
    def season_page(request: Request, production: str, source: str) -> HTMLResponse:
        """Show a source over all its nights."""
        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.settings import load_settings
        from stereo_tasks.status.seasons import season

        settings = load_settings()
        name = settings.production(production).name
        with Catalog.kept(settings) as catalog:
            found = season(catalog, name, source)
        output = settings.site.paths.output
        return pages.render(
            request, "season.html", here="Seasons", found=found, production=name, source=source,
            sets=season_sets(output, name, source),
        )  # fmt: skip

    @router.get("/seasons/{production}/{source}/{of}", response_class=HTMLResponse)
    def season_results(request: Request, production: str, source: str, of: str) -> HTMLResponse:
        """Show the page that the analysis of a season has left."""
        from stereo_tasks.settings import load_settings

        page = read_season_page(load_settings().site.paths.output, production, source, of)
        return HTMLResponse(page, headers=qa_headers(request))

    return router


def _newest_night(catalog: Catalog, production: str, now: dt.datetime) -> Night:
    from stereo_tasks.status import newest_known_night, newest_night

    return newest_known_night(catalog, production, now) or newest_night(now)


def _year(text: str) -> int:
    from stereo_tasks.nights import FIRST_NIGHT

    if not (text.isascii() and text.isdigit() and FIRST_NIGHT.year <= int(text) <= 2099):
        raise AskedWrongError(f"{text[:20]!r} is no year of ours: write one from {FIRST_NIGHT.year} on")
    return int(text)


def _weeks(year: int, month: int) -> list[list[dt.date | None]]:
    days = calendar.Calendar().itermonthdates(year, month)
    cells = [day if day.month == month else None for day in days]
    return [cells[begin : begin + 7] for begin in range(0, len(cells), 7)]


def _month(source: str, month: str, production: str) -> dict[str, str]:
    year, number = map(int, month.split("-"))
    last = calendar.monthrange(year, number)[1]
    return {
        "production": production, "source": source, "first": f"{month}-01", "last": f"{month}-{last:02d}",
        "level": LEVELS[0],
    }  # fmt: skip
