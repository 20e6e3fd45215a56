"""The quality report of a night and source: `report.html` for people, `qa.json` for the catalog."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from astropy.coordinates import SkyCoord

from stereo_tasks.planning.plan import Plan
from stereo_tasks.products.files import write_atomically
from stereo_tasks.products.record import Record, State
from stereo_tasks.qa.dl3 import Dl3Error, ObservedRun, observed_run, open_observations
from stereo_tasks.qa.elements import Records, losses, problems, stage_summaries
from stereo_tasks.qa.metrics import RunMetrics, run_metrics
from stereo_tasks.qa.page import render
from stereo_tasks.qa.plots import plot_flow, plot_subruns, plot_theta2
from stereo_tasks.qa.spectrum import PowerLaw, SpectrumError, fit_power_law
from stereo_tasks.qa.theta2 import Theta2, make_theta2
from stereo_tasks.qa.verdicts import Level, Verdict, judge_night, judge_run, worst
from stereo_tasks.settings.qa import QaSettings

log = logging.getLogger(__name__)

QA_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Sky:
    """What the DL3 of the night says about the source. Every missing part has its reason."""

    runs: Mapping[int, ObservedRun]
    theta2: Theta2 | None
    no_theta2: str
    spectrum: PowerLaw | None
    no_spectrum: str


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run with its verdicts."""

    metrics: RunMetrics
    verdicts: tuple[Verdict, ...]

    @property
    def level(self) -> Level:
        """The worst of the verdicts."""
        return worst(one.level for one in self.verdicts)

    def marks(self, metric: str) -> str:
        """Return the classes that mark a metric in the table: nothing if it is good."""
        levels = [one.level for one in self.verdicts if one.metric == metric and one.level != Level.GOOD]
        return f"off {worst(levels).value}" if levels else ""

    @property
    def reasons(self) -> tuple[str, ...]:
        """What is not good about the run."""
        return tuple(one.reason for one in self.verdicts if one.level != Level.GOOD)


def make_report(
    plan: Plan, records: Mapping[str, Record | None], dl3_folder: Path | None, out: Path
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
    runs = tuple(
        RunReport(metrics, judge_run(metrics, settings, float(plan.settings.get("completeness_min", 1.0))))
        for metrics in run_metrics(plan, records, sky.runs)
    )
    found = problems(plan, records)
    open_problems = sum(len(one.elements) for one in found if one.state != State.SKIPPED)
    no_sky = sky.no_theta2 if not sky.runs else ""
    night = judge_night((run.level for run in runs), holds=len(plan.holds), problems=open_problems, no_sky=no_sky)
    stages = stage_summaries(plan, records)
    theta2 = sky.theta2
    counts = _counts(sky, runs, records, plan)
    html = render(
        plan=plan,
        records=records,
        settings=settings,
        night=night,
        runs=runs,
        sky=sky,
        stages=stages,
        problems=found,
        losses=losses(plan, records),
        plots={
            "theta2": plot_theta2(theta2) if theta2 else None,
            "flow": plot_flow(stages, theta2.total.n_on if theta2 else None),
            "subruns": plot_subruns(
                [subrun for run in runs for subrun in run.metrics.subruns],
                plan.settings.get("time_offset_us"),
                settings.limits.time_offset_jump_us.good[1],
            ),
        },
    )
    out.mkdir(parents=True, exist_ok=True)
    data = _data(plan, night, runs, sky, counts) | {"problems": [asdict(one) for one in found]}
    write_atomically(out / "qa.json", json.dumps(_finite(data), indent=1, sort_keys=True, allow_nan=False))
    write_atomically(out / "report.html", html)
    return counts


def _nothing(reason: str) -> Sky:
    return Sky({}, None, reason, None, reason)


def look_at_sky(plan: Plan, dl3_folder: Path | None, settings: QaSettings) -> Sky:
    """Analyse the night's DL3; never raises for bad data, says what is wrong instead."""
    if dl3_folder is None:
        return _nothing("no run reached DL3")
    if plan.settings.get("source_ra_deg") is None or plan.settings.get("source_dec_deg") is None:
        return _nothing(f"the plan has no position of {plan.source}: add it to config/sources.yaml and plan again")
    source = SkyCoord(float(plan.settings["source_ra_deg"]), float(plan.settings["source_dec_deg"]), unit="deg")
    try:
        observations = open_observations(dl3_folder)
    except Dl3Error as error:
        return _nothing(str(error))
    runs = {run.obs_id: run for run in (observed_run(observation, source) for observation in observations)}
    theta2 = make_theta2(observations, source, settings.theta2)
    if theta2 is None:
        reason = "no run has room for an OFF region: is the wobble offset, or the position of the source, right?"
        return Sky(runs, None, reason, None, reason)
    spectrum, no_spectrum = None, ""
    significance, needed = theta2.total.significance, settings.spectrum.significance_min_sigma
    if significance < needed:
        no_spectrum = f"an excess of {significance:.1f} sigma is too weak for a spectrum ({needed:g} are needed)"
    else:
        used = [observation for observation in observations if int(observation.obs_id) in theta2.runs]
        try:
            spectrum = fit_power_law(used, source, theta2.off_regions, settings.spectrum)
        except SpectrumError as error:
            no_spectrum = str(error)
        except Exception as error:  # the page is most needed when something is odd: it must come in any case
            log.exception("The spectrum of %s failed", plan.name)
            no_spectrum = f"the fit failed: {type(error).__name__}: {error}"
    return Sky(runs, theta2, "", spectrum, no_spectrum)


def _counts(sky: Sky, runs: tuple[RunReport, ...], records: Records, plan: Plan) -> dict[str, float]:
    counts: dict[str, float] = {"runs": len(runs)}
    for level in Level:
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
    plan: Plan, night: Verdict, runs: tuple[RunReport, ...], sky: Sky, counts: Mapping[str, float]
) -> dict[str, Any]:
    return {
        "format": QA_FORMAT,
        "plan": plan.digest,
        "production": plan.production,
        "night": plan.night,
        "source": plan.source,
        "verdict": {"level": night.level, "reason": night.reason},
        "metrics": dict(counts),
        "no_theta2": sky.no_theta2,
        "no_spectrum": sky.no_spectrum,
        "runs": [
            {
                "lst_run": run.metrics.run.lst_run,
                "magic_runs": list(run.metrics.run.magic_runs),
                "level": run.level,
                "state": run.metrics.state,
                "metrics": run.metrics.values(),
                "flow": {flow.stage: [flow.events_in, flow.events_out] for flow in run.metrics.flows},
                "excess": _excess(sky, run.metrics.run.lst_run),
                "verdicts": [asdict(verdict) for verdict in run.verdicts],
            }
            for run in runs
        ],
    }


def _excess(sky: Sky, lst_run: int) -> dict[str, float] | None:
    one = sky.theta2.runs.get(lst_run) if sky.theta2 else None
    return asdict(one) | {"excess": one.excess, "significance_sigma": one.significance} if one else None


def _finite(value: Any) -> Any:
    """Replace NaN and infinities, which JSON cannot hold, by null."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
