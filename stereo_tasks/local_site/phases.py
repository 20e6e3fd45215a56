"""How long each phase of the demo takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console


@dataclass(slots=True)
class Phases:
    """The phases of the demo with their wall time in seconds, in order."""

    console: Console
    seconds: dict[str, float] = field(default_factory=dict)
    begin_s: float = field(default_factory=time.monotonic)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Announce a phase and measure it, however it ends."""
        self.console.rule(f"[bold]{name}")
        begin = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - begin

    def say(self, text: str) -> None:
        """Print one line with the time since the beginning."""
        self.console.print(f"{time.monotonic() - self.begin_s:6.1f} s  {text}", highlight=False, markup=False)
