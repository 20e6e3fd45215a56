"""Who made what is published, and under which licence it may be used."""

from __future__ import annotations

from pydantic import Field

from stereo_tasks.settings.model import Model

_URL = r"^https?://\S+$"


class Author(Model):
    """A person."""

    name: str
    orcid: str | None = Field(default=None, pattern=r"^\d{4}-\d{4}-\d{4}-\d{3}[\dX]$")
    """ORCID iD, such as ``0000-0002-1825-0097``."""


class Organisation(Model):
    """A collaboration or institute."""

    name: str
    url: str = Field(pattern=_URL)
    """Its page, better its ROR (https://ror.org)."""


class Citation(Model):
    """What the description of each published folder says of its origin; what is not given is not said."""

    authors: tuple[Author, ...] = ()
    organisation: Organisation | None = None
    licence: str | None = Field(default=None, pattern=_URL)
    """Address of the licence, such as ``https://creativecommons.org/licenses/by/4.0/``."""
