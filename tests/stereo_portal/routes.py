"""Every route of the portal as the application itself has it, with who may use it and values that fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from fastapi.dependencies.utils import get_flat_dependant
from fastapi.routing import APIRoute
from stereo_portal.app import create_app

# Who may use a route at least: a new one needs a line here.
VIEWER, OPERATOR = "viewer", "op"
WHO = {
    "GET /open.js": VIEWER,
    "GET /run": VIEWER,
    "GET /calendar": VIEWER,
    "GET /runs": VIEWER,
    "GET /runs.csv": VIEWER,
    "GET /trends": VIEWER,
    "GET /seasons": VIEWER,
    "GET /seasons/{production}/{source}": VIEWER,
    "GET /seasons/{production}/{source}/{of}": VIEWER,
    "GET /seasons/{production}/{source}/{of}/zoom": VIEWER,
    "GET /digest": VIEWER,
    "GET /": VIEWER,
    "GET /{production}/{night}": VIEWER,
    "GET /{production}/{night}/elements": VIEWER,
    "GET /{production}/{night}/element": VIEWER,
    "GET /{production}/{source}/{night}": VIEWER,
    "GET /{production}/{source}/{night}/zoom": VIEWER,
} | {
    f"{method} /{{production}}/{{night}}/{name}": OPERATOR
    for method in ("GET", "POST")
    for name in ("hold", "release", "reprocess", "overrule", "lift-overrule", "sign-off", "lift-sign-off", "withdraw",
                 "lift-withdrawal")
}  # fmt: skip
ROLES = ("viewer", "op", "admin")


@dataclass(frozen=True, slots=True)
class Route:
    """A method and an address with gaps."""

    method: str
    path: str
    in_path: tuple[str, ...]
    in_query: tuple[str, ...]
    needed: tuple[str, ...]
    """Those of the query without which it answers nothing."""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_page_of_files(self) -> bool:
        """Whether it shows a file of the output tree as it is."""
        return self.path in ("/{production}/{source}/{night}", "/seasons/{production}/{source}/{of}")

    @property
    def is_frame(self) -> bool:
        """Whether it shows such a file in a frame."""
        return self.path.endswith("/zoom")

    def address(self, fitting: Mapping[str, str], raw: Mapping[str, str] | None = None) -> str:
        """Return an address with values that fit; those of `raw` go in as they are, and the query's are added."""
        raw = raw or {}
        path = self.path
        for name in self.in_path:
            path = path.replace(f"{{{name}}}", raw.get(name, quote(fitting[name], safe="")))
        fields = [urlencode({name: fitting[name]}) for name in self.needed if name not in raw]
        fields += [f"{name}={value}" for name, value in raw.items() if name not in self.in_path]
        return path + ("?" + "&".join(fields) if fields else "")


def every_route() -> tuple[Route, ...]:
    """Return all routes of the application."""
    return tuple(_route(one) for one in create_app().routes)


def _route(one: object) -> Route:
    assert isinstance(one, APIRoute), f"no test knows routes such as {one}"
    (method,) = one.methods
    flat = get_flat_dependant(one.dependant)
    query = [(field.alias, field.field_info.is_required()) for field in flat.query_params]
    return Route(
        method,
        one.path,
        tuple(field.alias for field in flat.path_params),
        tuple(name for name, _ in query),
        tuple(name for name, needed in query if needed),
    )
