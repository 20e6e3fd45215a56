"""Which scripts a page with plots may run: BokehJS and the loader, known by their hashes, and nothing else.

Needs no BokehJS: the portal, which has none, allows the same two. A page of another version of them shows its pictures.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

BOKEH_SHA256 = "IlHYkEP6V8CDKjXAykLaYM5q5hyVvFEwAUDhi/0qy34="
"""Of ``bokeh.min.js`` of the version in ``requirements/``; a test says the new one where bokeh is another."""
LOADER = Path(__file__).with_name("loader.js")


def digest(script: str) -> str:
    """Return the hash of an inline script or style as a Content-Security-Policy has it."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def page_policy() -> str:
    """Return the Content-Security-Policy of a page with plots; BokehJS brings many style sheets of its own."""
    return (
        f"default-src 'none'; img-src data:; {script_sources()}; style-src 'unsafe-inline'; base-uri 'none'; "
        "form-action 'none'"
    )


def script_sources() -> str:
    """Return the directive ``script-src`` of a page with plots."""
    return f"script-src 'sha256-{BOKEH_SHA256}' 'sha256-{digest(LOADER.read_text())}'"
