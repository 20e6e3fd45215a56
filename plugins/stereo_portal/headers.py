"""What every answer of the portal tells the browser: run nothing, load nothing, keep nothing.

The pages live on Airflow's origin, where the login's cookie is. Text in them comes from the stereo log and from logs of
jobs, and a QA page is a file of the output tree, which others than the site's operators may write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders

from stereo_tasks.zoom.policy import script_sources

if TYPE_CHECKING:
    from fastapi import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_NOTHING = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'self'"
PAGE_POLICY = f"{_NOTHING}; form-action 'self'"
# A page of a sandbox has an origin of its own, and neither scripts nor `meta refresh`, forms, popups.
QA_POLICY = f"sandbox; {_NOTHING}; form-action 'none'"
# In our frame, which it cannot leave, it may run the two scripts that make plots zoom; as a page of its own it may not:
# there, `allow-scripts` would also let a `meta refresh` lead the whole tab away, cookies and all.
FRAMED_POLICY = f"sandbox allow-scripts; {_NOTHING}; {script_sources()}; form-action 'none'"
FRAME_POLICY = f"{PAGE_POLICY}; frame-src 'self'"
HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    # With none at all, browsers would not say either that a form comes from here.
    "Referrer-Policy": "same-origin",
}


def qa_headers(request: Request) -> dict[str, str]:
    """Return the headers of a page of the output tree; browsers say themselves whether it stands in a frame."""
    framed = request.headers.get("Sec-Fetch-Dest") == "iframe"
    return HEADERS | {"Content-Security-Policy": FRAMED_POLICY if framed else QA_POLICY}


class SafeHeaders:
    """Middleware that gives the headers to each answer that has not got them.

    Parameters
    ----------
    app : ASGI application
        What answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, with the headers."""

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_safely)
