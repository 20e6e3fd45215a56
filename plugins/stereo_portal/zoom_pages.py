"""Pages of the output tree in a frame of ours, in which their plots zoom.

A frame cannot lead the tab away, and its page goes nowhere but within this site.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request  # FastAPI looks the annotations up
from fastapi.responses import HTMLResponse

from stereo_portal.headers import FRAME_POLICY
from stereo_portal.night_pages import output_folder
from stereo_portal.qa_page import read_page
from stereo_portal.season_files import read_season_page

if TYPE_CHECKING:
    from stereo_portal.pages import Pages

_PART = re.compile(r"[a-z0-9-]{1,40}", re.ASCII)
"""A part of a page to begin with; what can be none is left out."""


def zoom_pages(pages: Pages) -> APIRouter:
    """Return the routes: each is the address of a page of the output tree, and ``/zoom``."""
    router = APIRouter()

    @router.get("/{production}/{source}/{night}/zoom", response_class=HTMLResponse)
    def zooming_qa_page(request: Request, production: str, source: str, night: str, at: str = "") -> HTMLResponse:
        """Show the QA page of a night and source in a frame, in which its plots zoom."""
        read_page(output_folder(), production, source, night)
        above = (f"../../{night}", f"Night of {night[:4]}-{night[4:6]}-{night[6:]}")
        return _framed(pages, request, night, above, f"QA page of {source}", at)

    @router.get("/seasons/{production}/{source}/{of}/zoom", response_class=HTMLResponse)
    def zooming_season_results(request: Request, production: str, source: str, of: str, at: str = "") -> HTMLResponse:
        """Show the page of a season in a frame, in which its plots zoom."""
        read_season_page(output_folder(), production, source, of)
        return _framed(pages, request, of, (f"../../{source}", f"Season of {source}"), f"Analysis of {source}", at)

    return router


def _framed(pages: Pages, request: Request, name: str, above: tuple[str, str], title: str, at: str) -> HTMLResponse:
    part = f"#{at}" if _PART.fullmatch(at) else ""
    answer = pages.render(request, "zoom.html", address=f"../{name}", above=above, framed=title, part=part)
    answer.headers["Content-Security-Policy"] = FRAME_POLICY
    return answer
