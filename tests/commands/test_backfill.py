"""``stereo backfill`` without a site: what is refused before anything is asked for. With one: tests/local_site."""

from __future__ import annotations

import datetime as dt

import pytest

from stereo_tasks.airflow_api.backfills import check_range
from stereo_tasks.airflow_api.errors import AirflowApiError
from stereo_tasks.nights import Night

NOON = dt.datetime(2024, 1, 20, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "give FIRST and LAST"),
        (("2024-01-10",), "give FIRST and LAST"),
        (("--show", "2024-01-10"), "is no id"),
        (("--show", "20240110"), "is no id"),
        (("--show", "1", "2"), "give FIRST and LAST"),
    ],
)
def test_what_makes_no_sense(stereo, tmp_path, monkeypatch, arguments, text):
    monkeypatch.setenv("STEREO_SITE", str(tmp_path))
    assert text in " ".join(stereo("backfill", *arguments, code=2).replace("│", "").split())


def test_without_a_site_it_says_how_to_start_one(stereo, tmp_path, monkeypatch):
    monkeypatch.setenv("STEREO_SITE", str(tmp_path))
    assert "stereo up" in stereo("backfill", "2024-01-10", "2024-01-12", code=1)


def test_nights_to_come_are_refused():
    last = Night("2024-01-19")
    check_range(Night("2024-01-01"), last, NOON)
    check_range(Night("2024-01-20"), Night("2024-01-20"), NOON)
    with pytest.raises(AirflowApiError, match="2024-01-20 is still to come: end the range with 2024-01-19"):
        check_range(last, Night("2024-01-20"), NOON - dt.timedelta(minutes=1))
    with pytest.raises(AirflowApiError, match="stereo backfill 2024-01-18 2024-01-19"):
        check_range(last, Night("2024-01-18"), NOON)
