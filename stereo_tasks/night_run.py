"""One night, from request to verdict: what the tasks of a DAG call. No Airflow in here."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stereo_tasks.inventory import scan_night
from stereo_tasks.nights import Night
from stereo_tasks.planning.choices import choose, monte_carlo_tree
from stereo_tasks.planning.fingerprint import current_record, stale_elements
from stereo_tasks.planning.monte_carlo import SAMPLES
from stereo_tasks.planning.monte_carlo import plan_monte_carlo as plan_tree
from stereo_tasks.planning.night import plan_source
from stereo_tasks.planning.plan import Element, Plan
from stereo_tasks.products import publication
from stereo_tasks.products.models import ModelFile, find_models
from stereo_tasks.products.provenance import science_versions
from stereo_tasks.products.record import NO_INPUT, Record, State, read_record
from stereo_tasks.products.tree import MonteCarloTree, NightTree
from stereo_tasks.settings import Settings, load_settings
from stereo_tasks.settings.choices import NoChoiceError, declination_folder
from stereo_tasks.settings.production import Production
from stereo_tasks.stages import RUN_STAGES, Stage
from stereo_tasks.stereo_log import Observation, read_site_log, select


@dataclass(frozen=True, slots=True)
class NightPlans:
    """The plans of a night, and what is not planned."""

    plans: tuple[Plan, ...]
    problems: tuple[str, ...]
    """Rows of the log for this night that could not be read."""
    not_taken: tuple[str, ...]
    """Observations that are left out, by the policy or since somebody holds them, each with its reason."""


@dataclass(frozen=True, slots=True)
class StageArray:
    """The elements of a stage that are to be done, as an array for the cluster."""

    name: str
    command: tuple[str, ...]
    """What one job runs; the indices of its elements are appended."""
    indices: tuple[int, ...]
    """The stale elements; empty if there is nothing to do."""
    total: int
    env: dict[str, str]
    log_folder: str
    memory_mb: int
    time_s: int
    per_job: int
    labels: dict[int, str]
    placement: dict[str, str]
    """Partition, account and QOS of its jobs, as far as the site names them; the process pool has no use for it."""


@dataclass(frozen=True, slots=True)
class ElementOutcome:
    """What became of an element, by its record."""

    state: str | None
    """None without a valid record: not done, whatever the job said."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class NightVerdict:
    """Whether a night is done, in lines for a person."""

    success: bool
    lines: tuple[str, ...]


