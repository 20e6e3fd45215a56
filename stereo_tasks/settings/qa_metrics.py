"""The metrics of a run that QA judges: their names in `config/qa.yaml` and in `qa.json`, their units and words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Group(StrEnum):
    """What a metric tells of; the page shows them together."""

    OBSERVATION = "observation"
    RATES = "rates"
    LIGHT = "light of LST-1"
    CLOCK = "clocks"
    POINTING = "pointing"
    EVENTS = "events"
    IMAGES = "images"
    SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Metric:
    """One number of a run: a descriptor of what is measured."""

    name: str
    """In `qa.json`; the unit is part of it, unless there is none."""
    key: str
    """``metric.descriptor``: where its limits stand in `config/qa.yaml`."""
    label: str
    unit: str
    form: str
    """How its values are printed."""
    group: Group
    required: bool = False
    """Whether it should be known of every run with DL3: where it is not, that is a warning."""
    unknown: str = "no record tells"
    """Why it may not be known."""


TELESCOPES = {1: ("lst1", "LST-1"), 2: ("m1", "M1"), 3: ("m2", "M2")}
"""Names of the telescopes in metrics and for people, by their numbers in magic-cta-pipe."""
IMAGE_PARAMETERS = ("intensity", "width", "length")
COMBINATIONS = ("lst1_m1", "lst1_m1_m2", "lst1_m2", "m1_m2")
"""Which telescopes have images of an event, by ``combo_type`` of magic-cta-pipe 0.6.2."""


_NO_REFERENCE = "no reference of such nights and zenith distances in config/qa.yaml, or too few images"


def _combination_label(combination: str) -> str:
    return "events of " + combination.replace("lst1", "LST-1").replace("m1", "M1").replace("m2", "M2").replace(
        "_", " + "
    )


METRICS = (
    Metric("zenith_deg", "zenith.mean", "zenith", "deg", ".1f", Group.OBSERVATION, required=True),
    Metric("wobble_offset_deg", "wobble_offset.mean", "wobble offset", "deg", ".3f", Group.OBSERVATION, required=True),
    Metric("dead_time_factor", "dead_time.factor", "dead-time factor", "", ".3f", Group.OBSERVATION, required=True),
    Metric(
        "nsb", "nsb.median", "night-sky background", "", ".2f", Group.OBSERVATION,
        unknown="autoMCP's tables do not have it",
    ),
    Metric("lst1_rate_hz", "rate.lst1", "rate of LST-1", "Hz", ".1f", Group.RATES),
    Metric("m1_rate_hz", "rate.m1", "rate of M1", "Hz", ".1f", Group.RATES),
    Metric("m2_rate_hz", "rate.m2", "rate of M2", "Hz", ".1f", Group.RATES),
    Metric("m1_m2_rate_ratio", "rate.m1_over_m2", "rate of M1 over that of M2", "", ".2f", Group.RATES),
    Metric("stereo_rate_hz", "rate.stereo", "rate of events with LST-1 and MAGIC", "Hz", ".1f", Group.RATES),
    Metric("rate_126_hz", "cosmics.rate_126", "showers at log10 I = 2.1", "Hz", ".2f", Group.LIGHT),
    Metric("rate_422_per_s_pe", "cosmics.rate_422", "showers at 422 p.e.", "1/(s p.e.)", ".3g", Group.LIGHT),
    Metric("index_422", "cosmics.index_422", "index of the spectrum at 422 p.e.", "", ".2f", Group.LIGHT),
    Metric(
        "muon_efficiency", "muons.efficiency", "muon efficiency", "", ".3f", Group.LIGHT,
        unknown="no muon file beside the DL1 of LST-1",
    ),
    Metric(
        "time_offset_jump_us", "time_offset.from_table", "time offset away from the known value by", "us", ".2f",
        Group.CLOCK, required=True,
    ),
    Metric("time_offset_step_us", "time_offset.step", "time offset jumps between subruns by", "us", ".2f", Group.CLOCK),
    Metric("time_offset_drift_us", "time_offset.drift", "time offset drifts in the run by", "us", ".2f", Group.CLOCK),
    Metric(
        "pointing_separation_arcmin", "pointing.separation", "pointing separation LST-1 to MAGIC", "arcmin", ".2f",
        Group.POINTING, required=True,
    ),
    Metric(
        "pointing_spread_arcmin", "pointing.spread", "spread of the pointing separation", "arcmin", ".2f",
        Group.POINTING,
    ),
    Metric(
        "coincident_kept", "events.coincident_kept", "part of the coincident events that stereo keeps", "", ".2f",
        Group.EVENTS,
    ),
    *(
        Metric(f"combination_{name}", f"combinations.{name}", _combination_label(name), "", ".3f", Group.EVENTS)
        for name in COMBINATIONS
    ),
    Metric("gamma_like", "events.gamma_like", "part of the events with gammaness above 0.85", "", ".3f", Group.EVENTS),
    *(
        Metric(
            f"{short}_{parameter}_distance", f"images.{short}_{parameter}",
            f"{parameter} of {name} differs from its reference by", "", ".3f", Group.IMAGES,
            unknown=_NO_REFERENCE,
        )
        for short, name in TELESCOPES.values() for parameter in IMAGE_PARAMETERS
    ),
    Metric(
        "gammaness_distance", "images.gammaness", "gammaness of background differs from its reference by", "", ".3f",
        Group.IMAGES, unknown=_NO_REFERENCE,
    ),
    Metric(
        "source_offset_deg", "source.offset", "excess away from the source by", "deg", ".2f", Group.SOURCE,
        unknown="no significant excess in this run",
    ),
)  # fmt: skip
"""In the order of the page."""

BY_NAME = {metric.name: metric for metric in METRICS}
BY_KEY = {metric.key: metric for metric in METRICS}
