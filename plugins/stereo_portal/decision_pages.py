"""The pages on which people decide: what will happen, a form, and back to the night."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from stereo_portal.decisions import DECISIONS, Case, Decision
from stereo_portal.permission import Decider
from stereo_portal.said_once import say_once
from stereo_portal.sent_form import FormToken, SentForm
from stereo_tasks.errors import StereoError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stereo_portal.forms import Form
    from stereo_portal.pages import Pages
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.settings import Settings


def decision_pages(pages: Pages) -> APIRouter:
    """Return the routes."""
    router = APIRouter()
    for decision in DECISIONS:
        _add(router, pages, decision)
    return router


def _add(router: APIRouter, pages: Pages, decision: Decision) -> None:
    address = f"/{{production}}/{{night}}/{decision.name}"

    def page(
        request: Request, case: Case, form: Form, token: str, values: Mapping[str, str], problem: str = ""
    ) -> HTMLResponse:
        return pages.render(
            request, "decision.html", 422 if problem else 200, form=form, night=case.night, address=decision.name,
            by=case.by, token=token, values=values, problem=problem,
        )  # fmt: skip

    @router.get(address, response_class=HTMLResponse)
    def ask(request: Request, production: str, night: str, by: Decider, token: FormToken) -> HTMLResponse:
        """Say what will happen, and ask."""
        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.settings import load_settings

        settings = load_settings()
        with Catalog.kept(settings) as catalog:
            case = _case(catalog, settings, production, night, by)
            return page(request, case, decision.form(case), token, dict(request.query_params))

    @router.post(address, response_class=HTMLResponse)
    def decide(
        request: Request, production: str, night: str, by: Decider, values: SentForm, token: FormToken
    ) -> Response:
        """Do it; then lead to the night, or back to the form if it cannot be done."""
        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.catalog.errors import CatalogError
        from stereo_tasks.settings import load_settings

        settings = load_settings()
        with Catalog.kept(settings) as catalog:
            case = _case(catalog, settings, production, night, by)
            form = decision.form(case)
            if problem := form.problem(values):
                return page(request, case, form, token, values, problem)
            try:
                done = list(decision.do(case, {field.name: values.get(field.name, "") for field in form.fields}))
            except CatalogError:
                raise
            except StereoError as error:
                return page(request, case, form, token, values, str(error))
        answer = RedirectResponse(f"../{case.night.lst_date}", 303)
        say_once(request, answer, done)
        return answer


def _case(catalog: Catalog, settings: Settings, production: str, night: str, by: str) -> Case:
    from stereo_tasks.nights import Night

    return Case(catalog, settings, settings.production(production).name, Night(night), by)
