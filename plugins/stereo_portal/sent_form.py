"""Forms that a person sends: small, from a page of this site, and from that person's own.

A browser sends the login's cookie with whatever another site makes it send. So a form counts only if the browser says
that it comes from here, and if it carries a token that only our page had: signed by this site, for this user and form.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.configuration import conf
from fastapi import Depends, Request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from stereo_portal.permission import NotAllowedError

MOST_BYTES = 20_000
_AGE_S = 12 * 3600
_TOKEN = "token"  # noqa: S105 - the name of a field
_KIND = "application/x-www-form-urlencoded"
_AGAIN = "Open the form again, on the page of the night"


class FormError(Exception):
    """A form cannot be read; the text says why."""


def signer(purpose: str) -> URLSafeTimedSerializer:
    """Return what signs texts with the key of Airflow's api-servers, so that each of them knows those of the others."""
    return URLSafeTimedSerializer(conf.get_mandatory_value("api", "secret_key"), salt=f"stereo_portal {purpose}")


def form_token(request: Request, user: GetUserDep) -> str:
    """Return the token of a form: for this user and this address, for half a day."""
    return signer("form").dumps([user.get_id(), request.scope["path"]])


FormToken = Annotated[str, Depends(form_token)]


async def sent_form(request: Request, user: GetUserDep) -> dict[str, str]:
    """Return the fields of a form that a user has sent; under an empty name why it cannot be read.

    Raises
    ------
    NotAllowedError
        If it does not come from a form of ours, or from that of somebody else.
    """
    if not _is_from_here(request):
        raise NotAllowedError(f"this does not come from a page of this site. {_AGAIN}")
    try:
        values = await _read(request)
    except FormError as error:
        return {"": str(error)}
    try:
        of = signer("form").loads(values.pop(_TOKEN, ""), max_age=_AGE_S)
    except BadSignature:  # or too old
        of = None
    if of != [user.get_id(), request.scope["path"]]:
        raise NotAllowedError(f"this is no form of yours, or it is older than half a day. {_AGAIN}")
    return values


SentForm = Annotated[dict[str, str], Depends(sent_form)]


def _is_from_here(request: Request) -> bool:
    """Tell whether the browser says so. Without https it only names the origin, and a proxy may change our own name."""
    if (site := request.headers.get("sec-fetch-site")) is not None:
        return site == "same-origin"
    origin = urlsplit(request.headers.get("origin", "")).netloc
    ours = {request.headers.get("host", ""), urlsplit(conf.get("api", "base_url", fallback="")).netloc}
    return origin in ours - {""}


async def _read(request: Request) -> dict[str, str]:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _KIND:
        raise FormError("this is no form")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise FormError(f"the form has more than {MOST_BYTES // 1000} kB: write less")
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=20, errors="strict")
    except ValueError:
        raise FormError("the form cannot be read: send it from its page") from None
    values = dict(fields)
    if len(values) < len(fields) or any("\0" in text for field in fields for text in field):
        raise FormError("the form has a field twice, or a NUL in it: send it from its page")
    return values
