"""The limits of the page."""

from __future__ import annotations

import copy

import pytest
from pydantic import ValidationError

from stereo_tasks.settings.qa import Limit, QaSettings


def test_the_base_configuration_survives_the_way_through_a_plan(qa_settings):
    assert QaSettings.model_validate(qa_settings.model_dump(mode="json")) == qa_settings


def test_unknown_keys_are_errors(raw_qa_settings):
    raw = copy.deepcopy(raw_qa_settings)
    raw["limits"]["zenit_deg"] = {"good": [0, 60]}
    with pytest.raises(ValidationError, match="zenit_deg"):
        QaSettings.model_validate(raw)


@pytest.mark.parametrize(
    "limit",
    [
        {"good": (2, 1)},
        {"good": (0, 1), "usable": (0.5, 2)},
        {"good": (0, 1), "usable": (0, 0.9)},
        {"good": (None, 1), "usable": (0, 2)},
        {"good": (0, None), "usable": (0, 2)},
    ],
)
def test_ranges_must_make_sense(limit):
    with pytest.raises(ValidationError):
        Limit(**limit)


def test_unbounded_ranges():
    assert Limit(good=(0, 1), usable=(None, None)).usable == (None, None)
    assert Limit(good=(None, 1), usable=(None, 2)).good == (None, 1)
