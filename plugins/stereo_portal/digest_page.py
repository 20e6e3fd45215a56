"""The morning digest as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from stereo_portal.night_pages import ALARM_NIGHTS

if TYPE_CHECKING:
    from stereo_portal.pages import Pages


def digest_page(pages: Pages) -> APIRouter:
    """Return the route."""
    router = APIRouter()

    @router.get("/digest", response_class=HTMLResponse)
    def digest(request: Request, production: str = "") -> HTMLResponse:
        """Show what the morning digest would say now."""
        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.settings import load_settings
        from stereo_tasks.status.digest import morning_digest

        settings = load_settings()
        with Catalog.kept(settings) as catalog:
            found = morning_digest(catalog, settings, production=production or None, most_nights=ALARM_NIGHTS)
        return pages.render(request, "digest.html", here="Digest", digest=found)

    return router
