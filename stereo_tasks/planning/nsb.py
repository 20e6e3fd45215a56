"""The NSB level of each run of LST-1, and where its value comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stereo_tasks.settings.choices import MonteCarlo, NoChoiceError
from stereo_tasks.settings.production import Production
from stereo_tasks.stereo_log.observation import LstRunFacts, Observation

_ABOVE = 2
"""AutoMCP's code for an NSB above what can be used."""


@dataclass(frozen=True, slots=True)
class RunLevel:
    """The NSB level of one run."""

    run: int
    level: float | None
    """One of ``monte_carlo.nsb_levels``; None if there is none, and the run is held."""
    reason: str
    """Where the value comes from, or what to do."""
    measured: float | None = None
    """What was measured in the run, by autoMCP's table."""


def run_levels(rows: Sequence[Observation], monte_carlo: MonteCarlo, production: Production) -> tuple[RunLevel, ...]:
    """Return the NSB level of each LST-1 run of some rows: autoMCP's, else the production's.

    Parameters
    ----------
    rows : sequence of Observation
        Rows of the log; with autoMCP's facts where they are known.
    monte_carlo : MonteCarlo
        The levels that there are.
    production : Production
        What counts for runs that nobody measured.
    """
    known = {one.run: one for row in rows if row.facts for one in row.facts.lst}
    runs = sorted({run for row in rows for run in row.lst_runs})
    return tuple(
        RunLevel(run, *_level(facts := known.get(run), monte_carlo, production), facts.nsb if facts else None)
        for run in runs
    )


def _level(facts: LstRunFacts | None, monte_carlo: MonteCarlo, production: Production) -> tuple[float | None, str]:
    if facts is not None and facts.nsb is not None:
        try:
            return monte_carlo.nsb_level(facts.nsb), f"median {facts.nsb:g} of autoMCP's table"
        except NoChoiceError as error:
            return None, f"{error} (autoMCP's table)"
    if facts is not None and facts.nsb_error_code == _ABOVE:
        return None, "autoMCP's table says that its NSB is above what can be used (code 2): leave the run out"
    unknown = "autoMCP's tables have no NSB of it" if facts is not None else "it is in no table of autoMCP"
    if production.nsb is None:
        return None, (
            f"{unknown}, and production {production.name} has none: measure it with LSTnsb of magic-cta-pipe, or give "
            "the production an nsb in config/productions.yaml"
        )
    return production.nsb, f"of production {production.name}" + (f": {unknown}" if facts is not None else "")
