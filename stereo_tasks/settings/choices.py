"""What a plan chooses from: periods, NSB levels, declination lines, time offsets, source positions."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

from pydantic import Field

from stereo_tasks.errors import StereoError
from stereo_tasks.nights import Night
from stereo_tasks.settings.model import Model
from stereo_tasks.settings.units import Duration


class NoChoiceError(StereoError, LookupError):
    """A table of the configuration has no entry for a night or source; the text says which and what to do."""


class Period(Model):
    """A hardware period of MAGIC. Its dates are MAGIC dates (the morning after)."""

    name: str
    first: dt.date
    last: dt.date


class TimeOffset(Model):
    """Known offset between LST-1 and MAGIC time stamps over a range of evening dates."""

    first: dt.date
    last: dt.date
    offset_us: float
    search: Duration | None = None
    """Where MAGIC's GPS was broken: its clock is looked for so far from LST-1's, and brought to `offset_us`."""


class MonteCarlo(Model):
    """How the Monte Carlo is laid out, after autoMCP."""

    periods: tuple[Period, ...]
    nsb_levels: tuple[float, ...] = Field(min_length=1)
    declination_lines_deg: tuple[float, ...]
    declination_distance_max_deg: float = Field(gt=0)
    """A source farther than this from every line has no Monte Carlo."""

    def period(self, night: Night) -> Period:
        """Return the period of a night.

        Raises
        ------
        NoChoiceError
            If no period covers it.
        """
        for period in self.periods:
            if period.first <= night.morning <= period.last:
                return period
        latest = max(period.last for period in self.periods)
        raise NoChoiceError(
            f"no observation period covers {night.morning} (MAGIC date); the last ends {latest}: "
            "add the period to config/monte_carlo.yaml"
        )

    def nsb_level(self, nsb: float) -> float:
        """Return the level of a measured NSB.

        A level reaches half way to its neighbours, its upper edge included, and the last one as far beyond; as
        autoMCP's ``DL1_to_DL2`` has it.

        Parameters
        ----------
        nsb : float
            Night-sky background in units of the Monte Carlo's.

        Raises
        ------
        NoChoiceError
            If it is above the last level.
        """
        levels = sorted(self.nsb_levels)
        edges = [(low + high) / 2 for low, high in pairwise(levels)]
        last = edges[-1] if edges else 0.0
        highest = 2 * levels[-1] - last
        for level, edge in zip(levels, [*edges, highest], strict=True):
            if nsb <= edge:
                return level
        raise NoChoiceError(
            f"NSB {nsb:g} is above {highest:g}, where the last level ends, and there is no Monte Carlo for it: leave "
            "the run out, or add a level to nsb_levels in config/monte_carlo.yaml"
        )

    def declination_line_deg(self, declination_deg: float) -> float:
        """Return the declination line nearest to a source.

        Raises
        ------
        NoChoiceError
            If the nearest is too far away.
        """
        line = min(self.declination_lines_deg, key=lambda one: abs(one - declination_deg))
        if abs(line - declination_deg) > self.declination_distance_max_deg:
            raise NoChoiceError(
                f"declination {declination_deg:.2f} deg is {abs(line - declination_deg):.2f} deg from the nearest line "
                f"{line}; the limit is {self.declination_distance_max_deg} deg: Monte Carlo for it must be made first"
            )
        return line


def declination_folder(line_deg: float) -> str:
    """Return autoMCP's folder name of a declination line: 22.76 -> ``dec_2276``, -4.13 -> ``dec_min_413``."""
    digits = f"{abs(line_deg):.2f}".replace(".", "").lstrip("0")
    return f"dec_{'min_' if line_deg < 0 else ''}{digits}"
