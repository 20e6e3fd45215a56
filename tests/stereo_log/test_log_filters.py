"""Each filter takes what it says and gives a reason for the rest."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stereo_tasks.nights import Night
from stereo_tasks.stereo_log import StereoLogError, read_log
from stereo_tasks.stereo_log.filters import Filters, Range, apply_filters, known_sources, known_values

DAY = dt.date(2020, 12, 15)


@pytest.fixture
def crab(write_log, row):
    return read_log(write_log(row())).observations[0]


@pytest.mark.parametrize(
    ("takes", "refuses", "reason"),
    [
        ({"sources": ("CrabNebula",)}, {"sources": ("Mrk421", "BLLac")}, "source is CrabNebula"),
        ({"first": DAY}, {"first": dt.date(2020, 12, 16)}, "before 2020-12-16"),
        ({"last": DAY}, {"last": dt.date(2020, 12, 14)}, "after 2020-12-14"),
        (
            {"observation_min": Range(59.25, 59.25)},
            {"observation_min": Range(60)},
            "observation time 59.25 min, wanted at least 60 min",
        ),
        (
            {"same_wobble_min": Range(55.2)},
            {"same_wobble_min": Range(None, 55.1)},
            "same-wobble time 55.2 min, wanted at most 55.1 min",
        ),
        ({"conditions": ("Moon", "Dark")}, {"conditions": ("Moon",)}, "sky is Dark"),
        ({"trigger": ("L3T",)}, {"trigger": ("SumT",)}, "trigger is L3T"),
        ({"stereo": True}, {"stereo": False}, "stereo is True"),
        ({"hv": ("Nominal",)}, {"hv": ("Reduced",)}, "HV is Nominal"),
        (
            {"zenith_deg": Range(35.7, 50.07)},
            {"zenith_deg": Range(None, 50)},
            "highest zenith 50.07 deg, wanted at most",
        ),
        ({"zenith_deg": Range(35)}, {"zenith_deg": Range(36, 60)}, "lowest zenith 35.7 deg, wanted 36 to 60 deg"),
        ({"lst_runs": Range(2, 2)}, {"lst_runs": Range(3)}, "LST-1 runs 2, wanted at least 3"),
        ({"magic_runs": Range(4, 4)}, {"magic_runs": Range(None, 3)}, "MAGIC runs 4, wanted at most 3"),
        ({"qa": ("none",)}, {"qa": ("good",)}, "no QA yet"),
    ],
)
def test_every_filter(crab, takes, refuses, reason):
    assert apply_filters([crab], Filters(**takes)).accepted == (crab,)
    ((_, why),) = apply_filters([crab], Filters(**refuses)).rejected
    assert why.startswith(reason) or reason in why


def test_without_a_filter_every_row_is_taken(crab):
    assert apply_filters([crab], Filters()).accepted == (crab,)


def test_a_least_time_of_zero_takes_rows_with_zero(crab):
    zero = replace(crab, same_wobble_min=0.0)
    assert apply_filters([zero], Filters(same_wobble_min=Range(0))).accepted == (zero,)
    assert not apply_filters([zero], Filters(same_wobble_min=Range(0.01))).accepted


def test_a_mixed_row_is_taken_only_when_asked_for(crab):
    mixed = replace(crab, hv=("Reduced", "Nominal"))
    filters = Filters(hv=("Nominal",))
    ((_, why),) = apply_filters([mixed], filters).rejected
    assert why == "HV is Reduced in a part of the row"
    assert apply_filters([mixed], replace(filters, mixed=True)).accepted == (mixed,)
    assert not apply_filters([replace(crab, hv=("Reduced",))], replace(filters, mixed=True)).accepted


def test_all_reasons_are_named(crab):
    ((_, why),) = apply_filters([crab], Filters(sources=("x",), stereo=False, hv=("y",))).rejected
    assert why == "source is CrabNebula; stereo is True; HV is Nominal"


def test_what_automcp_does_not_know_is_said(crab):
    unknown = replace(crab, zenith_min_deg=None, zenith_max_deg=None, observation_min=None, conditions=())
    filters = Filters(zenith_deg=Range(None, 50), observation_min=Range(1), conditions=("Dark",))
    ((_, why),) = apply_filters([unknown], filters).rejected
    assert why == "observation time is not known; sky is not known; lowest zenith is not known"
    assert apply_filters([unknown], Filters()).accepted == (unknown,)


def test_qa_verdicts(crab):
    verdicts = {(crab.night, "CrabNebula"): "warning", (Night("2020-12-16"), "CrabNebula"): "good"}
    assert apply_filters([crab], Filters(qa=("good", "warning")), verdicts).accepted == (crab,)
    ((_, why),) = apply_filters([crab], Filters(qa=("good", "none")), verdicts).rejected
    assert why == "QA says warning"


KNOWN = {"CrabNebula", "Mrk421", "Mrk501", "Mrk501-Mon", "BLLac", "LHAASOJ2108+", "GalacticCent", "1A-0535+262", "M87"}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("CrabNebula", "CrabNebula"),
        ("crab nebula", "CrabNebula"),
        ("BL Lac", "BLLac"),
        ("bl_lac", "BLLac"),
        ("mrk501", "Mrk501"),
        ("LHAASOJ2108+5157", "LHAASOJ2108+"),
        ("LHAASO J2108+5157", "LHAASOJ2108+"),
        ("Galactic Center", "GalacticCent"),
        ("1A 0535+262", "1A-0535+262"),
    ],
)
def test_a_source_is_found_however_it_is_written(wanted, found):
    assert known_sources([wanted], KNOWN) == (found,)


def test_names_that_differ_in_case_are_one_source():
    assert known_sources(["lhaasoj1956+"], {"LHAASOJ1956+", "LhaasoJ1956+"}) == ("LHAASOJ1956+", "LhaasoJ1956+")


@pytest.mark.parametrize(
    ("wanted", "near"),
    [
        ("crab", "CrabNebula"),
        ("Mrk 42", "Mrk421"),
        ("Mkr421", "Mrk421"),
        ("M87-Mon", "M87"),
        ("LHAASO", "LHAASOJ2108+"),
    ],
)
def test_an_unknown_source_says_which_are_near(wanted, near):
    with pytest.raises(StereoLogError, match="12 characters") as error:
        known_sources(["BLLac", wanted], KNOWN)
    assert near in str(error.value)


def test_a_longer_name_is_not_taken_for_a_short_one():
    with pytest.raises(StereoLogError):
        known_sources(["CrabNebulaX"], KNOWN)


@given(st.text(max_size=30))
def test_any_name_is_found_or_an_error(name):
    try:
        found = known_sources([name], KNOWN)
    except StereoLogError:
        return
    assert found
    assert set(found) <= KNOWN


def test_values_whatever_their_case():
    assert known_values("trigger", ["l3t", "SUMT"], {"L3T", "SumT"}) == ("L3T", "SumT")
    with pytest.raises(StereoLogError, match="there are L3T, SumT"):
        known_values("trigger", ["L4T"], {"L3T", "SumT"})
