"""Choosing Monte Carlo and tables for a night, with reasons; what cannot be chosen is a blocker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import astropy.units as u

from stereo_tasks.nights import Night
from stereo_tasks.planning.nsb import RunLevel, run_levels
from stereo_tasks.planning.options import option_choices
from stereo_tasks.planning.plan import Blocker, Choice
from stereo_tasks.products.tree import MonteCarloTree
from stereo_tasks.settings import Settings
from stereo_tasks.settings.choices import NoChoiceError, declination_folder
from stereo_tasks.settings.production import Production
from stereo_tasks.settings.sources import SourcePosition
from stereo_tasks.stereo_log.observation import Observation


@dataclass(frozen=True, slots=True)
class Chosen:
    """The choices for one night and source."""

    position: SourcePosition | None
    levels: tuple[RunLevel, ...]
    """NSB level of each LST-1 run."""
    trees: Mapping[float, MonteCarloTree]
    """Where the Monte Carlo lies, by NSB level; empty if period or declination line could not be chosen."""
    time_offset_us: float | None
    choices: tuple[Choice, ...]
    blockers: tuple[Blocker, ...]
    clock_search_s: float | None = None
    """How far off MAGIC's clock may be, in s, where its GPS was broken."""

    def runs_of(self, level: float) -> tuple[int, ...]:
        """Return the LST-1 runs of an NSB level."""
        return tuple(one.run for one in self.levels if one.level == level)


def monte_carlo_tree(
    settings: Settings, production: Production, period: str, line_deg: float, nsb: float
) -> MonteCarloTree:
    """Return where the Monte Carlo of a period, declination line and NSB level lies."""
    paths = settings.site.paths
    return MonteCarloTree(
        monte_carlo=paths.monte_carlo,
        models=paths.models,
        irfs=paths.irfs,
        work=paths.output / production.name,
        period=period,
        nsb=nsb,
        version=production.mc_version,
        declination=declination_folder(line_deg),
        cuts=production.cuts,
        variant=production.training,
    )


def choose(
    night: Night, source: str, settings: Settings, production: Production, rows: Sequence[Observation] = ()
) -> Chosen:
    """Choose period, NSB levels, declination line and expected time offset.

    Parameters
    ----------
    night, source
        The night and source.
    settings : Settings
        The site's configuration.
    production : Production
        The way of processing.
    rows : sequence of Observation, optional
        Rows of the log for this night and source, which say what runs there are and what is known of their NSB; without
        them, there is the level of the production alone.
    """
    choices: list[Choice] = []
    blockers: list[Blocker] = []
    period = line_deg = position = time_offset_us = clock_search_s = None
    try:
        period = settings.monte_carlo.period(night)
        choices.append(Choice("period", period.name, f"MAGIC dates {period.first} to {period.last}"))
    except NoChoiceError as error:
        blockers.append(Blocker("period", str(error)))
    try:
        position = production.position or settings.position(source)
        text = f"{position.ra_deg:.4f} deg, {position.dec_deg:.4f} deg"
        where = production.origin("position") if production.position else position.origin
        choices.append(Choice("position", text, where))
        line_deg = settings.monte_carlo.declination_line_deg(position.dec_deg)
        distance = abs(line_deg - position.dec_deg)
        choices.append(Choice("declination line", f"{line_deg} deg", f"nearest to the source, {distance:.2f} deg away"))
    except NoChoiceError as error:
        blockers.append(Blocker("source", str(error)))
    try:
        offset = settings.time_offset(night)
        time_offset_us = offset.offset_us
        choices.append(Choice("time offset", f"{time_offset_us} us", f"known from {offset.first} to {offset.last}"))
        if offset.search is not None:
            clock_search_s = float(offset.search.to_value("s"))
            looked_for = f"looked for within {clock_search_s:g} s, and brought to {time_offset_us} us"
            reason = f"its GPS was broken from {offset.first} to {offset.last}, says config/time_offsets.yaml"
            choices.append(Choice("MAGIC's clock", looked_for, reason))
    except NoChoiceError as error:
        blockers.append(Blocker("time offset", str(error)))
    window, outside = _window(production, time_offset_us)
    choices.append(window)
    blockers += outside
    runs = run_levels(rows, settings.monte_carlo, production)
    for one in runs:
        if one.level is None:
            blockers.append(Blocker("NSB level", f"LST-1 run {one.run}: {one.reason}", (one.run,)))
        else:
            choices.append(Choice(f"NSB level, run {one.run}", str(one.level), one.reason))
    choices.append(Choice("cuts", production.cuts, f"create_irf, {production.origin('mcp.create_irf')}"))
    choices += option_choices(production)
    trees: dict[float, MonteCarloTree] = {}
    if period and line_deg is not None:
        levels = {one.level for one in runs} if rows else {production.nsb}
        trees = {
            level: monte_carlo_tree(settings, production, period.name, line_deg, level)
            for level in sorted(level for level in levels if level is not None)
        }
    return Chosen(position, runs, trees, time_offset_us, tuple(choices), tuple(blockers), clock_search_s)


def _window(production: Production, offset_us: float | None) -> tuple[Choice, list[Blocker]]:
    """Return which offsets the coincidence tries, and whether the known one is among them."""
    coincidence = production.mcp["event_coincidence"]
    if coincidence["pre_offset_search"]:
        reason = f"search with the {coincidence['n_pre_offset_search_events']} brightest showers"
        return Choice("time-offset window", "found in the data", reason), []
    first, last = coincidence["time_offset"]["start"], coincidence["time_offset"]["stop"]
    choice = Choice("time-offset window", f"{first} to {last}", production.origin("mcp.event_coincidence.time_offset"))
    low_us, high_us = (u.Quantity(edge).to_value("us") for edge in (first, last))
    if offset_us is None or low_us <= offset_us <= high_us:
        return choice, []
    reason = (
        f"the offset of the night, {offset_us} us, is outside of the window {first} to {last}, where no shower "
        "would be found: set pre_offset_search in config/mcp.yaml, or another time_offset"
    )
    return choice, [Blocker("time-offset window", reason)]
