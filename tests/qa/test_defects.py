"""What is wrong with a run is found in its numbers, and said; a run in order is left in peace."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import replace

import numpy as np
import pytest

from stereo_tasks.qa.images import COLUMNS, deciles_of, distances, run_images
from stereo_tasks.qa.intensity_spectrum import intensity_spectrum, shower_counts
from stereo_tasks.qa.metrics import run_metrics
from stereo_tasks.qa.rates import offset_changes
from stereo_tasks.qa.verdicts import Level, RunReport, judge_run
from stereo_tasks.settings.qa import QaSettings, Reference

NIGHT = dt.date(2024, 1, 10)
LIVE_S = 600.0
MEDIAN_PE = {1: 300.0, 2: 150.0, 3: 150.0}


def showers(rate_422, index, seconds, rng, light=1.0):
    """Draw intensities in p.e. above 50 p.e. from dR/dI = rate_422 (I / 422)^index, as seen with some of the light."""
    low = 50.0
    total = seconds * rate_422 * 422 / -(index + 1) * (low / 422) ** (index + 1)
    return light * low * rng.uniform(size=rng.poisson(total)) ** (1 / (index + 1))


def dl2(rng, *, light=1.0, noisy=None, events=3000):
    """Make the columns of DL2: half of the events with three telescopes, the others with one pair or another."""
    kinds = rng.choice(4, events, p=[0.15, 0.5, 0.15, 0.2])
    of_kind = {0: (1, 2), 1: (1, 2, 3), 2: (1, 3), 3: (2, 3)}
    gammaness = np.where(rng.uniform(size=events) < 0.03, 0.9, rng.beta(1, 5, events))
    rows = [(event, telescope, kind) for event, kind in enumerate(kinds) for telescope in of_kind[kind]]
    event, telescope, kind = np.array(rows).T
    intensity = np.array([MEDIAN_PE[one] for one in telescope]) * rng.lognormal(0, 0.9, len(rows)) * light
    width = 0.1 * rng.lognormal(0, 0.25, len(rows))
    length = 0.25 * rng.lognormal(0, 0.25, len(rows))
    if noisy:
        width = np.where(telescope == noisy, width * 1.4, width)
    alt = 1.2 + np.radians(0.005) * rng.normal(size=len(rows))
    values = (
        np.full(len(rows), 1622), event, telescope, kind, gammaness[event], alt, np.full(len(rows), 2.0),
        intensity, width, length,
    )  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


@pytest.fixture(scope="module")
def settings(qa_settings):
    """Limits with a reference that was drawn from other events."""
    images = run_images(dl2(np.random.default_rng(1), events=20_000), qa_settings)
    deciles = {name: deciles_of(values) for name, values in images.background.items()}
    return qa_settings.model_copy(update={"references": (Reference(source="simulated", deciles=deciles),)})


def report_of(night, settings: QaSettings, *, columns=None, source_offset_deg=0.01, **counts):
    """Judge the first run of the night with some counts in the records of its coincidences."""
    counts = {"lst_showers": 62_000 / 3, "lst_live_s": 10.0 / 3, **counts}
    for name in ("coincide/01622.0000", "coincide/01622.0001", "coincide/01622.0002"):
        night.set(name, **counts)
    for telescope in ("M1", "M2"):
        night.set(f"merge/{telescope}/05093711", alive_s=42.0)
    plan = replace(night.plan, settings={**night.plan.settings, "qa": settings.model_dump(mode="json")})
    images = run_images(columns if columns is not None else dl2(np.random.default_rng(2)), settings)
    found = run_metrics(plan, night.records, {}, {1622: images}, {1622: {"source_offset_deg": source_offset_deg}})
    # 2,400 events with LST-1 in 28 s: 86 Hz, where the band of the period has 91 Hz.
    metrics = replace(found[0], wobble_offset_deg=0.4, others={**found[0].others, "stereo_rate_hz": 86.0})
    return RunReport(metrics, judge_run(metrics, settings, NIGHT, completeness_min=0.6))


def test_a_run_in_order_is_good_whatever_chance_does(fake_night, settings):
    for seed in range(20):
        report = report_of(fake_night, settings, columns=dl2(np.random.default_rng(100 + seed), events=1500))
        assert (report.level, report.reasons) == (Level.GOOD, ())


def test_half_of_the_rate(fake_night, settings):
    report = report_of(fake_night, settings, lst_showers=31_000 / 3)
    assert report.level == Level.BAD
    (reason,) = report.reasons
    assert reason.startswith("rate of LST-1 3100.0 Hz, good is 4")
    assert "at this zenith distance" in reason


def test_less_light_in_all_telescopes_is_said_to_be_as_through_clouds(fake_night, settings):
    report = report_of(fake_night, settings, columns=dl2(np.random.default_rng(3), light=0.6))
    marked = {one.metric for one in report.verdicts if one.level in (Level.WARNING, Level.BAD)}
    assert {f"{name}_intensity_distance" for name in ("lst1", "m1", "m2")} == marked
    assert all("as through clouds" in reason for reason in report.reasons)


def test_one_noisy_telescope_is_named_and_the_others_are_not(fake_night, settings):
    report = report_of(fake_night, settings, columns=dl2(np.random.default_rng(4), noisy=2))
    (reason,) = report.reasons
    assert reason.startswith("width of M1 differs from its reference by 0.")
    assert "its median is 0.1" in reason
    assert "clouds" not in reason


def test_a_source_that_is_elsewhere(fake_night, settings):
    report = report_of(fake_night, settings, source_offset_deg=0.25)
    assert report.level == Level.BAD
    assert report.reasons[0].startswith("excess away from the source by 0.25 deg, good is 0 to 0.1")


def test_what_nobody_knows_is_said_and_does_not_count(fake_night, qa_settings):
    report = report_of(fake_night, qa_settings, source_offset_deg=None)
    verdicts = {one.metric: one for one in report.verdicts}
    assert report.level == Level.GOOD
    assert verdicts["m1_width_distance"].level == Level.UNKNOWN
    assert "no reference of such nights" in verdicts["m1_width_distance"].reason
    assert verdicts["source_offset_deg"].reason == (
        "excess away from the source by: not known (no significant excess in this run)"
    )
    assert verdicts["m1_rate_hz"].value == pytest.approx(300)
    assert "no rate of DL1 of M1 has been published" in verdicts["m1_rate_hz"].reason


def test_a_jump_within_the_run_is_told_from_a_drift():
    jumped = [(0, -3.2, 900), (1, -3.2, 900), (2, -3.2, 900), (3, -2.2, 900)]
    drifted = [(subrun, -3.2 + 0.1 * subrun, 900) for subrun in range(11)]
    lost = [(0, -3.2, 900), (1, None, 1), (10, -3.2, 900)]
    assert offset_changes(jumped)["time_offset_step_us"] == pytest.approx(1.0)
    assert offset_changes(drifted)["time_offset_step_us"] == pytest.approx(0.1)
    assert offset_changes(drifted)["time_offset_drift_us"] == pytest.approx(1.0)
    assert offset_changes(lost) == {"time_offset_step_us": 0.0, "time_offset_drift_us": pytest.approx(0, abs=1e-9)}
    assert offset_changes([(0, -3.2, 900)])["time_offset_step_us"] is None


@pytest.mark.parametrize("light", [1.0, 0.6])
def test_the_intensity_spectrum_of_the_showers(light):
    rng = np.random.default_rng(5)
    intensity = showers(1.74, -2.24, LIVE_S, rng, light)
    spectrum = intensity_spectrum(shower_counts(intensity), LIVE_S, zenith_deg=0.0)
    # Showers of I have an image of light x I: the rate at one intensity goes as light^(-1 - index).
    assert spectrum.rate_422_per_s_pe == pytest.approx(1.74 * light**1.24, rel=0.02)
    assert spectrum.index_422 == pytest.approx(-2.24, abs=0.05)
    # The seed's bin: 0.014 of a decade, here with the showers of a fifth of a decade.
    per_decade = 1.74 * light**1.24 * 422 * math.log(10) * (10**2.1 / 422) ** -1.24
    assert spectrum.rate_126_hz == pytest.approx(per_decade * 2.5 / 179, rel=0.03)


def test_the_rate_at_422_pe_is_corrected_to_the_zenith():
    counts = shower_counts(showers(1.2, -2.3, LIVE_S, np.random.default_rng(6)))
    at_zenith, at_60_deg = (intensity_spectrum(counts, LIVE_S, zenith_deg) for zenith_deg in (0.0, 60.0))
    # lstchain's polynomials in the cosine: 1.741 at 1, 1.006 at 0.5.
    assert at_60_deg.rate_422_per_s_pe / at_zenith.rate_422_per_s_pe == pytest.approx(1.741 / 1.006, rel=1e-3)
    assert at_60_deg.index_422 - at_zenith.index_422 == pytest.approx(0.5 * 0.99443581 - 0.75 * 0.34013068)


def test_without_showers_there_is_no_spectrum():
    assert intensity_spectrum(shower_counts(np.full(5, np.nan)), LIVE_S, 20.0) is None
    assert intensity_spectrum({}, LIVE_S, 20.0) is None


def test_distances_are_those_of_kolmogorov_at_the_deciles(qa_settings):
    rng = np.random.default_rng(7)
    images = run_images(dl2(rng, events=20_000), qa_settings)
    deciles = {"m2_length": deciles_of(images.background["m2_length"])}
    shifted = {"m2_length": [1.15 * value for value in deciles["m2_length"]]}
    (itself,) = distances(images, Reference(source="itself", deciles=deciles), 100).values()
    (other,) = distances(images, Reference(source="longer", deciles=shifted), 100).values()
    assert itself.value < 0.001
    # A lognormal of width 0.25, moved by ln 1.15: at best 2 Phi(0.5 ln 1.15 / 0.25) - 1.
    assert other.value == pytest.approx(math.erf(0.5 * math.log(1.15) / 0.25 / math.sqrt(2)), abs=0.02)
    assert distances(images, Reference(source="few", deciles=deciles), 10**6) == {}


def test_combinations_and_the_spread_of_the_pointing(qa_settings):
    images = run_images(dl2(np.random.default_rng(8), events=20_000), qa_settings)
    values = images.values()
    assert values["combination_lst1_m1_m2"] == pytest.approx(0.5, abs=0.01)
    assert values["combination_m1_m2"] == pytest.approx(0.2, abs=0.01)
    assert images.lst_events == pytest.approx(16_000, rel=0.02)
    # The difference of two pointings that each spread by 0.3 arcmin along the altitude, whatever its sign.
    assert values["pointing_spread_arcmin"] == pytest.approx(0.3 * math.sqrt(2) * math.sqrt(1 - 2 / math.pi), rel=0.05)
    assert run_images({name: np.zeros(0) for name in COLUMNS}, qa_settings) is None
