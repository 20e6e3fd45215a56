"""Choosing Monte Carlo and tables for a night, with reasons; what cannot be chosen is a blocker."""

from __future__ import annotations

from dataclasses import dataclass

from stereo_tasks.nights import Night
from stereo_tasks.planning.plan import Blocker, Choice
from stereo_tasks.products.models import Models
from stereo_tasks.products.tree import MonteCarloTree
from stereo_tasks.settings import Settings
from stereo_tasks.settings.choices import NoChoiceError, declination_folder
from stereo_tasks.settings.production import Production
from stereo_tasks.settings.sources import SourcePosition


@dataclass(frozen=True, slots=True)
class Chosen:
    """The choices for one night and source."""

    position: SourcePosition | None
    monte_carlo: MonteCarloTree | None
    time_offset_us: float | None
    choices: tuple[Choice, ...]
    blockers: tuple[Blocker, ...]
    clock_search_s: float | None = None
    """How far off MAGIC's clock may be, in s, where its GPS was broken."""


def monte_carlo_tree(settings: Settings, production: Production, period: str, line_deg: float) -> MonteCarloTree:
    """Return where the Monte Carlo of a period and declination line lies."""
    paths = settings.site.paths
    return MonteCarloTree(
        monte_carlo=paths.monte_carlo,
        models=paths.models,
        irfs=paths.irfs,
        work=paths.output / production.name,
        period=period,
        nsb=production.nsb,
        version=production.mc_version,
        declination=declination_folder(line_deg),
        cuts=production.cuts,
    )


def choose(night: Night, source: str, settings: Settings, production: Production) -> Chosen:
    """Choose period, NSB level, declination line and expected time offset."""
    choices: list[Choice] = []
    blockers: list[Blocker] = []
    period = line_deg = position = time_offset_us = clock_search_s = None
    try:
        period = settings.monte_carlo.period(night)
        choices.append(Choice("period", period.name, f"MAGIC dates {period.first} to {period.last}"))
    except NoChoiceError as error:
        blockers.append(Blocker("period", str(error)))
    try:
        position = settings.position(source)
        text = f"{position.ra_deg:.4f} deg, {position.dec_deg:.4f} deg"
        choices.append(Choice("position", text, position.origin))
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
    coincidence = production.mcp["event_coincidence"]
    if coincidence["pre_offset_search"]:
        window = ("found in the data", f"search with the {coincidence['n_pre_offset_search_events']} brightest showers")
    else:
        window = (
            f"{coincidence['time_offset']['start']} to {coincidence['time_offset']['stop']}",
            "fixed in config/mcp.yaml",
        )
    choices.append(Choice("time-offset window", *window))
    choices.append(Choice("NSB level", str(production.nsb), f"of production {production.name}"))
    choices.append(Choice("cuts", production.cuts, "gammaness and theta in create_irf of config/mcp.yaml"))
    tree = None
    if period and line_deg is not None:
        tree = monte_carlo_tree(settings, production, period.name, line_deg)
    return Chosen(position, tree, time_offset_us, tuple(choices), tuple(blockers), clock_search_s)


def lacking_models(models: Models, production: Production) -> tuple[Blocker, ...]:
    """Return what lacks of forests and IRFs to reach DL3, and what to do about it."""
    blockers: list[Blocker] = []
    if missing := models.missing_forests:
        reason = f"no {', '.join(missing)} in {models.forests_folder}: run 'stereo prepare-mc'"
        blockers.append(Blocker("forests", reason))
    if places := models.open_to_all:
        names = " ".join(str(path) for path in places)
        reason = f"anybody may write {names}, and a forest runs code: look at them, then 'chmod o-w {names}'"
        blockers.append(Blocker("forests", reason))
    method, count = production.mcp["dl2_to_dl3"]["interpolation_method"], len(models.irfs)
    if count == 0:
        blockers.append(Blocker("IRFs", f"no irf_*.fits.gz in {models.irf_folder}: run 'stereo prepare-mc'"))
    elif count == 2 or (count == 1 and method != "nearest"):
        # magic-cta-pipe 0.6.2 silently takes the first file's effective area when there are not more than two.
        reason = f"{count} IRF node(s) in {models.irf_folder}: '{method}' interpolation needs 3 or more"
        blockers.append(Blocker("IRFs", reason))
    return tuple(blockers)
