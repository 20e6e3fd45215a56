"""Sources by name: the table of `config/sources.yaml` and its aliases."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from pydantic import Field

from stereo_tasks.errors import StereoError
from stereo_tasks.settings.model import Model

AGREE_DEG = 0.02
"""Two positions of one source agree when they are closer, as in autoMCP's ``check_coord_db``."""


class SourceError(StereoError, ValueError):
    """A source cannot be found, or is found twice; the text says what to do."""


class SourcePosition(Model):
    """Position of a source, ICRS. Needed because magic-cta-pipe would ask a name server otherwise."""

    ra_deg: float = Field(ge=0, lt=360)
    dec_deg: float = Field(ge=-90, le=90)
    origin: str = "config/sources.yaml"
    """Where the position is from."""
    aliases: tuple[str, ...] = ()
    """Other names in the log; capitals, hyphens and blanks do not matter."""

    def separation_deg(self, other: SourcePosition) -> float:
        """Return the angle to another position, in deg (haversine formula)."""
        ra, dec, other_ra, other_dec = map(math.radians, (self.ra_deg, self.dec_deg, other.ra_deg, other.dec_deg))
        squared = math.sin((other_dec - dec) / 2) ** 2
        squared += math.cos(dec) * math.cos(other_dec) * math.sin((other_ra - ra) / 2) ** 2
        return math.degrees(2 * math.asin(min(1.0, math.sqrt(squared))))


def find_source(sources: Mapping[str, SourcePosition], name: str) -> tuple[str, SourcePosition] | None:
    """Return the entry of a source, with its name in the table; None if there is none.

    Parameters
    ----------
    sources : mapping of str to SourcePosition
        The table.
    name : str
        As the log writes it. The exact name comes first, then names and aliases without capitals and hyphens.
    """
    if name in sources:
        return name, sources[name]
    wanted = _plain(name)
    entry = next((entry for entry, known in _names(sources) if wanted and _plain(known) == wanted), None)
    return (entry, sources[entry]) if entry else None


def check_names(sources: Mapping[str, SourcePosition]) -> None:
    """Check that no name means two places.

    Raises
    ------
    SourceError
        If two entries share a name or alias, and are farther apart than `AGREE_DEG`.
    """
    seen: dict[str, str] = {}
    for entry, name in _names(sources):
        other = seen.setdefault(_plain(name), entry)
        apart_deg = sources[entry].separation_deg(sources[other])
        if apart_deg > AGREE_DEG:
            raise SourceError(f"{other} and {entry} are both called {name}, and are {apart_deg:.2f} deg apart")


def _names(sources: Mapping[str, SourcePosition]) -> Iterator[tuple[str, str]]:
    """Give all names of all entries, each with its entry: first those of the table, then aliases."""
    yield from ((entry, entry) for entry in sources)
    yield from ((entry, alias) for entry, position in sources.items() for alias in position.aliases)


def _plain(name: str) -> str:
    # The plus stays: it tells a northern source from a southern one, and a minus may be a mere hyphen.
    return "".join(letter for letter in name.casefold() if letter.isalnum() or letter == "+")
