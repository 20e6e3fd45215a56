"""The error of this room, where it can be imported without a database driver."""

from __future__ import annotations

from stereo_tasks.errors import StereoError


class CatalogError(StereoError):
    """The catalog cannot be used; the text says why and what to do."""


class NoCatalogError(CatalogError):
    """Nothing names a database: most often the site does not run."""
