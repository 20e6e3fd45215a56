"""What the DL3 of a night says about the source: runs, theta-square, spectrum."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from astropy.coordinates import SkyCoord

from stereo_tasks.planning.plan import Plan
from stereo_tasks.qa.dl3 import Dl3Error, ObservedRun, observed_run, open_observations
from stereo_tasks.qa.flux_points import FluxPoint
from stereo_tasks.qa.source_position import excess_offset_deg
from stereo_tasks.qa.spectrum import PowerLaw, SpectrumError, measure_spectrum
from stereo_tasks.qa.theta2 import Theta2, make_theta2
from stereo_tasks.settings.qa import QaSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sky:
    """What the DL3 of the night says about the source. Every missing part has its reason."""

    runs: Mapping[int, ObservedRun]
    theta2: Theta2 | None
    no_theta2: str
    spectrum: PowerLaw | None
    no_spectrum: str
    source_offsets_deg: Mapping[int, float] = field(default_factory=dict)
    """How far from the source the largest excess is, by LST-1 run; nothing of runs without a significant one."""
    flux_points: tuple[FluxPoint, ...] = ()
    """None without a spectrum."""


def _nothing(reason: str) -> Sky:
    return Sky({}, None, reason, None, reason)


def source_position(plan: Plan) -> SkyCoord:
    """Return the position of the source of a plan that has one."""
    return SkyCoord(float(plan.settings["source_ra_deg"]), float(plan.settings["source_dec_deg"]), unit="deg")


def look_at_sky(plan: Plan, dl3_folder: Path | None, settings: QaSettings) -> Sky:
    """Analyse the night's DL3; never raises for bad data, says what is wrong instead."""
    if dl3_folder is None:
        return _nothing("no run reached DL3")
    if plan.settings.get("source_ra_deg") is None or plan.settings.get("source_dec_deg") is None:
        return _nothing(f"the plan has no position of {plan.source}: add it to config/sources.yaml and plan again")
    source = source_position(plan)
    try:
        observations = open_observations(dl3_folder)
    except Dl3Error as error:
        return _nothing(str(error))
    runs = {run.obs_id: run for run in (observed_run(observation, source) for observation in observations)}
    found = ((int(one.obs_id), excess_offset_deg(one, source, settings.detection_sigma)) for one in observations)
    offsets = {run: offset for run, offset in found if offset is not None}
    theta2 = make_theta2(observations, source, settings.theta2)
    if theta2 is None:
        reason = "no run has room for an OFF region: is the wobble offset, or the position of the source, right?"
        return Sky(runs, None, reason, None, reason, offsets)
    spectrum, no_spectrum = None, ""
    points: tuple[FluxPoint, ...] = ()
    significance, needed = theta2.total.significance, settings.spectrum.significance_min_sigma
    if significance < needed:
        no_spectrum = f"an excess of {significance:.1f} sigma is too weak for a spectrum ({needed:g} are needed)"
    else:
        used = [observation for observation in observations if int(observation.obs_id) in theta2.runs]
        try:
            spectrum, points = measure_spectrum(used, source, theta2.off_regions, settings.spectrum)
        except SpectrumError as error:
            no_spectrum = str(error)
        except Exception as error:  # the page is most needed when something is odd: it must come in any case
            log.exception("The spectrum of %s failed", plan.name)
            no_spectrum = f"the fit failed: {type(error).__name__}: {error}"
    return Sky(runs, theta2, "", spectrum, no_spectrum, offsets, points)
