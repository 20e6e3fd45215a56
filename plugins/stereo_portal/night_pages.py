"""The list of nights, and the pages of a night."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from stereo_portal.airflow_runs import run_address, tasks_of
from stereo_portal.decisions import DECISIONS, run_name
from stereo_portal.headers import qa_headers
from stereo_portal.paused import paused_dags
from stereo_portal.permission import MayDecide
from stereo_portal.qa_page import NoPageError, read_page
from stereo_portal.safe_files import NotReadError, tail_within
from stereo_portal.said_once import forget_said, said_before
from stereo_tasks.status.elements import elements_of

if TYPE_CHECKING:
    from stereo_portal.pages import Pages
    from stereo_tasks.catalog.records import Trouble
    from stereo_tasks.status.night_report import NightReport

LAST_NIGHTS = 30
AT_MOST = 200
MOST_ELEMENTS = 2000
ALARM_NIGHTS = 50
"""So many nights are looked at for alarms: a backfill of years must not make every page slow."""
TAILS = 3
"""Elements of a source whose logs are on the page of the night."""
TAIL_BYTES = 6_000
RUNS_WITH_TASKS = 5
"""The newest runs of a night whose tasks are listed."""


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of the log of an element in trouble."""

    element: Trouble
    text: str


def night_pages(pages: Pages) -> APIRouter:
    """Return the routes."""
    router = APIRouter()

    @router.get("/", response_class=HTMLResponse)
    def nights(
        request: Request,
        may: MayDecide,
        production: str = "",
        source: str = "",
        state: str = "",
        first: str = "",
        last: str = "",
        until: str = "",
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
        return pages.render(
            request,
            "nights.html",
            here="Nights",
            may=may,
            table=page.table,
            older=urlencode(form | {"until": str(page.older)}) if page.older else "",
            newest=urlencode(form) if until else "",
            alarms=alarm_lines([alarm for alarm in found if alarm.kind not in told]),
            paused=paused,
            states=[choice.value for choice in NightState],
            form=form,
            productions=sorted(settings.productions.productions),
        )

    @router.get("/{production}/{night}", response_class=HTMLResponse)
    def night_page(request: Request, production: str, night: str, may: MayDecide) -> HTMLResponse:
        """Show everything that is known of a night."""
        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.catalog.known_nights import neighbours
        from stereo_tasks.nights import Night
        from stereo_tasks.settings import load_settings
        from stereo_tasks.status.checklist import checklist
        from stereo_tasks.status.night_report import night_report

        settings, of = load_settings(), Night(night)
        with Catalog.kept(settings) as catalog:
            report = night_report(catalog, of, settings=settings, production=production)
            previous, following = neighbours(catalog, report.production, of)
        output = settings.site.paths.output
        done = said_before(request)
        answer = pages.render(
            request,
            "night.html",
            report=report,
            done=done,
            decisions=DECISIONS if may else (),
            run_name=run_name,
            previous=previous,
            following=following,
            checks=checklist(report),
            tails={summary.source: _tails(summary.troubles, output) for summary in report.summaries},
            tasks=tasks_of(run.run_id for run in report.runs[-RUNS_WITH_TASKS:]),
            run_address=run_address,
            datasets=_datasets(report, output),
            at_most=AT_MOST,
            **_in_words(report),
        )
        if done:
            forget_said(answer)
        return answer

    @router.get("/{production}/{night}/elements", response_class=HTMLResponse)
    def elements_page(request: Request, production: str, night: str, source: str) -> HTMLResponse:
        """List the elements of a source of a night."""
        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.nights import Night
        from stereo_tasks.settings import load_settings

        settings, of = load_settings(), Night(night)
        with Catalog.kept(settings) as catalog:
            found = elements_of(catalog, of, settings.production(production).name, source)
        values: dict[str, Any] = {"elements": found, "night": of, "source": source, "at_most": MOST_ELEMENTS}
        return pages.render(request, "elements.html", **values)

    @router.get("/{production}/{night}/element", response_class=HTMLResponse)
    def element_page(request: Request, production: str, night: str, source: str, name: str) -> HTMLResponse:
        """Show an element: what became of it, the end of its log, its record."""
        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.nights import Night
        from stereo_tasks.settings import load_settings

        settings, of = load_settings(), Night(night)
        with Catalog.kept(settings) as catalog:
            found = elements_of(catalog, of, settings.production(production).name, source, element=name)
        if not found:
            raise NoPageError("the latest plan of this night and source has no record of such an element")
        output = settings.site.paths.output
        log, record = (_shown(path, output) for path in (found[0].log, found[0].record_path))
        return pages.render(request, "element.html", element=found[0], night=of, log=log, record=record)

    @router.get("/{production}/{source}/{night}", response_class=HTMLResponse)
    def qa_page(request: Request, production: str, source: str, night: str) -> HTMLResponse:
        """Show the QA page of a night and source."""
        return HTMLResponse(read_page(output_folder(), production, source, night), headers=qa_headers(request))

    return router


def output_folder() -> Path:
    """Return the output tree of the site."""
    from stereo_tasks.settings import load_settings

    return load_settings().site.paths.output


def _in_words(report: NightReport) -> dict[str, Any]:
    """Return the sources that need somebody, and in a few words how the others stand."""
    from stereo_tasks.status import NightState

    quiet = (NightState.DONE, NightState.NOT_TAKEN, NightState.NOTHING, NightState.UPCOMING)
    troubles = [status for status in report.sources if status.state not in quiet or status.qa == "bad"]
    return {
        "troubles": troubles,
        "calm": [f"{status.source or 'the night'} is {status.state}" for status in report.sources],
    }


def _tails(troubles: Iterable[Trouble], output: Path) -> list[Tail]:
    """Return the ends of the logs of the first elements that failed or are held."""
    bad = [trouble for trouble in troubles if trouble.state in ("failed", "held")]
    return [Tail(trouble, _shown(trouble.log, output, TAIL_BYTES)) for trouble in bad[:TAILS]]


def _shown(path: str, output: Path, *most_bytes: int) -> str:
    if not path:
        return ""
    try:
        return tail_within(path, output, *most_bytes)
    except NotReadError as error:
        return f"It is not shown: {error}."


def _datasets(report: NightReport, output: Path) -> dict[str, str]:
    """Return the folders of data sets that there are, by source."""
    from stereo_tasks.products.dataset_tree import FOLDER

    folders = {
        status.source: output / report.production / status.source / FOLDER for status in report.sources if status.source
    }
    return {source: str(folder) for source, folder in folders.items() if folder.is_dir()}


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
