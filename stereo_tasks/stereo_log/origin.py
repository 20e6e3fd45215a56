"""Where a log comes from: a path, or the address of a sheet that can be exported as CSV."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from stereo_tasks.stereo_log.observation import StereoLogError

CACHE_VARIABLE = "XDG_CACHE_HOME"


def is_url(origin: str | Path) -> bool:
    """Return whether an origin is an address rather than a path."""
    return isinstance(origin, str) and "://" in origin


def checked_url(origin: str) -> str:
    """Return the address, or say what is wrong with it.

    Raises
    ------
    StereoLogError
        If it is none of http or https.
    """
    try:
        parts = urlsplit(origin)
        usable = parts.scheme.lower() in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or any(character.isspace() or not character.isprintable() for character in origin):
        raise StereoLogError(
            "the stereo log's address is not usable: write a path, or https://... of a sheet's CSV export, "
            "for --log or as paths.stereo_log in config/site.yaml"
        )
    return origin


def shown(origin: str | Path) -> str:
    """Return an origin for messages and the catalog: without user, password and query, which may hold secrets."""
    if not is_url(origin):
        return str(origin)
    try:
        parts = urlsplit(str(origin))
        host = parts.hostname or ""
        place = f"[{host}]" if ":" in host else host
        place += f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(address that cannot be read)"
    return urlunsplit((parts.scheme, place, parts.path, "", ""))


def default_cache() -> Path:
    """Return the folder for copies where there is no site: below the user's cache."""
    cache = os.environ.get(CACHE_VARIABLE)
    return (Path(cache) if cache else Path.home() / ".cache") / "stereo-nights" / "stereo_log"
