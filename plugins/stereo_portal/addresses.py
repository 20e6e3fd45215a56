"""Addresses that no page of ours has: too long, or with NUL, which no database takes in a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

MOST_BYTES = 4_000
"""Of path and query. A page repeats its address in its links: a long one would make it many times as long."""


class OrdinaryAddresses:
    """Middleware that refuses what is no address of ours, before anything looks at it.

    Parameters
    ----------
    app : ASGI application
        What answers all other requests.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or hand on."""
        path, query = str(scope.get("path", "")), bytes(scope.get("query_string", b""))
        if len(path) + len(query) > MOST_BYTES:
            text = f"This address is too long: those of our pages have less than {MOST_BYTES} bytes.\n"
            await PlainTextResponse(text, 414)(scope, receive, send)
        elif "\0" in path or b"%00" in query or b"\0" in query:
            await PlainTextResponse("Not Found: no address of ours has a NUL in it.\n", 404)(scope, receive, send)
        else:
            await self.app(scope, receive, send)
