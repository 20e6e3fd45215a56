"""What the forms above runs and trends ask for, as it stands in the address."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from stereo_tasks.errors import StereoError

if TYPE_CHECKING:
    from stereo_tasks.status.run_page import RunFilter

LEVELS = ("good", "warning", "bad")


class AskedWrongError(StereoError):
    """A value of a form that means nothing; the text says what it should be."""


@dataclass(frozen=True, slots=True)
class RangeForm:
    """A range of nights of a production, and a source or all; what is empty is no filter."""

    production: str = ""
    source: str = ""
    first: str = ""
    last: str = ""


@dataclass(frozen=True, slots=True)
class RunForm(RangeForm):
    """Runs of a range of nights."""

    level: str = ""
    zenith_min: str = ""
    """In degrees, as `zenith_max`."""
    zenith_max: str = ""

    def fields(self, production: str) -> dict[str, str]:
        """Return the fields, with the name of the production that is shown."""
        return asdict(self) | {"production": production}

    def wanted(self) -> RunFilter:
        """Return which runs are meant; a range is turned round where it must be.

        Raises
        ------
        AskedWrongError
            If a zenith distance is none.
        BadNightError
            If a night is none.
        """
        from stereo_tasks.nights import Night
        from stereo_tasks.status.run_page import RunFilter

        first, last = (Night(text) if text else None for text in (self.first, self.last))
        if first and last and first > last:
            first, last = last, first
        low, high = (_degrees(text) for text in (self.zenith_min, self.zenith_max))
        level = self.level if self.level in LEVELS else None
        return RunFilter(self.source or None, first, last, level, low, high)


def _degrees(text: str) -> float | None:
    try:
        value = float(text) if text else None
    except ValueError:
        value = float("nan")
    if value is not None and not 0 <= value <= 180:
        raise AskedWrongError(f"{text[:20]!r} is no zenith distance: write degrees, such as 35")
    return value
