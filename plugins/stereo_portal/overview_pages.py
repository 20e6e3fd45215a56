"""Pages over many nights: calendar, runs, trends, seasons."""

from __future__ import annotations

import calendar
import csv
import datetime as dt
import io
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from stereo_portal.headers import HEADERS, qa_headers
from stereo_portal.permission import MayDecide
from stereo_portal.plot import draw_trend
from stereo_portal.season_files import read_season_page, season_sets
from stereo_tasks.errors import StereoError

if TYPE_CHECKING:
    from stereo_portal.pages import Pages
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.nights import Night
    from stereo_tasks.status.run_page import RunFilter

LEVELS = ("good", "warning", "bad")
CSV_COLUMNS = (
    "production", "night", "source", "run", "zenith_deg", "live_time_s", "qa", "counts", "overruled_by", "why",
    "published",
)  # fmt: skip


class AskedWrongError(StereoError):
    """A value of a form that means nothing; the text says what it should be."""


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
        production: str = "",
        source: str = "",
        first: str = "",
        last: str = "",
        level: str = "",
        zenith_min: str = "",
        zenith_max: str = "",
        until: str = "",
    ) -> HTMLResponse:
        """List runs with their verdicts, newest first."""
        from dataclasses import replace

        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.nights import Night
        from stereo_tasks.settings import load_settings
        from stereo_tasks.status.run_page import months_of, run_page

        settings = load_settings()
        name = settings.production(production or None).name
        wanted = _wanted(source, first, last, level, zenith_min, zenith_max)
        with Catalog.kept(settings) as catalog:
            page = run_page(catalog, name, replace(wanted, last=Night(until)) if until else wanted)
            months = months_of(catalog, name)
        form = {
            "production": name, "source": source, "first": first, "last": last, "level": level,
            "zenith_min": zenith_min, "zenith_max": zenith_max,
        }  # fmt: skip
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
    def runs_csv(
        production: str = "",
        source: str = "",
        first: str = "",
        last: str = "",
        level: str = "",
        zenith_min: str = "",
        zenith_max: str = "",
    ) -> Response:
        """Give all runs that fit as a table for other programs."""
        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.settings import load_settings
        from stereo_tasks.status.runs import list_runs

        settings = load_settings()
        name = settings.production(production or None).name
        wanted = _wanted(source, first, last, level, zenith_min, zenith_max)
        with Catalog.kept(settings) as catalog:
            found = list_runs(catalog, name, source=wanted.source, first=wanted.first, last=wanted.last)
        text = io.StringIO()
        table = csv.writer(text)
        table.writerow(CSV_COLUMNS)
        for run in filter(wanted.fits, found):
            by = run.overruled.by if run.overruled else ""
            row = (name, run.night, run.source, run.run, run.zenith_deg, run.live_time_s, run.level, run.effective, by,
                   run.why, run.published)  # fmt: skip
            table.writerow([_plain(cell) for cell in row])
        headers = HEADERS | {"Content-Disposition": 'attachment; filename="runs.csv"'}
        return Response(text.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)

    @router.get("/trends", response_class=HTMLResponse)
    def trends_page(
        request: Request, production: str = "", metric: str = "", source: str = "", first: str = "", last: str = ""
    ) -> HTMLResponse:
        """Draw a metric over the nights."""
        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.nights import Night
        from stereo_tasks.settings import load_settings
        from stereo_tasks.status.run_page import months_of
        from stereo_tasks.status.trends import default_range, metric_names, trend

        settings, now = load_settings(), dt.datetime.now(dt.UTC)
        name = settings.production(production or None).name
        with Catalog.kept(settings) as catalog:
            begin, end = default_range(Night(last) if last else _newest_night(catalog, name, now))
            begin = Night(first) if first else begin
            begin, end = min(begin, end), max(begin, end)
            names = metric_names(catalog, name)
            chosen = metric or next(iter(names), "")
            found = trend(catalog, name, chosen, begin, end, source=source or None) if chosen else None
            if found and found.points and not first:
                begin = found.points[0].night
            sources = tuple(months_of(catalog, name))
        return pages.render(
            request,
            "trends.html",
            here="Trends",
            found=found,
            plot=draw_trend(found, begin, end, f"{name}/") if found and found.points else "",
            form={"production": name, "metric": chosen, "source": source, "first": str(begin), "last": str(end)},
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


def _wanted(source: str, first: str, last: str, level: str, zenith_min: str, zenith_max: str) -> RunFilter:
    from stereo_tasks.catalog.values import plain
    from stereo_tasks.nights import Night
    from stereo_tasks.status.run_page import RunFilter

    begin, end = (Night(text) if text else None for text in (first, last))
    if begin and end and begin > end:
        begin, end = end, begin
    low, high = (_degrees(text) for text in (zenith_min, zenith_max))
    return RunFilter(plain(source) or None, begin, end, level if level in LEVELS else None, low, high)


def _degrees(text: str) -> float | None:
    try:
        value = float(text) if text else None
    except ValueError:
        value = float("nan")
    if value is not None and not 0 <= value <= 180:
        raise AskedWrongError(f"{text[:20]!r} is no zenith distance: write degrees, such as 35")
    return value


def _month(source: str, month: str, production: str) -> dict[str, str]:
    year, number = map(int, month.split("-"))
    last = calendar.monthrange(year, number)[1]
    return {
        "production": production, "source": source, "first": f"{month}-01", "last": f"{month}-{last:02d}",
        "level": LEVELS[0],
    }  # fmt: skip


def _plain(cell: Any) -> Any:
    """Keep a text from being a formula where a spreadsheet opens the file."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
