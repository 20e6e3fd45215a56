"""The limits of QA: each metric has one for every night, or a reason why there is none."""

from __future__ import annotations

import copy
import datetime as dt

import pytest
from pydantic import ValidationError

from stereo_tasks.settings.qa import Criterion, Limit, QaSettings
from stereo_tasks.settings.qa_metrics import METRICS

DECILES = [1, 2, 3, 4, 5, 6, 7, 8, 9]


def with_criteria(raw, *criteria):
    """Return the settings with other criteria for the zenith."""
    changed = copy.deepcopy(raw)
    changed["limits"]["zenith"]["mean"] = list(criteria)
    return changed


def test_the_base_configuration_survives_the_way_through_a_plan(qa_settings):
    assert QaSettings.model_validate(qa_settings.model_dump(mode="json")) == qa_settings


def test_every_metric_has_a_criterion_with_a_source_or_a_reason_on_every_night(qa_settings):
    for metric in METRICS:
        for night in (
            dt.date(2019, 1, 1),
            dt.date(2021, 3, 1),
            dt.date(2023, 2, 1),
            dt.date(2024, 1, 10),
            dt.date(2030, 1, 1),
        ):
            criterion = qa_settings.criterion(metric.name, night)
            assert criterion.unknown or (criterion.good and criterion.source), metric.name


@pytest.mark.parametrize(
    ("night", "at_zenith_hz"),
    [
        ("2021-09-28", 124.72),  # MAGIC's 29 September, the last day of ST0316A
        ("2021-09-29", None),
        ("2021-12-29", 108.94),
        ("2022-09-03", 160.13),
        ("2022-12-14", 92.2),
        ("2023-02-01", None),
        ("2024-05-17", 92.35),
        ("2024-05-18", 124.22),
    ],
)
def test_the_band_of_the_stereo_rate_is_that_of_the_period(qa_settings, night, at_zenith_hz):
    criterion = qa_settings.criterion("stereo_rate_hz", dt.date.fromisoformat(night))
    limit = criterion.limit(0.0)
    if at_zenith_hz is None:
        assert limit is None
        assert criterion.unknown
    else:
        assert criterion.expected.at(0.0) == pytest.approx(at_zenith_hz)
        assert limit.good == pytest.approx([at_zenith_hz * fraction for fraction in criterion.good])


def test_the_rate_of_lst1_that_is_expected_falls_with_the_zenith_distance(qa_settings):
    limit = qa_settings.criterion("lst1_rate_hz", dt.date(2024, 1, 10)).limit(60.0)
    assert limit.good == pytest.approx((0.7 * (3065.64 + 3403.23 / 2), 1.3 * (3065.64 + 3403.23 / 2)))
    assert qa_settings.criterion("lst1_rate_hz", dt.date(2024, 1, 10)).limit(None) is None


@pytest.mark.parametrize(
    ("criteria", "says"),
    [
        (
            [{"last": "2022-01-01", "unknown": "x"}, {"first": "2022-01-01", "unknown": "x"}],
            "two criteria hold on 2022-01-01",
        ),
        ([{"unknown": "x"}, {"first": "2022-01-01", "unknown": "x"}], "two criteria hold on 2022-01-01"),
        (
            [{"last": "2022-01-01", "unknown": "x"}, {"first": "2022-01-05", "unknown": "x"}],
            "nothing is said of the nights from 2022-01-02 to 2022-01-04",
        ),
        ([{"first": "2022-01-01", "unknown": "x"}], "nothing is said of the nights before 2022-01-01"),
        ([{"last": "2022-01-01", "unknown": "x"}], "nothing is said of the nights after 2022-01-01"),
        ([{"first": "2022-01-05", "last": "2022-01-01", "unknown": "x"}], "before its first night"),
        ([{"good": [0, 1]}], "source"),
        ([{"source": "somebody"}], "unknown"),
        ([], "no criterion"),
    ],
)  # fmt: skip
def test_limits_that_overlap_or_leave_nights_out_are_errors(raw_qa_settings, criteria, says):
    with pytest.raises(ValidationError, match=says):
        QaSettings.model_validate(with_criteria(raw_qa_settings, *criteria))


def test_the_order_of_the_criteria_does_not_matter(raw_qa_settings):
    early, late = {"last": "2022-01-01", "unknown": "x"}, {"first": "2022-01-02", "good": [0, 50], "source": "somebody"}
    settings = QaSettings.model_validate(with_criteria(raw_qa_settings, late, early))
    assert settings.criterion("zenith_deg", dt.date(2022, 1, 1)).unknown == "x"
    assert settings.criterion("zenith_deg", dt.date(2022, 1, 2)).good == (0, 50)


def test_metrics_that_nobody_knows_and_metrics_that_are_forgotten_are_errors(raw_qa_settings):
    raw = copy.deepcopy(raw_qa_settings)
    raw["limits"]["zenith"]["median"] = raw["limits"]["zenith"]["mean"]
    with pytest.raises(ValidationError, match=r"there is no metric zenith\.median"):
        QaSettings.model_validate(raw)
    del raw["limits"]["zenith"]
    with pytest.raises(ValidationError, match=r"zenith\.mean have no criterion"):
        QaSettings.model_validate(raw)


@pytest.mark.parametrize(
    ("deciles", "says"),
    [
        ({"lst1_intensity": DECILES[:-1]}, "9 rising values"),
        ({"lst1_intensity": DECILES[::-1]}, "9 rising values"),
        ({"lst2_intensity": DECILES}, "there is no distribution lst2_intensity"),
    ],
)
def test_references_must_make_sense(raw_qa_settings, deciles, says):
    references = [{"source": "somebody", "deciles": deciles}]
    with pytest.raises(ValidationError, match=says):
        QaSettings.model_validate(raw_qa_settings | {"references": references})


def test_a_reference_holds_for_its_nights_and_zenith_distances(raw_qa_settings):
    reference = {
        "source": "somebody", "first": "2024-01-01", "last": "2024-01-31", "zenith_deg": [10, 30],
        "deciles": {"m1_width": DECILES},
    }  # fmt: skip
    settings = QaSettings.model_validate(raw_qa_settings | {"references": [reference]})
    assert settings.reference(dt.date(2024, 1, 31), 30.0) is not None
    assert settings.reference(dt.date(2024, 2, 1), 30.0) is None
    assert settings.reference(dt.date(2024, 1, 31), 31.0) is None
    assert settings.reference(dt.date(2024, 1, 31), None) is None


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
    with pytest.raises(ValidationError):
        Criterion(**limit, source="somebody")


def test_unbounded_ranges():
    assert Limit(good=(0, 1), usable=(None, None)).usable == (None, None)
    assert Limit(good=(None, 1), usable=(None, 2)).good == (None, 1)
