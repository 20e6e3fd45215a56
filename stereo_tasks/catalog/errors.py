"""The error of this room, where it can be imported without a database driver."""

from __future__ import annotations


class CatalogError(Exception):
    """The catalog cannot be used; the text says why and what to do."""
