"""Parts of the nights of a set -> its summaries: the sample, and the performance of the chains of analysis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stereo_tasks.planning.plan import Input
from stereo_tasks.products.models import pointing_of
from stereo_tasks.stages import Stage
from stereo_tasks.stages.datasets import COINCIDENCES, COMMON, MERGED, SIMULATED, TRIGGERS
from stereo_tasks.steps import dataset_tables
from stereo_tasks.steps.context import Made, StepContext
from stereo_tasks.steps.dataset_triggers import SPECTRUM, TIMES
from stereo_tasks.steps.offline import keep_astropy_offline
from stereo_tasks.steps.outcomes import failed

_TABLES = {"mean": "/events/mean", "merged": "/events/merged"}


def check(stage: Stage, path: Path) -> str:
    """Check a file of a summary: a page, numbers, a table, or a picture."""
    if path.suffix == ".html":
        return "" if path.read_text().rstrip().endswith("</html>") else "does not end as a page"
    if path.suffix == ".png":
        return "" if path.read_bytes().startswith(b"\x89PNG") else "is no picture"
    return "" if path.stat().st_size else "is empty"


def sample(context: StepContext) -> Made:
    """Describe the runs of the set."""
    keep_astropy_offline()
    import pandas as pd

    from stereo_tasks.datasets import files
    from stereo_tasks.summary import runs
    from stereo_tasks.summary.sample import Sample, summarise

    found, (merged, lost) = Sample(), dataset_tables.made(context, MERGED.name)
    for item, record in merged:
        night = record.element.partition("/")[2]
        found.rows += [
            runs.run_row(number, night, images) for number, images in files.runs_of(Path(item.path)) if len(images)
        ]
    for stage, tables in (
        (COINCIDENCES, {"/events/feature": found.features, "/events/profile": found.profiles}),
        (TRIGGERS, {SPECTRUM: found.spectra, TIMES: found.effective_times}),
    ):
        available, missing = context.upstream(stage.name)
        lost += missing
        for item, record in available:
            lost += record.lost
            for table, parts in tables.items():
                parts.append(pd.DataFrame(dataset_tables.read(Path(item.path), table)))
    indexed = zip(context.element.parameters["indexed"], context.inputs("index"), strict=True)
    found.times = {(night, run): times for night, item in indexed for run, times in _times_of(item).items()}
    summary = summarise(found, lost)
    counts: dict[str, float] = {name: value for name, value in summary.numbers.items() if isinstance(value, int)}
    return Made(_written(context, summary), counts, lost)


def performance(context: StepContext) -> Made:
    """Compare the chains of analysis with each other and with the Monte Carlo."""
    keep_astropy_offline()
    from astropy.table import Table

    from stereo_tasks.summary.performance import Performance

    given = context.element.parameters
    common, lost = dataset_tables.made(context, COMMON.name)
    position = (given[name] for name in ("source_ra_deg", "source_dec_deg", "region_radius_deg"))
    (runs, _), *_ = dataset_tables.made(context, "runs")[0]
    found = Performance(given["chains"], Table.read(runs.path), *position)
    with dataset_tables.named("the parts"):
        for item, record in common:
            path = Path(item.path)
            night = record.element.partition("/")[2]
            found.fill(night, {kind: _columns(path, kind, f"/events/{kind}") for kind in given["chains"]})
    with dataset_tables.named("the Monte Carlo"):
        nodes = _fill_simulated(context, found, Table.read(runs.path), lost)
    summary = found.summarise(simulated=bool(context.inputs("simulated")), lost=lost)
    counts = {"nights": len(common), "nodes": nodes, "events": summary.numbers["events"]}
    return Made(_written(context, summary), counts, lost)


def _fill_simulated(context: StepContext, found: Any, runs: Any, lost: list[str]) -> int:
    """Add the nodes that stand for some of the time; return how many."""
    from stereo_tasks.summary.simulated import Simulation, shares

    available, missing = context.upstream(SIMULATED.name)
    lost += missing
    paths = {record.element.partition("/")[2]: Path(item.path) for item, record in available}
    nodes = {name: pointing[1:] for name in paths if (pointing := pointing_of(name))}
    known = {name: share for name, share in shares(runs, nodes).items() if share > 0} if nodes else {}
    for name, share in known.items():
        key, _, node = name.rpartition("/")
        (origin,) = (
            Path(item.path)
            for item in context.inputs("simulated")
            if item.path.endswith(f"{key}/DL2/dl2_gamma_{node}.h5")
        )
        tables = {kind: _columns(paths[name], kind, table) for kind, table in _TABLES.items()}
        runs_of_node = tables["merged"]["obs_id"].nunique()
        simulation = Simulation.of(dataset_tables.read(origin, "simulation/config"), runs_of_node, origin.name)
        found.fill_simulated(tables, simulation, share)
    return len(known)


def _columns(path: Path, kind: str, table: str) -> Any:
    """Return the columns of a table that are needed."""
    from stereo_tasks.datasets import files
    from stereo_tasks.summary.chains import wanted

    names = wanted(kind, files.names_of(path, table))
    return files.columns(path, names, table)


def _times_of(item: Input) -> dict[int, tuple[float, float]]:
    """Return ON time and live time in s by run, as an observation index has them."""
    from astropy.table import Table

    try:
        index = Table.read(item.path, hdu=1, format="fits")
        return {
            int(run): (float(on_time), float(live_time))
            for run, on_time, live_time in zip(index["OBS_ID"], index["ONTIME"], index["LIVETIME"], strict=True)
        }
    except (OSError, KeyError, ValueError) as error:
        raise failed(
            f"{item.path} cannot be read ({type(error).__name__}: {error}): publish the night again"
        ) from error


def _written(context: StepContext, summary: Any) -> list[Path]:
    from stereo_tasks.summary.page import write

    plan = context.plan
    choices = {choice.name: f"{choice.value} ({choice.reason})" for choice in plan.choices}
    versions = ", ".join(f"{name} {version}" for name, version in sorted(plan.versions.items()))
    facts = {"production": plan.production, "set": plan.name.rpartition("/")[2], **choices, "versions": versions}
    made = write(summary, context.folder("out"), plan.source, facts)
    names = [Path(output).name for output in context.element.outputs]
    by_name = {path.name: path for path in made}
    return [by_name[name] for name in names]
