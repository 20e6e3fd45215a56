"""Planning a night, or the Monte Carlo of a production: from log, files and models to plans."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stereo_tasks.inventory import content_of, scan_night
from stereo_tasks.nights import Night
from stereo_tasks.planning.choices import choose, monte_carlo_tree
from stereo_tasks.planning.monte_carlo import SAMPLES
from stereo_tasks.planning.monte_carlo import plan_monte_carlo as plan_tree
from stereo_tasks.planning.night import plan_source
from stereo_tasks.planning.plan import Plan
from stereo_tasks.products.models import ModelFile, find_models
from stereo_tasks.products.provenance import science_versions
from stereo_tasks.products.tree import MonteCarloTree
from stereo_tasks.settings import Settings, load_settings
from stereo_tasks.settings.choices import NoChoiceError, declination_folder
from stereo_tasks.settings.production import Production
from stereo_tasks.stereo_log import Observation, read_site_log, select


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
    withdrawn: Mapping[str, str] | None = None,
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
    withdrawn : mapping of str to str, optional
        Stages whose kernel is out of use, each with its reason. See `stereo_tasks.catalog.withdrawals`.
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
    files = scan_night(
        night,
        magic_calibrated=paths.magic_calibrated,
        lst_dl1=paths.lst_dl1,
        lst_version=chosen.lst_version,
        lst_tailcut=chosen.lst_tailcut,
    )
    versions = science_versions(settings.site.science_python)
    plans: list[Plan] = []
    contents: list[str] = []
    for source, observations in sorted(by_source.items()):
        tree = choose(night, source, settings, chosen).monte_carlo
        models = find_models(tree.forests_folder, tree.irf_folder) if tree else None
        others = [row for row in rows if row.source != source]
        plans.append(
            plan_source(observations, files, models, settings, chosen, versions, others=others, withdrawn=withdrawn)
        )
        if not plans[-1].blockers:
            contents += [content_of(row, files, others) for row in observations]
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
    production: str | None = None, *, withdrawn: Mapping[str, str] | None = None, settings: Settings | None = None
) -> tuple[Plan, ...]:
    """Plan forests and IRFs for every period and declination line of which there is Monte Carlo DL1."""
    settings = settings or load_settings()
    chosen = settings.production(production)
    versions = science_versions(settings.site.science_python)
    plans = []
    for tree in _trees(settings, chosen):
        samples = {sample: _dl1_files(tree.dl1_folder(sample)) for sample in SAMPLES}
        if any(samples.values()):
            plans.append(plan_tree(tree, samples, settings, chosen, versions, withdrawn=withdrawn))
    if not plans:
        raise NoChoiceError(
            f"no Monte Carlo DL1 of version {chosen.mc_version} and NSB {chosen.nsb} below "
            f"{settings.site.paths.monte_carlo}"
        )
    return tuple(plans)


def _trees(settings: Settings, production: Production) -> list[MonteCarloTree]:
    lines = settings.monte_carlo.declination_lines_deg
    periods = dict.fromkeys(period.name for period in settings.monte_carlo.periods)
    folders = {declination_folder(line) for line in lines}
    if len(folders) != len(lines):
        raise NoChoiceError("two declination lines in config/monte_carlo.yaml have the same folder name")
    return [monte_carlo_tree(settings, production, period, line) for period in periods for line in lines]


def _dl1_files(folder: Path) -> tuple[ModelFile, ...]:
    files = []
    for path in sorted(folder.glob("dl1_*.h5")):
        status = path.stat()
        files.append(ModelFile(path, status.st_size, status.st_mtime_ns))
    return tuple(files)
