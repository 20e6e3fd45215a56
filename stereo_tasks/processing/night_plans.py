"""Planning a night, or the Monte Carlo of a production: from log, files and models to plans."""

from __future__ import annotations

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from stereo_tasks.inventory import content_of, scan_night
from stereo_tasks.inventory.headers import with_header_positions
from stereo_tasks.nights import Night
from stereo_tasks.planning.choices import choose, monte_carlo_tree
from stereo_tasks.planning.monte_carlo import IrfSet
from stereo_tasks.planning.monte_carlo import plan_monte_carlo as plan_tree
from stereo_tasks.planning.night import plan_source
from stereo_tasks.planning.plan import Plan, blocks_all, held_runs
from stereo_tasks.products.models import SAMPLES, ModelFile, find_all, given_forests
from stereo_tasks.products.provenance import science_versions
from stereo_tasks.products.tree import MonteCarloTree
from stereo_tasks.settings import Settings, load_settings
from stereo_tasks.settings.choices import NoChoiceError, declination_folder
from stereo_tasks.settings.overrides import Span
from stereo_tasks.settings.production import Production
from stereo_tasks.stereo_log import Observation, StereoLogError, read_site_log, select

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NightPlans:
    """The plans of a night, and what is not planned."""

    plans: tuple[Plan, ...]
    problems: tuple[str, ...]
    """Rows of the log for this night that could not be read."""
    not_taken: tuple[str, ...]
    """Observations that are left out, by the policy or since somebody holds them, each with its reason."""
    contents: tuple[str, ...]
    """Of the observations that were planned and that nothing blocks, see `stereo_tasks.inventory.content_of`."""


def plan_night(
    night: Night | str,
    *,
    production: str | None = None,
    sources: Sequence[str] | None = None,
    held: Mapping[str, str] | None = None,
    suspended: Mapping[str, str] | None = None,
    settings: Settings | None = None,
) -> NightPlans:
    """Plan every source of a night. Nothing is written: `Plan.save` does that.

    Parameters
    ----------
    night : Night or str
        The night, by its evening date.
    production : str, optional
        Name of the production; the site's default if not given.
    sources : sequence of str, optional
        Only these sources.
    held : mapping of str to str, optional
        Sources that are left out, each with its reason; an empty name stands for all. See `candidates.held_sources`.
    suspended : mapping of str to str, optional
        Stages whose kernel is out of use, each with its reason. See `stereo_tasks.catalog.suspensions`.
    settings : Settings, optional
        Loaded from the site if not given.
    """
    night = night if isinstance(night, Night) else Night(night)
    settings = settings or load_settings()
    chosen = settings.production(production)
    log = read_site_log(settings)
    rows = [row for row in log.observations if row.night == night]
    selection = select([row for row in rows if not sources or row.source in sources], settings.policy)
    by_source: dict[str, list[Observation]] = defaultdict(list)
    held = held or {}
    not_taken = [f"{row.source}: {reason}" for row, reason in selection.rejected]
    for row in selection.accepted:
        if reason := held.get("") or held.get(row.source):
            not_taken.append(f"{row.source}: {reason}")
        else:
            by_source[row.source].append(row)
    paths = settings.site.paths
    scan = cache(partial(scan_night, night, magic_calibrated=paths.magic_calibrated, lst_dl1=paths.lst_dl1))
    versions = science_versions(settings.site.science_python)
    plans: list[Plan] = []
    contents: list[str] = []
    for source, observations in sorted(by_source.items()):
        effective = chosen.effective(night, source)
        files = scan(lst_version=effective.lst_version, lst_tailcut=effective.lst_tailcut)
        settings = with_header_positions(settings, observations, files, rows)
        trees = choose(night, source, settings, effective, observations).trees
        models = find_all(trees, high_density=effective.high_density)
        others = [row for row in rows if row.source != source]
        plans.append(
            plan_source(observations, files, models, settings, effective, versions, others=others, suspended=suspended)
        )
        blockers = plans[-1].blockers
        contents += [
            content_of(row, files, others, held_runs(blockers))
            for row in observations
            if not blocks_all(blockers, row.lst_runs)
        ]
    problems = [str(problem) for problem in log.problems if problem.night == night]
    return NightPlans(tuple(plans), tuple(problems), tuple(not_taken), tuple(contents))


def plan_again(plan: Plan, settings: Settings) -> Plan | None:
    """Return a plan as it would be made now; None if the log, or the Monte Carlo, has no such thing any more.

    Parameters
    ----------
    plan : Plan
        Of a night and source, or of Monte Carlo.
    settings : Settings
        As they are now.
    """
    if plan.night is None:
        plans = plan_monte_carlo(plan.production, settings=settings)
    else:
        plans = plan_night(plan.night, production=plan.production, sources=[plan.source], settings=settings).plans
    return next((one for one in plans if one.name == plan.name), None)


