"""Pages from templates: what all of them share."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from stereo_portal.digest_message import add_filters
from stereo_portal.headers import HEADERS

if TYPE_CHECKING:
    from fastapi import Request

    from stereo_tasks.processing.reprocessing import Cost

NAVIGATION = {
    "Nights": "", "Calendar": "calendar", "Runs": "runs", "Trends": "trends", "Seasons": "seasons", "Digest": "digest"
}  # fmt: skip
"""What stands on top of each page, with its address below that of the portal."""


class Pages:
    """Makes pages from the templates of this package; everything that is put in is escaped."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=PackageLoader("stereo_portal"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {"utc": utc, "stable": _stable, "hours": _hours, "marked": _marked, "cost": _cost}
        add_filters(self._templates)

    def render(self, request: Request, name: str, status: int = 200, *, here: str = "", **values: Any) -> HTMLResponse:
        """Return a page.

        Parameters
        ----------
        request : Request
            What is answered: links are relative to its address, so that they survive a reverse proxy.
        name : str
            Of the template.
        status : int
            Of the answer.
        here : str
            Which entry of the navigation this is.
        **values
            For the template.
        """
        home = home_of(request)
        text = self._templates.get_template(name).render(
            home=home, airflow=f"{home}../", pages=NAVIGATION, here=here, **values
        )
        return HTMLResponse(text, status, headers=HEADERS)


def home_of(request: Request) -> str:
    """Return the relative address of the first page of the portal."""
    path = str(request.scope["path"]).removeprefix(request.scope.get("root_path", ""))
    return "../" * (path.count("/") - 1) or "./"


def utc(time: dt.datetime | None) -> str:
    """Return a time for a person, in UTC; empty for None."""
    return f"{time.astimezone(dt.UTC):%Y-%m-%d %H:%M}" if time else ""


def _marked(text: str) -> Markup:
    """Show what stands between backticks as what is typed."""
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else part for number, part in enumerate(text.split("`"))
    )


def _hours(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds / 60:.1f} min" if 0 < seconds < 3600 else f"{seconds / 3600:.1f} h"


def _cost(cost: Cost) -> str:
    if not cost.elements:
        return "nothing"
    hours = "CPU time not known" if cost.cpu_s is None else f"{cost.cpu_s / 3600:.2g} CPU h"
    return f"{cost.elements} elements, {hours}"


def _stable(folder: str) -> str:
    from stereo_tasks.products.publication import stable_path

    return stable_path(folder)
