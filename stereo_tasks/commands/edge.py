"""What the command line hands to the commands from a local site, which they know nothing of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from stereo_tasks.doctor import Check
    from stereo_tasks.settings import Settings


def _as_it_is(settings: Settings) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Edge:
    """What a local site adds to the commands; nothing, where there is none.

    Parameters
    ----------
    running_database : callable
        Keeps the catalog's database within reach during a block: starts the embedded one if it does not run.
    checks : mapping
        Further checks of the doctor, by name.
    """

    running_database: Callable[[Settings], AbstractContextManager[None]] = _as_it_is
    checks: Mapping[str, Check] = field(default_factory=dict)

    @classmethod
    def of(cls, context: typer.Context) -> Edge:
        """Return what was handed to the command that runs."""
        return context.find_object(cls) or cls()
