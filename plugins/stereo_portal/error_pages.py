"""What went wrong, on a page that says what to do."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from fastapi import Response, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from stereo_portal.pages import home_of
from stereo_portal.permission import NotAllowedError
from stereo_portal.qa_page import NoPageError
from stereo_tasks.errors import StereoError

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

    from stereo_portal.pages import Pages

_log = logging.getLogger(__name__)
NO_CATALOG = "An operator can say more with `stereo doctor` on the machine of the site."
UNEXPECTED = "The log of the api-server has the reason; an operator can look at it with `stereo doctor`."
LOGIN = "api/v2/auth/login"
"""Where Airflow sends people to the login of whatever manages its users, and from there back to `next`."""


def add_error_pages(app: FastAPI, pages: Pages) -> None:
    """Answer every error with a page; a browser without a login is sent to it.

    Parameters
    ----------
    app : FastAPI
        The application.
    pages : Pages
        Makes the pages.
    """

    def page(request: Request, code: int, title: str, text: object, what_to_do: str = "") -> Response:
        return pages.render(request, "error.html", code, title=title, text=str(text), what_to_do=what_to_do)

    def no_page(request: Request, error: Exception) -> Response:
        return page(request, 404, "There is no such page", error)

    def for_users(request: Request, error: Exception) -> Response:
        from stereo_tasks.catalog.errors import CatalogError

        if isinstance(error, CatalogError):
            return page(request, 503, "The catalog cannot be reached", error, NO_CATALOG)
        return no_page(request, error)

    def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - for mypy
        if _needs_login(request, error):
            return RedirectResponse(_login(request), status.HTTP_303_SEE_OTHER)
        answer = page(request, error.status_code, HTTPStatus(error.status_code).phrase, error.detail)
        answer.headers.update(error.headers or {})
        return answer

    def not_understood(request: Request, error: Exception) -> Response:
        return page(request, 422, "This address is not understood", "a part of it has a value that cannot be")

    def unexpected(request: Request, error: Exception) -> Response:
        _log.error("%s failed", request.url.path, exc_info=error)
        return page(request, 500, "The page could not be made", type(error).__name__, UNEXPECTED)

    for kind, answer in (
        (NoPageError, no_page),
        (StereoError, for_users),
        (HTTPException, refused),
        (RequestValidationError, not_understood),
        (Exception, unexpected),
    ):
        app.add_exception_handler(kind, answer)


def _needs_login(request: Request, error: HTTPException) -> bool:
    """Tell whether a person in front of a browser has no login that is good for this site."""
    # Airflow's own middleware leaves the user here where the login is valid: a 403 is then about rights.
    known = getattr(request.state, "user", None) is not None
    # A form that was sent is lost: its address leads to a new one after the login.
    reads = request.method in ("GET", "POST") and "text/html" in request.headers.get("accept", "")
    refused = error.status_code in (401, 403) and not isinstance(error, NotAllowedError)
    return reads and refused and not known


def _login(request: Request) -> str:
    # Without the name of the host, which a reverse proxy may have changed.
    back = quote(request.scope["path"])
    if request.url.query:
        back += f"?{request.url.query}"
    return f"{home_of(request)}../{LOGIN}?{urlencode({'next': back})}"
