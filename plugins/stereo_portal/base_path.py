"""From an address without the path that Airflow is served at to the one with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class ToBasePath:
    """Middleware that sends browsers on: without the path, Airflow's interface is an empty page.

    Parameters
    ----------
    app : ASGI application
        What answers all other requests.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a browser that lacks the path; hand on what else there is."""
        base = str(scope.get("root_path", ""))
        if base and scope["type"] == "http" and _is_lost(scope, base):
            query = scope["query_string"].decode("latin-1")
            # One slash: two would be the address of another host.
            address = f"{base}/{str(scope['path']).lstrip('/')}" + (f"?{query}" if query else "")
            await RedirectResponse(address)(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _is_lost(scope: Scope, base: str) -> bool:
    path = str(scope["path"])
    reads = scope["method"] == "GET" and "text/html" in Headers(scope=scope).get("accept", "")
    return reads and path != base and not path.startswith(f"{base}/")