def plan_monte_carlo(
    production: str | None = None,
    *,
    only: Sequence[str] = (),
    suspended: Mapping[str, str] | None = None,
    settings: Settings | None = None,
) -> tuple[Plan, ...]:
    """Plan forests and IRFs for every period and declination line of which there is Monte Carlo DL1.

    There they are made of the production's NSB level, and of those that runs of the stereo log need.

    Parameters
    ----------
    production, suspended, settings
        As for a night.
    only : sequence of str, optional
        Only these, by `MonteCarloTree.key`, of whatever NSB level.
    """
    settings = settings or load_settings()
    chosen = settings.production(production)
    versions = science_versions(settings.site.science_python)
    trees: dict[Path, tuple[MonteCarloTree, Production]] = {}
    irf_sets: defaultdict[Path, dict[Path, IrfSet]] = defaultdict(dict)
    for tree, effective in _wanted(settings, chosen, only):
        # One plan for the same forests, whatever IRFs are made of them: two would train them at the same time.
        trees.setdefault(tree.root, (tree, effective if tree.variant else chosen))
        irf_sets[tree.root].setdefault(tree.irf_folder, IrfSet(tree.irf_folder, effective.mcp["create_irf"]))
    plans = []
    for root, (tree, effective) in trees.items():
        samples = {sample: _dl1_files(tree.dl1_folder(sample)) for sample in SAMPLES}
        if any(samples.values()):
            sets, given = tuple(irf_sets[root].values()), given_forests(tree)
            plans.append(
                plan_tree(tree, samples, settings, effective, versions, given=given, irf_sets=sets, suspended=suspended)
            )
    if not plans:
        wanted = f": {', '.join(only)}" if only else f" and NSB {chosen.nsb}, or an NSB that the stereo log needs,"
        raise NoChoiceError(
            f"no Monte Carlo DL1 of version {chosen.mc_version}{wanted} below {settings.site.paths.monte_carlo}"
        )
    return tuple(plans)


def _wanted(
    settings: Settings, production: Production, only: Sequence[str]
) -> Iterator[tuple[MonteCarloTree, Production]]:
    """Yield the trees that a production needs, each with the production as it is for them."""
    for span, effective in production.cases():
        for tree in _trees(settings, effective, span, only):
            yield tree, effective
    for tree, effective in () if only else _needed(settings, production):
        yield tree, effective
        if effective.high_density:
            yield tree.high_density, effective


def _trees(settings: Settings, production: Production, span: Span, only: Sequence[str]) -> list[MonteCarloTree]:
    """Return the trees that the sources and nights of a span need, at the NSB level of the production."""
    lines = settings.monte_carlo.declination_lines_deg
    periods = dict.fromkeys(
        period.name
        for period in settings.monte_carlo.periods
        if span.first < period.last and period.first - dt.timedelta(days=1) <= span.last
    )
    folders = {declination_folder(line) for line in lines}
    if len(folders) != len(lines):
        raise NoChoiceError("two declination lines in config/monte_carlo.yaml have the same folder name")
    if span.source is not None:
        lines = _line_of(settings, production, span.source)
    levels = settings.monte_carlo.nsb_levels if only else (() if production.nsb is None else (production.nsb,))
    trees = [
        monte_carlo_tree(settings, production, period, line, level)
        for period in periods
        for line in lines
        for level in levels
    ]
    if production.high_density:
        trees = [variant for tree in trees for variant in (tree, tree.high_density)]
    return [tree for tree in trees if not only or tree.key in only]


def _needed(settings: Settings, production: Production) -> Iterator[tuple[MonteCarloTree, Production]]:
    """Yield what runs of the log need."""
    try:
        log = read_site_log(settings)
    except StereoLogError as error:
        _log.warning("only the NSB level of the production itself is looked at: %s", error)
        return
    for row in select(log.observations, settings.policy).accepted:
        effective = production.effective(row.night, row.source)
        for tree in choose(row.night, row.source, settings, effective, [row]).trees.values():
            yield tree, effective


def _line_of(settings: Settings, production: Production, source: str) -> tuple[float, ...]:
    """Return the declination line of a source; none if its plans are blocked for want of a position or a line."""
    try:
        position = production.position or settings.position(source)
        return (settings.monte_carlo.declination_line_deg(position.dec_deg),)
    except NoChoiceError:
        return ()


def _dl1_files(folder: Path) -> tuple[ModelFile, ...]:
    files = []
    for path in sorted(folder.glob("dl1_*.h5")):
        status = path.stat()
        files.append(ModelFile(path, status.st_size, status.st_mtime_ns))
    return tuple(files)
