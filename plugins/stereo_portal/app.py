"""The pages, for people who are logged in to Airflow."""

from __future__ import annotations

from airflow.api_fastapi.core_api.security import requires_authenticated
from fastapi import Depends, FastAPI

from stereo_portal.addresses import OrdinaryAddresses
from stereo_portal.decision_pages import decision_pages
from stereo_portal.digest_page import digest_page
from stereo_portal.error_pages import add_error_pages
from stereo_portal.headers import SafeHeaders
from stereo_portal.night_pages import night_pages
from stereo_portal.overview_pages import overview_pages
from stereo_portal.pages import Pages
from stereo_portal.views import view_routes
from stereo_portal.zoom_pages import zoom_pages


def create_app() -> FastAPI:
    """Build the application; every route asks for a login."""
    app = FastAPI(title="Nights", dependencies=[Depends(requires_authenticated())], docs_url=None, openapi_url=None)
    pages = Pages()
    # The one that is added last is the outermost: what the others answer has its headers.
    app.add_middleware(OrdinaryAddresses)
    app.add_middleware(SafeHeaders)
    add_error_pages(app, pages)
    # Of two that fit an address the first one answers.
    app.include_router(view_routes())
    app.include_router(overview_pages(pages))
    app.include_router(digest_page(pages))
    app.include_router(decision_pages(pages))
    app.include_router(night_pages(pages))
    app.include_router(zoom_pages(pages))
    return app
