"""The quality report of a night and source: `report.html` for people, `qa.json` for the catalog."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from stereo_tasks.analysis.reference import is_crab
from stereo_tasks.planning.plan import Plan
from stereo_tasks.products.files import write_atomically
from stereo_tasks.products.record import Record
from stereo_tasks.qa.clock import clock_runs
from stereo_tasks.qa.elements import Records, losses, problems, stage_summaries
from stereo_tasks.qa.engines import made_twice, stage_engines
from stereo_tasks.qa.images import run_images
from stereo_tasks.qa.metrics import run_metrics
from stereo_tasks.qa.page import render
from stereo_tasks.qa.plots import plot_clock, plot_flow, plot_spectrum, plot_subruns, plot_theta2
from stereo_tasks.qa.sky import Sky, look_at_sky, source_position
from stereo_tasks.qa.verdicts import RUN_LEVELS, Level, RunReport, Verdict, judge_night, judge_run
from stereo_tasks.settings.qa import QaSettings
from stereo_tasks.stages import State

QA_FORMAT = 2
"""2: each metric of a run with its unit, level, limit and reason."""


def make_report(
    plan: Plan,
    records: Mapping[str, Record | None],
    dl3_folder: Path | None,
    out: Path,
    *,
    dl2: Mapping[int, Mapping[str, NDArray[Any]]] | None = None,
    muon_efficiency: Mapping[int, float] | None = None,
) -> dict[str, float]:
    """Write the quality page and its data.

    Parameters
    ----------
    plan : Plan
        Of a night and source. `plan.settings` must hold ``qa``, ``source_ra_deg`` and ``source_dec_deg``.
    records : mapping of str to Record or None
        By element id; what is missing or None is shown as such.
    dl3_folder : pathlib.Path, optional
        Folder of the night's DL3 files with their index. Without it, the page says why there is none.
    out : pathlib.Path
        Folder to write ``report.html`` and ``qa.json`` into.
    dl2 : mapping of int to mapping, optional
        Columns of the DL2 of each LST-1 run (`stereo_tasks.qa.images.COLUMNS`), of those that have one.
    muon_efficiency : mapping of int to float, optional
        Mean efficiency of the muon rings of each LST-1 run, of those that have some.

    Returns
    -------
    dict of str to float
        Counts for the record: significance, excess, runs by level, elements by state, ...

    Raises
    ------
    KeyError
        If the plan's settings lack what the page needs.
    """
    settings = QaSettings.model_validate(plan.settings["qa"])
    sky = look_at_sky(plan, dl3_folder, settings)
    night_date = dt.date.fromisoformat(str(plan.night))
    images = {run: found for run, columns in (dl2 or {}).items() if (found := run_images(columns, settings))}
    others: dict[int, dict[str, float | None]] = {run.lst_run: {} for run in plan.runs}
    for name, values in (("source_offset_deg", sky.source_offsets_deg), ("muon_efficiency", muon_efficiency or {})):
        for run, value in values.items():
            others.setdefault(run, {})[name] = value
    completeness_min = float(plan.settings.get("completeness_min", 1.0))
    runs = tuple(
        RunReport(metrics, judge_run(metrics, settings, night_date, completeness_min))
        for metrics in run_metrics(plan, records, sky.runs, images, others)
    )
    all_problems = problems(plan, records)
    open_problems = sum(len(problem.elements) for problem in all_problems if problem.state != State.SKIPPED)
    no_sky = sky.no_theta2 if not sky.runs else ""
    night = judge_night((run.level for run in runs), holds=len(plan.blockers), problems=open_problems, no_sky=no_sky)
    stages = stage_summaries(plan, records)
    theta2 = sky.theta2
    offset_limit = settings.criterion("time_offset_jump_us", night_date).limit(None)
    offset_limit_us = offset_limit.good[1] if offset_limit else None
    rate = settings.criterion("lst1_rate_hz", night_date)
    rate_limits_hz = {
        run.metrics.run.lst_run: limit.good for run in runs if (limit := rate.limit(run.metrics.zenith_deg)) is not None
    }
    clocks = clock_runs(plan, records)
    counts = _counts(sky, runs, records, plan)
    html = render(
        plan=plan,
        records=records,
        settings=settings,
        offset_limit_us=offset_limit_us,
        night=night,
        runs=runs,
        sky=sky,
        stages=stages,
        problems=all_problems,
        losses=losses(plan, records),
        clocks=clocks,
        plots={
            "theta2": plot_theta2(theta2) if theta2 else None,
            "clock": plot_clock(clocks),
            "flow": plot_flow(stages, theta2.total.n_on if theta2 else None),
            "subruns": plot_subruns(
                [subrun for run in runs for subrun in run.metrics.subruns],
                plan.settings.get("time_offset_us"),
                offset_limit_us,
                rate_limits_hz,
            ),
            "spectrum": (
                plot_spectrum(sky.flux_points, sky.spectrum, is_crab(source_position(plan))) if sky.spectrum else None
            ),
        },
    )
    out.mkdir(parents=True, exist_ok=True)
    data = _data(plan, records, night, runs, sky, counts) | {"problems": [asdict(problem) for problem in all_problems]}
    write_atomically(out / "qa.json", json.dumps(_finite(data), indent=1, sort_keys=True, allow_nan=False))
    write_atomically(out / "report.html", html)
    return counts


def _counts(sky: Sky, runs: tuple[RunReport, ...], records: Records, plan: Plan) -> dict[str, float]:
    counts: dict[str, float] = {"runs": len(runs)}
    for level in RUN_LEVELS:
        counts[f"runs_{level.value}"] = sum(run.level == level for run in runs)
    for stage in stage_summaries(plan, records):
        for state, number in stage.states.items():
            key = f"elements_{state.replace(' ', '_')}"
            counts[key] = counts.get(key, 0) + number
    for key in ("on_time_s", "live_time_s"):
        counts[key] = sum(getattr(run.metrics, key) or 0.0 for run in runs)
    if sky.theta2:
        total = sky.theta2.total
        counts |= {
            "n_on": total.n_on,
            "n_off": total.n_off,
            "alpha": total.alpha,
            "excess": total.excess,
            "excess_error": total.error,
            "significance_sigma": total.significance,
        }
    if sky.spectrum:
        fit = sky.spectrum
        counts |= {
            "flux_per_tev_cm2_s": fit.flux,
            "flux_error_per_tev_cm2_s": fit.flux_error,
            "flux_reference_tev": fit.reference_tev,
            "index": fit.index,
            "index_error": fit.index_error,
            "spectrum_sqrt_ts": fit.sqrt_ts,
        }
    return {key: float(value) for key, value in counts.items() if math.isfinite(value)}


def _data(
    plan: Plan,
    records: Records,
    night: Verdict,
    runs: tuple[RunReport, ...],
    sky: Sky,
    counts: Mapping[str, float],
) -> dict[str, Any]:
    return {
        "format": QA_FORMAT,
        "plan": plan.digest,
        "production": plan.production,
        "night": plan.night,
        "source": plan.source,
        "verdict": {"level": night.level, "reason": night.reason},
        "metrics": dict(counts),
        "made_twice": made_twice(stage_engines(plan, records)),
        "no_theta2": sky.no_theta2,
        "no_spectrum": sky.no_spectrum,
        "runs": [
            {
                "lst_run": run.metrics.run.lst_run,
                "magic_runs": list(run.metrics.run.magic_runs),
                "level": run.level,
                "state": run.metrics.state,
                "reasons": list(run.reasons),
                "zenith_deg": run.metrics.zenith_deg,
                "on_time_s": run.metrics.on_time_s,
                "live_time_s": run.metrics.live_time_s,
                "lost_time_s": run.metrics.lost_time_s,
                "lost_cause": run.metrics.lost_cause,
                "metrics": _metrics(run),
                "flow": {flow.stage: [flow.events_in, flow.events_out] for flow in run.metrics.flows},
                "excess": _excess(sky, run.metrics.run.lst_run),
                "verdicts": [asdict(verdict) for verdict in run.verdicts],
            }
            for run in runs
        ],
    }


def _metrics(run: RunReport) -> dict[str, Any]:
    """Return all that is known of a run and has a number: judged or, with neither limit nor reason, only told."""
    told = {"time_offset_us": Verdict("time_offset_us", Level.GOOD, "", run.metrics.time_offset_us, "us")}
    judged = {verdict.metric: verdict for verdict in run.verdicts if verdict.metric != "dl3"}
    names = ("value", "unit", "level", "limit", "reason")
    return {metric: {name: getattr(one, name) for name in names} for metric, one in (told | judged).items()}


def _excess(sky: Sky, lst_run: int) -> dict[str, float] | None:
    excess = sky.theta2.runs.get(lst_run) if sky.theta2 else None
    if excess is None:
        return None
    return asdict(excess) | {"excess": excess.excess, "significance_sigma": excess.significance}


def _finite(value: Any) -> Any:
    """Replace NaN and infinities, which JSON cannot hold, by null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
