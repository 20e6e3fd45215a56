"""The page itself: one HTML file with nothing to load from elsewhere; its only scripts make the plots zoom."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from stereo_tasks.planning.plan import Plan
from stereo_tasks.qa.clock import ClockRun
from stereo_tasks.qa.elements import Loss, Problem, Records, StageSummary, elements_shown
from stereo_tasks.qa.engines import made_twice, stage_engines
from stereo_tasks.qa.plots import Picture
from stereo_tasks.qa.sky import Sky
from stereo_tasks.qa.verdicts import Level, RunReport, Verdict, completeness_metric, worst
from stereo_tasks.settings.qa import QaSettings
from stereo_tasks.settings.qa_metrics import METRICS
from stereo_tasks.stages import Stage, State
from stereo_tasks.stages.night import COMPARE, DL3, INDEX
from stereo_tasks.zoom.embed import scripts
from stereo_tasks.zoom.policy import page_policy

_TEMPLATES = Path(__file__).parent / "templates"
_NOTHING = "–"


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A tool's version as the plan has it and as the records have it."""

    tool: str
    planned: str
    used: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether some element ran with another version than planned, or with several."""
        return len(self.used) > 1 or (bool(self.planned) and bool(self.used) and self.used != (self.planned,))


@dataclass(frozen=True, slots=True)
class RecordFolder:
    """Where the records of a stage lie."""

    stage: str
    folder: str
    records: int


@dataclass(frozen=True, slots=True)
class MetricRow:
    """A metric with its values in all runs."""

    label: str
    unit: str
    group: str
    limits: tuple[str, ...]
    """Where it is good, or why nobody knows; several where that depends on the zenith distance of the run."""
    cells: tuple[tuple[str, str], ...]
    """Value and classes of each run."""


def metric_rows(runs: Sequence[RunReport]) -> tuple[list[MetricRow], list[MetricRow], list[str]]:
    """Return metrics that are not good in some run, the worst first; those that are; and what is not known, and why."""
    found: list[tuple[Level, MetricRow]] = []
    unknown = []
    for metric in METRICS:
        verdicts = [{one.metric: one for one in run.verdicts}.get(metric.name) for run in runs]
        known = [one for one in verdicts if one is not None and one.value is not None]
        if not known:
            unknown.append(f"{metric.label} ({metric.unknown})")
            continue
        cells = tuple(
            (_number(one.value if one else None, metric.form), run.marks(metric.name))
            for run, one in zip(runs, verdicts, strict=True)
        )
        limits = tuple(dict.fromkeys(one.limit or one.reason for one in known))
        row = MetricRow(metric.label, metric.unit, metric.group, limits, cells)
        found.append((worst(one.level for one in known), row))
    order = list(Level)
    found.sort(key=lambda item: order.index(item[0]), reverse=True)
    off = [row for level, row in found if level in (Level.WARNING, Level.BAD)]
    return off, [row for level, row in found if level not in (Level.WARNING, Level.BAD)], unknown


def render(
    *,
    plan: Plan,
    records: Records,
    settings: QaSettings,
    offset_limit_us: float | None,
    night: Verdict,
    runs: Sequence[RunReport],
    sky: Sky,
    stages: Sequence[StageSummary],
    problems: Sequence[Problem],
    losses: Sequence[Loss],
    clocks: Sequence[ClockRun],
    plots: dict[str, Picture | None],
) -> str:
    """Return the page as HTML. All texts are escaped, but for the style sheet and scripts of the package."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "flux": _flux, "duration": _duration, "listed": _listed}
    off, others, unknown = metric_rows(runs)
    style = (_TEMPLATES / "report.css").read_text()
    zooms = any(picture is not None and picture.data for picture in plots.values())
    page = environment.get_template("report.html").render(
        plan=plan,
        settings=settings,
        offset_limit_us=offset_limit_us,
        metrics_off=off,
        metrics_good=others,
        metrics_unknown=unknown if runs else [],
        completeness_metric=completeness_metric,
        night=night,
        runs=runs,
        sky=sky,
        stages=stages,
        problems=problems,
        losses=losses,
        clocks=clocks,
        plots=plots,
        scripts=Markup(scripts()) if zooms else "",  # noqa: S704 - BokehJS and our loader
        engines=(engines := stage_engines(plan, records)),
        made_twice=made_twice(engines),
        to_compare=sum(records.get(element.id) is None for _, element in plan.of_stage(COMPARE)),
        versions=_versions(plan, records),
        products=_products(plan, records),
        folders=_record_folders(plan, records),
        expected_us=plan.settings.get("time_offset_us"),
        made_utc=dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        style=Markup(style),  # noqa: S704 - a file of this package, nothing from outside
        policy=page_policy(),
    )
    return str(page)


def _versions(plan: Plan, records: Records) -> list[VersionRow]:
    used: dict[str, set[str]] = defaultdict(set)
    for element in elements_shown(plan, records):
        record = records.get(element.id)
        for tool, version in (record.versions if record else {}).items():
            used[tool].add(version)
    tools = sorted(plan.versions.keys() | used.keys())
    return [VersionRow(tool, plan.versions.get(tool, ""), tuple(sorted(used.get(tool, ())))) for tool in tools]


def _products(plan: Plan, records: Records) -> list[dict[str, Any]]:
    """Return the DL3 products with checksum and record."""
    rows = []
    for stage in (DL3, INDEX):
        for _, element in plan.of_stage(stage):
            record = records.get(element.id)
            if record is not None and record.state == State.DONE:
                rows += [{"mark": mark, "record": element.record_path} for mark in record.outputs]
    return rows


def _record_folders(plan: Plan, records: Records) -> list[RecordFolder]:
    counted: dict[tuple[Stage, Path], int] = defaultdict(int)
    for element in elements_shown(plan, records):
        if records.get(element.id) is not None:
            counted[element.stage, element.record_path.parent] += 1
    return [RecordFolder(stage.name, str(folder), number) for (stage, folder), number in counted.items()]


def _number(value: float | None, form: str = ",.0f") -> str:
    return _NOTHING if value is None else format(value, form)


def _flux(value: float, error: float) -> Markup:
    """Format a flux and its error with one common power of ten."""
    power = int(f"{value:e}".split("e")[1])
    scale = 10.0**power
    exponent = f"{power}".replace("-", "−")
    return Markup("({:.2f} ± {:.2f}) × 10<sup>{}</sup>").format(value / scale, error / scale, exponent)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return _NOTHING
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.2f} h"


def _listed(items: Sequence[object]) -> str:
    return ", ".join(str(item) for item in items)
