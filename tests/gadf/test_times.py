"""The times of amended DL3 are those of the clocks; each way to get them wrong is told."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.time import Time
from dl3_folder import LENGTH_S, START_S, write_folder, write_index

from stereo_tasks.gadf.check import check_folder
from stereo_tasks.gadf.times import REFERENCE_MJD, count_from_reference, leap_seconds, reference_of

RUN = "dl3_MAGIC_LST-1.Run00000.fits.gz"
UNIX_MJD = 40587


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "dl3", [0, 1])


def change(folder, change_hdus) -> set[tuple[str, str]]:
    """Change a file as somebody who means it, index included; return the cards that are found to be wrong."""
    with fits.open(folder / RUN, memmap=False) as hdus:
        change_hdus(hdus)
        hdus.writeto(folder / RUN, overwrite=True, checksum=True)
    write_index(folder)
    return {(problem.file, problem.card) for problem in check_folder(folder)}


def as_fits_readers_do(header, seconds):
    """Read a time as the FITS standard has it: elapsed seconds since the reference, leap seconds included."""
    return Time(header["MJDREFI"], header["MJDREFF"], format="mjd", scale=header["TIMESYS"].lower()) + seconds * u.s


def test_times_are_those_of_the_clocks_to_below_a_microsecond(folder):
    with fits.open(folder / RUN) as hdus:
        header, gti = hdus["EVENTS"].header, hdus["GTI"]
        starts = [
            as_fits_readers_do(header, header["TSTART"]),
            as_fits_readers_do(gti.header, gti.data["START"][0]),
            as_fits_readers_do(hdus["POINTING"].header, hdus["POINTING"].data["TIME"][0]),
        ]
        events = as_fits_readers_do(header, hdus["EVENTS"].data["TIME"])
        drawn = np.sort(np.random.default_rng([0, 0]).uniform(START_S, START_S + LENGTH_S, len(events)))
        assert np.abs((events - Time(drawn, format="unix", scale="utc")).to_value("s")).max() < 1e-6
    assert [start.isot for start in starts] == ["2024-01-10T21:43:07.000"] * 3
    assert f"{header['DATE-OBS']}T{header['TIME-OBS']}" == "2024-01-10T21:43:07.000"


def test_the_index_counts_from_where_the_events_do(folder):
    with fits.open(folder / "obs-index.fits.gz") as hdus:
        header, rows = hdus[1].header, hdus[1].data
        assert header["MJDREFI"] == REFERENCE_MJD
        assert as_fits_readers_do(header, rows["TSTART"][0]).isot == "2024-01-10T21:43:07.000"


def test_amending_twice_changes_nothing_more(folder):
    with fits.open(folder / RUN, memmap=False) as hdus:
        before = hdus["EVENTS"].data["TIME"].copy(), hdus["EVENTS"].header["TSTART"]
        count_from_reference(hdus)
        assert (before[0] == hdus["EVENTS"].data["TIME"]).all()
        assert before[1] == hdus["EVENTS"].header["TSTART"]


def of_1970(hdus):
    """Undo what is mended, as in files of magic-cta-pipe itself."""
    shift_s = 86400 * (REFERENCE_MJD - UNIX_MJD)
    for hdu in hdus[1:4]:
        hdu.header["MJDREFI"] = UNIX_MJD
        for name in {"TIME", "START", "STOP"} & set(hdu.columns.names):
            hdu.data[name] = hdu.data[name] + shift_s
    for card in ("TSTART", "TSTOP"):
        hdus["EVENTS"].header[card] += shift_s


def test_leap_seconds_between_reference_and_data_are_told(folder):
    found = change(folder, of_1970)
    # 29 s early: the interval starts before DATE-OBS.
    assert {(RUN, "MJDREFI"), (RUN, "DATE-OBS")} <= found
    assert (RUN, "DATE-END") not in found


def test_leap_seconds_are_those_of_the_time_scale():
    start_s = (Time("2024-01-10T21:43:07", scale="utc") - Time(UNIX_MJD, format="mjd", scale="utc")).to_value("s")
    assert leap_seconds(Time(UNIX_MJD, format="mjd", scale="utc"), start_s) == 29
    assert leap_seconds(Time(UNIX_MJD, format="mjd", scale="tt"), start_s) == 0
    assert leap_seconds(Time(REFERENCE_MJD, format="mjd", scale="utc"), 1e8) == 0


def events_before_the_gti(hdus):
    hdus["GTI"].data["START"] += 10
    hdus["EVENTS"].header["ONTIME"] -= 10
    hdus["EVENTS"].header["LIVETIME"] -= 9.5


def events_in_a_pause(hdus):
    gti = hdus["GTI"]
    start, stop = gti.data["START"][0], gti.data["STOP"][0]
    table = fits.BinTableHDU.from_columns(gti.columns, nrows=2, header=gti.header)
    table.data["START"], table.data["STOP"] = [start, stop - 30], [stop - 40, stop]
    hdus["GTI"] = table
    hdus["EVENTS"].header["ONTIME"] -= 10
    hdus["EVENTS"].header["LIVETIME"] -= 9.5


def set_card(name, value, *hdu_names):
    def change_hdus(hdus):
        for hdu in hdu_names or ("EVENTS", "GTI", "POINTING"):
            hdus[hdu].header[name] = value

    return change_hdus


@pytest.mark.parametrize(
    ("break_it", "card"),
    [
        (events_before_the_gti, "TIME"),
        (events_in_a_pause, "TIME"),
        (set_card("TIME-OBS", "21:43:08.000", "EVENTS"), "DATE-OBS"),
        (set_card("TIME-END", "21:44:46.000", "EVENTS"), "DATE-END"),
        (set_card("DATE-OBS", "yesterday", "EVENTS"), "DATE-OBS"),
        (set_card("TIMESYS", "CEST"), "TIMESYS"),
        (set_card("MJDREFI", REFERENCE_MJD + 1, "GTI"), "MJDREFI"),
    ],
)
def test_times_that_do_not_agree_are_named(folder, break_it, card):
    found = change(folder, break_it)
    assert (RUN, card) in found


def test_dates_may_be_whole_days_or_in_one_card(folder):
    def whole_days(hdus):
        header = hdus["EVENTS"].header
        del header["TIME-OBS"], header["TIME-END"]

    def one_card(hdus):
        header = hdus["EVENTS"].header
        header["DATE-OBS"], header["DATE-END"] = "2024-01-10T21:43:07", "2024-01-10T21:44:47.000"

    for one in (whole_days, one_card):
        with fits.open(folder / RUN, memmap=False) as hdus:
            one(hdus)
            hdus.writeto(folder / RUN, overwrite=True, checksum=True)
        assert check_folder(folder) == []


def test_an_index_that_counts_from_elsewhere_is_named(folder):
    with fits.open(folder / "obs-index.fits.gz", memmap=False) as hdus:
        hdus[1].header["MJDREFI"] = UNIX_MJD
        hdus.writeto(folder / "obs-index.fits.gz", overwrite=True, checksum=True)
    assert {(problem.file, problem.card) for problem in check_folder(folder)} == {("obs-index.fits.gz", "MJDREFI")}


def test_a_header_without_reference_has_none():
    assert reference_of({"MJDREFI": 58392, "MJDREFF": 0.0}) is None
    assert reference_of({"MJDREFI": 58392, "MJDREFF": 0.0, "TIMESYS": "UTC"}).isot == "2018-10-01T00:00:00.000"
