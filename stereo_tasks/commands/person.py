"""Who decides: the name that stands beside a hold, an overrule or a sign-off."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from stereo_tasks.errors import StereoError

ByOption = Annotated[str | None, typer.Option("--by", help="Who does it; your user name if not given.")]


class NoNameError(StereoError):
    """Nobody knows who it is."""


def name_of(by: str | None) -> str:
    """Return the name that was given, or else that of the user.

    Raises
    ------
    NoNameError
        If the user has none.
    """
    try:
        return by or getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        raise NoNameError("this user has no name: say who you are with --by NAME") from None
