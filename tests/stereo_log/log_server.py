"""A real web server with one sheet: ETag, redirects, and every bad answer that servers give."""

from __future__ import annotations

import gzip
import hashlib
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LOGIN_PAGE = b"<!DOCTYPE html><html><title>Sign in</title><body>Date,Source</body></html>"


class SheetServer:
    """Serves `content` at ``/export``; `answer` replaces the answer."""

    def __init__(self) -> None:
        self.content = b""
        self.validators = ("ETag", "Last-Modified")
        self.modified = "Sat, 01 Oct 2022 12:00:00 GMT"
        self.answer: Callable[[BaseHTTPRequestHandler], None] | None = None
        self.requests: list[dict[str, str]] = []
        self.statuses: list[int] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.content).hexdigest()[:16]}"'

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"{self.base}/export?format=csv&key=secret"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def unchanged(self, headers: Any) -> bool:
        return ("ETag" in self.validators and headers.get("If-None-Match") == self.etag) or (
            "Last-Modified" in self.validators and headers.get("If-Modified-Since") == self.modified
        )


def _handler(sheet: SheetServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            sheet.requests.append(dict(self.headers))
            if self.path.startswith("/edit"):
                redirect(self, "/hop")
            elif self.path.startswith("/hop"):
                redirect(self, "/export")
            elif self.path.startswith("/loop"):
                redirect(self, "/loop")
            elif sheet.answer is not None:
                sheet.answer(self)
            elif sheet.unchanged(self.headers):
                send(self, b"", status=304)
            else:
                values = {"ETag": sheet.etag, "Last-Modified": sheet.modified}
                send(self, sheet.content, headers={name: values[name] for name in sheet.validators})

        def send_response(self, code: int, message: str | None = None) -> None:
            sheet.statuses.append(code)
            super().send_response(code, message)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def send(
    handler: BaseHTTPRequestHandler,
    body: bytes,
    status: int = 200,
    headers: dict[str, str] | None = None,
    length: int | None = None,
) -> None:
    handler.send_response(status)
    for name, value in {"Content-Type": "text/csv", **(headers or {})}.items():
        handler.send_header(name, value)
    if status != 304:
        handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)
    if length is not None:
        handler.close_connection = True


def redirect(handler: BaseHTTPRequestHandler, target: str) -> None:
    send(handler, b"moved", status=307, headers={"Location": target})


def status(code: int) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda handler: send(handler, b"sorry", status=code)


def body(content: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda handler: send(handler, content)


def broken_off(content: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda handler: send(handler, content[: len(content) // 2], length=len(content))


def without_length(content: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    """Answer as old servers do: the end of the connection is the end of the content."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(content)
        handler.close_connection = True

    return answer


def slowly(content: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    """Send a byte now and then, so that no single read takes long."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        try:
            for byte in content:
                handler.wfile.write(bytes([byte]))
                time.sleep(0.05)
        except OSError:  # the client has had enough
            handler.close_connection = True

    return answer


def silent(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(1.0)
    handler.close_connection = True


def zipped(content: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda handler: send(handler, gzip.compress(content), headers={"Content-Encoding": "gzip"})
