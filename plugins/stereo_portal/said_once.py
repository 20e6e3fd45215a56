"""What was done, said once: on the page that follows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from airflow.api_fastapi.app import get_cookie_path
from itsdangerous import BadSignature

from stereo_portal.sent_form import signer

if TYPE_CHECKING:
    from fastapi import Request, Response

_COOKIE = "stereo_done"
_AGE_S = 60
_MOST_LETTERS = 2000
"""A browser keeps cookies of 4 kB."""


def say_once(request: Request, response: Response, lines: Iterable[str]) -> None:
    """Let the next page say something."""
    said, room = [], _MOST_LETTERS
    for line in lines:
        said.append(line[:room])
        room -= len(said[-1])
    response.set_cookie(
        _COOKIE, signer("done").dumps(said), max_age=_AGE_S, path=get_cookie_path(), httponly=True, samesite="strict",
        secure=request.url.scheme == "https",
    )  # fmt: skip


def said_before(request: Request) -> list[str]:
    """Return what the page before wants to be said; it is to be forgotten with the answer."""
    try:
        return [str(line) for line in signer("done").loads(request.cookies.get(_COOKIE, ""), max_age=_AGE_S)]
    except BadSignature:
        return []


def forget_said(response: Response) -> None:
    """Let no other page say it."""
    response.delete_cookie(_COOKIE, path=get_cookie_path(), httponly=True, samesite="strict")