def plan_night(
    night: Night | str,
    *,
    production: str | None = None,
    sources: Sequence[str] | None = None,
    held: Mapping[str, str] | None = None,
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
        Sources that are left out, each with its reason; an empty name stands for all. See `night_state.held_sources`.
    settings : Settings, optional
        Loaded from the site if not given.
    """
    night = night if isinstance(night, Night) else Night(night)
    settings = settings or load_settings()
    chosen = settings.production(production)
    log = read_site_log(settings)
    rows = [one for one in log.observations if one.night == night]
    selection = select([one for one in rows if not sources or one.source in sources], settings.policy)
    by_source: dict[str, list[Observation]] = defaultdict(list)
    held = held or {}
    not_taken = [f"{one.source}: {reason}" for one, reason in selection.rejected]
    for one in selection.accepted:
        if reason := held.get("") or held.get(one.source):
            not_taken.append(f"{one.source}: {reason}")
        else:
            by_source[one.source].append(one)
    paths = settings.site.paths
    files = scan_night(
        night,
        magic_calibrated=paths.magic_calibrated,
        lst_dl1=paths.lst_dl1,
        lst_version=chosen.lst_version,
        lst_tailcut=chosen.lst_tailcut,
    )
    versions = science_versions(settings.site.science_python)
    plans = []
    for source, observations in sorted(by_source.items()):
        tree = choose(night, source, settings, chosen).monte_carlo
        models = find_models(tree.forests_folder, tree.irf_folder) if tree else None
        others = [one for one in rows if one.source != source]
        plans.append(plan_source(observations, files, models, settings, chosen, versions, others=others))
    problems = [str(problem) for problem in log.problems if problem.night == night]
    return NightPlans(tuple(plans), tuple(problems), tuple(not_taken))


def plan_monte_carlo(production: str | None = None, *, settings: Settings | None = None) -> tuple[Plan, ...]:
    """Plan forests and IRFs for every period and declination line of which there is Monte Carlo DL1."""
    settings = settings or load_settings()
    chosen = settings.production(production)
    versions = science_versions(settings.site.science_python)
    plans = []
    for tree in _trees(settings, chosen):
        samples = {sample: _dl1_files(tree.dl1_folder(sample)) for sample in SAMPLES}
        if any(samples.values()):
            plans.append(plan_tree(tree, samples, settings, chosen, versions))
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
    found = []
    for path in sorted(folder.glob("dl1_*.h5")):
        status = path.stat()
        found.append(ModelFile(path, status.st_size, status.st_mtime_ns))
    return tuple(found)


def stage_array(plan: Plan | str | Path, stage: Stage | str, *, force: bool = False) -> StageArray:
    """Return what is to be done of a stage, as an array.

    Parameters
    ----------
    plan : Plan or path
        The plan, or its file.
    stage : Stage or str
        The stage.
    force : bool, optional
        All elements, not only the stale ones. Their records are removed, so that only what is done from now on counts.
    """
    plan = plan if isinstance(plan, Plan) else Plan.load(plan)
    stage = Stage(stage)
    settings = load_settings()
    elements = dict(plan.of_stage(stage))
    indices = tuple(elements) if force else stale_elements(plan, stage)
    if force:
        for element in elements.values():
            element.record_path.unlink(missing_ok=True)
    command = [str(settings.site.science_python), "-m", "stereo_tasks.steps", str(plan.path), str(stage)]
    jobs = max(settings.site.workers, 1)
    per_job = min(settings.resources[stage].elements_per_job, -(-len(indices) // jobs) or 1)
    return StageArray(
        name=f"{plan.name.replace('/', '.')}.{stage}",
        command=tuple(command),
        indices=indices,
        total=len(elements),
        env=job_environment(settings),
        log_folder=str(Path(plan.root) / "logs" / (plan.night or "mc").replace("-", "")),
        memory_mb=max((element.memory_mb for element in elements.values()), default=0),
        time_s=max((element.time_s for element in elements.values()), default=0) * max(per_job, 1),
        per_job=per_job,
        labels={index: element.id for index, element in elements.items()},
        placement=_placement(settings, stage),
    )


def _placement(settings: Settings, stage: Stage) -> dict[str, str]:
    slurm = settings.site.slurm
    partition = settings.resources[stage].partition or slurm.partition
    named = {"partition": partition, "account": slurm.account, "qos": slurm.qos}
    return {key: value for key, value in named.items() if value}


def job_environment(settings: Settings) -> dict[str, str]:
    """Return the environment variables of a job: caches that make the start of a tool quick, one thread a job."""
    cache = settings.site.paths.state / "cache"
    return {
        "NUMBA_CACHE_DIR": str(cache / "numba"),
        "PYTHONPYCACHEPREFIX": str(cache / "pycache"),
        "MPLCONFIGDIR": str(cache / "matplotlib"),
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
        "STEREO_SITE": str(settings.site.root),
        # The configuration's folder, and the mark by which `stereo down` finds every process of the site.
        **{name: os.environ[name] for name in ("STEREO_CONFIG", "STEREO_SITE_ID") if name in os.environ},
    }


def stage_outcomes(plan: Plan | str | Path, stage: Stage | str) -> dict[int, ElementOutcome]:
    """Return what became of the elements of a stage, by their records."""
    plan = plan if isinstance(plan, Plan) else Plan.load(plan)
    return {index: _outcome(plan, element) for index, element in plan.of_stage(Stage(stage))}


def _outcome(plan: Plan, element: Element) -> ElementOutcome:
    record = read_record(element.record_path)
    if record is not None and record.state == State.FAILED and record.plan == str(plan.path):
        return ElementOutcome(str(State.FAILED), record.reason)
    current = current_record(plan, element)
    return ElementOutcome(str(current.state), current.reason) if current else ElementOutcome(None)


def publish(plan: Plan | str | Path) -> Path | None:
    """Publish the DL3 of a night and source with their index.

    Returns
    -------
    pathlib.Path or None
        The folder that users read; None if no run reached DL3.

    Raises
    ------
    PublicationError
        If index and files do not agree.
    """
    plan = plan if isinstance(plan, Plan) else Plan.load(plan)
    if plan.night is None:
        raise ValueError("Monte Carlo products are not published: they lie in autoMCP's tree")
    index = plan.of_stage(Stage.INDEX)
    record = current_record(plan, index[0][1]) if index else None
    if record is None or record.state != State.DONE:
        return None
    done: list[tuple[Element, Record]] = []
    for _, element in plan.of_stage(Stage.DL3):
        one = current_record(plan, element)
        if one is not None and one.state == State.DONE:
            done.append((element, one))
    dl3 = [Path(element.outputs[0]) for element, _ in done]
    outputs = [Path(path) for path in index[0][1].outputs]
    return publication.publish(published_folder(plan), dl3, outputs, _story(plan, done)).folder


def _story(plan: Plan, done: Sequence[tuple[Element, Record]]) -> dict[str, Any]:
    return {
        "plan": str(plan.path),
        "production": plan.production,
        "night": plan.night,
        "source": plan.source,
        "versions": plan.versions,
        "choices": {choice.name: choice.value for choice in plan.choices},
        "runs": {element.id: {"fingerprint": record.fingerprint, "counts": record.counts} for element, record in done},
        "qa": qa_verdict(plan),
    }


def published_folder(plan: Plan) -> Path:
    """Return the folder that users read the DL3 of a night and source from."""
    if plan.night is None:
        raise ValueError("Monte Carlo products are not published: they lie in autoMCP's tree")
    cuts = next(choice.value for choice in plan.choices if choice.name == "cuts")
    return NightTree(Path(plan.root), Night(plan.night), cuts).published


def qa_verdict(plan: Plan) -> str:
    """Return the level of the QA page's verdict (good, warning, bad), or an empty text if there is none."""
    pages = plan.of_stage(Stage.QA)
    if not pages:
        return ""
    try:
        return str(json.loads(Path(pages[0][1].outputs[1]).read_text())["verdict"]["level"])
    except (FileNotFoundError, json.JSONDecodeError, KeyError):
        return ""


def finish_night(plans: Sequence[Plan | str | Path]) -> NightVerdict:
    """Decide whether a night is done.

    It is not when something is held, when an element failed beyond what its run survives, when a run did not reach DL3,
    or when an element has no record.
    """
    lines: list[str] = []
    success = True
    for item in plans:
        plan = item if isinstance(item, Plan) else Plan.load(item)
        problems = night_problems(plan)
        success = success and not problems
        reached = [element for _, element in plan.of_stage(Stage.DL3) if _outcome(plan, element).state == State.DONE]
        lines.append(
            f"{plan.name}: {len(reached)} of {len(plan.runs)} runs reached DL3, {'not done' if problems else 'done'}"
        )
        lines += [f"  {problem}" for problem in problems]
    return NightVerdict(success, tuple(lines))


def night_problems(plan: Plan) -> list[str]:
    """Return why a planned night is not done; empty if it is."""
    problems = [f"held, {hold.subject}: {hold.reason}" for hold in plan.holds]
    states = {element.id: _outcome(plan, element) for element in plan.elements}
    made = {element.outputs[0] for element in plan.elements if states[element.id].state == State.DONE}
    for element in plan.elements:
        outcome = states[element.id]
        if outcome.state is None and all(item.producer in made for item in element.inputs if item.producer):
            problems.append(f"no record, {element.id}: its job left no result; see the log of the stage's task")
        elif outcome.state not in (None, State.DONE) and element.stage in RUN_STAGES and not _has_no_input(outcome):
            problems.append(f"{outcome.state}, {element.id}: {outcome.reason}")
    reached = {name for name, outcome in states.items() if outcome.state == State.DONE}
    lost = [run.lst_run for run in plan.runs if f"{Stage.DL3}/{run.lst_run:05d}" not in reached]
    if lost and not plan.holds:
        problems.append(f"lost, LST-1 runs without DL3: {', '.join(str(run) for run in lost)}")
    return problems


def _has_no_input(outcome: ElementOutcome) -> bool:
    return outcome.reason.startswith(NO_INPUT)


def summary(plan: Plan) -> dict[str, dict[str, int]]:
    """Count the elements of a plan by stage and state; ``to do`` are those without a valid record."""
    table: dict[str, dict[str, int]] = {}
    for stage in plan.stages:
        states = Counter(_outcome(plan, element).state or "to do" for _, element in plan.of_stage(stage))
        table[str(stage)] = dict(states)
    return table
