"""What the sample is: each of these numbers came out otherwise in the notebooks that it was made with before."""

import math
import time

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from dl2_tables import make_dl2

from stereo_tasks.datasets.combinations import EVENT, stereo_images
from stereo_tasks.summary.dates import hours_table
from stereo_tasks.summary.intensities import GOOD_AT_LOG10, run_rates, spectra_table
from stereo_tasks.summary.runs import run_row, runs_table, separations_deg
from stereo_tasks.summary.sample import Sample, summarise
from stereo_tasks.summary.subruns import subruns_table

MIDNIGHT_S = 1704931200.0  # 2024-01-11 00:00 UTC


def pointed(alt_deg, az_deg):
    """An event of three telescopes that point to these directions."""
    table = {"obs_id": 1, "event_id": 1, "tel_id": [1, 2, 3]}
    return pd.DataFrame(table | {"pointing_alt": np.radians(alt_deg), "pointing_az": np.radians(az_deg)})


def test_separations_are_angles_on_the_sphere():
    images = pointed([53.0] * 3, [100.0, 100.02, 100.0])
    # A step in azimuth shrinks with the sine of the zenith distance, 37 deg; with its cosine it would be 0.0160 deg.
    assert separations_deg(images, (1, 2)) == pytest.approx([0.02 * math.sin(math.radians(37))], rel=1e-3)


def test_each_separation_is_that_of_its_pair():
    row = run_row(1622, "20240110", images_of(make_dl2(events=200)).assign(**turned()))
    assert row["separation_lst_m1"] == pytest.approx(0, abs=1e-6)
    assert row["separation_lst_m2"] == pytest.approx(0.05, rel=1e-3)
    assert row["separation_m1_m2"] == pytest.approx(0.05, rel=1e-3)


def images_of(dl2):
    return stereo_images(dl2).assign(pointing_ra=83.6, pointing_dec=22.4)


def turned():
    """M2 points 0.05 deg higher than the others."""
    return {"pointing_alt": lambda rows: 1.2 + np.radians(0.05) * (rows["tel_id"] == 3), "pointing_az": 3.0}


def test_events_are_counted_and_not_their_images():
    images = images_of(make_dl2(events=400))
    row = run_row(1622, "20240110", images)
    assert row["events"] == 400 == len(images.drop_duplicates(EVENT))
    assert sum(row[f"events_{name}"] for name in ("3tel", "LST1_MI", "LST1_MII", "MI_MII")) == 400


def test_azimuths_are_averaged_around_the_circle():
    images = images_of(make_dl2(events=100))
    around_north = np.radians(np.where(images["event_id"] % 4 < 2, 359.0, 1.0))
    row = run_row(1, "20240110", images.assign(pointing_az=around_north))
    assert min(row["azimuth"], 360 - row["azimuth"]) < 1


def run(night, start_s, live_s, events):
    return {"night": night, "start": start_s, "stop": start_s + live_s, "live_time": live_s, "events": events}


def test_hours_are_live_time_and_not_a_share_of_the_events():
    runs = Table(rows=[run("20221231", MIDNIGHT_S, 3600, 10_000), run("20230101", MIDNIGHT_S, 3600, 90_000)])
    table = hours_table(runs)
    years = table[table["by"] == "year"]
    assert list(years["of"]) == ["2022", "2023"]
    assert list(years["live_time"]) == pytest.approx([1, 1])


def test_hours_of_the_day_are_utc_and_shared(monkeypatch):
    monkeypatch.setenv("TZ", "America/Los_Angeles")
    time.tzset()
    try:
        table = hours_table(Table(rows=[run("20240110", MIDNIGHT_S - 900, 3600, 1)]))
    finally:
        monkeypatch.undo()
        time.tzset()
    hours = {row["of"]: row["live_time"] for row in table if row["by"] == "hour"}
    assert hours == pytest.approx({"23": 0.25, "00": 0.75})


def test_the_mean_offset_is_weighted_and_of_both_pairs():
    feature = {"run": 1, "subrun": [0, 0], "coincidence_id": [12, 13], "unix_time": MIDNIGHT_S,
               "average_offset": [-3.0, -3.4], "n_coincidence": [300, 100], "pointing_alt_lst": 1.2,
               "pointing_az_lst": 1.7, "pointing_alt_magic": [1.2, 1.2 + 1e-3], "pointing_az_magic": 1.7}  # fmt: skip
    table = subruns_table(pd.DataFrame(feature))
    assert table["time_offset"][0] == pytest.approx(-3.1)
    assert table["separation_lst_m1"][0] == pytest.approx(0, abs=1e-6)
    assert table["separation_lst_m2"][0] == pytest.approx(np.degrees(1e-3))


def spectrum(rates_hz, times_s):
    """Spectra of runs that are flat."""
    edges = np.linspace(1, 3.5, 180)
    parts = [
        pd.DataFrame({"run": number, "log10_intensity_min": edges[:-1], "log10_intensity_max": edges[1:],
                      "n_showers": np.full(179, round(rate * times_s[number]))})
        for number, rate in rates_hz.items()
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def test_a_run_is_judged_by_its_own_time_and_no_label_is_shifted():
    times_s = {1: 100.0, 2: 1000.0, 3: 50.0, 5: math.nan}
    counts = spectrum({1: 70, 2: 50, 3: 90}, times_s)
    times = pd.DataFrame({"run": list(times_s), "effective_time": times_s.values(), "n_showers": 1000})
    judged = run_rates(counts, times)
    assert {run: one["good"] for run, one in judged.items()} == {1: "yes", 2: "no", 3: "yes", 5: "unknown"}
    assert {run: one["rate_good"] for run, one in judged.items() if run < 5} == pytest.approx({1: 70, 2: 50, 3: 90})
    rows = [
        run_row(number, "20240110", images_of(make_dl2(number, 50, start_s=MIDNIGHT_S + number)))
        for number in (1, 2, 3, 4, 5)
    ]
    runs = runs_table(rows, {("20240110", 2): (1010.0, 1000.0)}, judged)
    # Nothing is known of run 4, and what follows keeps its own.
    assert list(runs["good"]) == ["yes", "no", "yes", "unknown", "unknown"]
    assert list(runs["live_time"].value)[1] == 1000
    assert np.isnan(runs["live_time"].value[[0, 2, 3, 4]]).all()
    table = spectra_table(counts, times)
    near = table[np.abs(table["log10_intensity_min"] - GOOD_AT_LOG10) < 0.007]
    assert dict(zip(near["run"], near["rate"], strict=True)) == pytest.approx({1: 70, 2: 50, 3: 90})
    assert len(spectra_table(counts, times.assign(effective_time=math.nan))) == 0  # the runs of a short night


def test_what_is_not_known_is_said():
    rows = [run_row(1622, "20240110", images_of(make_dl2(events=50)))]
    summary = summarise(Sample(rows=rows), ["dataset_triggers/20240110 held"])
    missing = {result.name for result in summary.results if result.missing}
    assert missing == {"dates", "subruns", "coincidences", "intensities", "rates"}
    assert "Left out: dataset_triggers/20240110 held" in summary.notes
    assert summary.numbers["runs_unknown"] == "1622"
