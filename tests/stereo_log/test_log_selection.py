"""Selection: each rejected row has all its reasons; rows of mixed values follow one rule."""

from __future__ import annotations

import datetime as dt

import pytest
from pydantic import ValidationError

from stereo_tasks.settings.policy import Policy
from stereo_tasks.stereo_log import read_log, select


def _changed(policy: Policy, **changes: object) -> Policy:
    return Policy(**{**policy.model_dump(), **changes})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"trigger": "['SumT']"}, "trigger is SumT, not L3T"),
        ({"trigger": "['L1_M1_M2', 'SumT']"}, "trigger is L1_M1_M2, SumT, not L3T"),
        ({"trigger": "['SumT', 'L3T']"}, "trigger is SumT in a part of the row"),
        ({"stereo": "[False]"}, "stereo is False"),
        ({"stereo": "[True, False]"}, "stereo is False in a part of the row"),
        ({"hv": "['Reduced']"}, "HV is Reduced, not Nominal"),
        ({"hv": "['Reduced', 'Nominal']"}, "HV is Reduced in a part of the row"),
        ({"wobble": "0.1"}, "0.1 min at the same wobble position"),
        ({"first": "2006485", "last": "2006489"}, "MAGIC run 2006485 is of one telescope"),
        ({"zd_min": "60.01", "zd_max": "65"}, "zenith distance at least 60.01 deg"),
    ],
)
def test_every_limit_rejects_with_its_reason(write_log, row, policy, changes, reason):
    selection = select(read_log(write_log(row(**changes), row(source="Mrk421", lst="[9]"))).observations, policy)
    assert [one.source for one in selection.accepted] == ["Mrk421"]
    ((_, why),) = selection.rejected
    assert why.startswith(reason)


def test_all_reasons_are_named(write_log, row, policy):
    mono = row(trigger="['L1_M2']", stereo="[False]", first="2006485", last="2006489", wobble="0")
    ((_, why),) = select(read_log(write_log(mono)).observations, policy).rejected
    assert [reason.split()[0] for reason in why.split("; ")] == ["trigger", "stereo", "0", "MAGIC"]


def test_mixed_rows_can_be_accepted_but_not_wholly_unwanted_ones(write_log, row, policy):
    rows = (row(hv="['Reduced', 'Nominal']"), row(source="Mrk421", lst="[9]", trigger="['SumT', 'Sum']"))
    selection = select(read_log(write_log(*rows)).observations, _changed(policy, mixed_rows="accept"))
    assert [one.source for one in selection.accepted] == ["CrabNebula"]


def test_a_row_reaching_below_the_zenith_limit_is_taken(write_log, row, policy):
    log = read_log(write_log(row(zd_min="59.9", zd_max="72")))
    assert len(select(log.observations, policy).accepted) == 1


def test_old_rows_can_be_excused_from_the_same_wobble_time(write_log, row, policy):
    log = read_log(write_log(row(wobble="0"), row(date="2020_12_16", lst="[9]", wobble="0")))
    selection = select(log.observations, _changed(policy, same_wobble_recorded_from=dt.date(2020, 12, 16)))
    assert [str(one.night) for one in selection.accepted] == ["2020-12-15"]


@pytest.mark.parametrize(
    "changes",
    [
        {"unknown": 1},
        {"triggers": ()},
        {"completeness_min": 0},
        {"max_zenith_deg": 100},
        {"mixed_rows": "sometimes"},
        {"settle_s": 1e9},
        {"look_back_days": 2},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(policy, changes):
    with pytest.raises(ValidationError):
        _changed(policy, **changes)
