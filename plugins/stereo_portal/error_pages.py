"""What went wrong, on a page that says what to do."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from stereo_portal.qa_page import NoPageError
from stereo_tasks.errors import StereoError

if TYPE_CHECKING:
    from fastapi import FastAPI, Request
    from fastapi.responses import HTMLResponse

_log = logging.getLogger(__name__)
NO_CATALOG = "An operator can say more with `stereo doctor` on the machine of the site."
UNEXPECTED = "The log of the api-server has the reason; an operator can look at it with `stereo doctor`."


def add_error_pages(app: FastAPI, render: Callable[..., HTMLResponse]) -> None:
    """Answer every error with a page.

    Parameters
    ----------
    app : FastAPI
        The application.
    render : callable
        Makes an answer of a template's name, a status and values.
    """

    def page(request: Request, status: int, title: str, text: object, what_to_do: str = "") -> HTMLResponse:
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        home = "../" * (path.count("/") - 1) or "./"
        return render("error.html", status, title=title, text=str(text), what_to_do=what_to_do, home=home)

    def no_page(request: Request, error: Exception) -> HTMLResponse:
        return page(request, 404, "There is no such page", error)

    def for_users(request: Request, error: Exception) -> HTMLResponse:
        from stereo_tasks.catalog.errors import CatalogError

        if isinstance(error, CatalogError):
            return page(request, 503, "The catalog cannot be reached", error, NO_CATALOG)
        return no_page(request, error)

    def refused(request: Request, error: Exception) -> HTMLResponse:
        assert isinstance(error, HTTPException)  # noqa: S101 - for mypy
        answer = page(request, error.status_code, HTTPStatus(error.status_code).phrase, error.detail)
        answer.headers.update(error.headers or {})
        return answer

    def not_understood(request: Request, error: Exception) -> HTMLResponse:
        return page(request, 422, "This address is not understood", "a part of it has a value that cannot be")

    def unexpected(request: Request, error: Exception) -> HTMLResponse:
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
