import datetime as dt
import pickle

import pytest

from stereo_tasks.nights import BadNightError, Night


@pytest.mark.parametrize("text", ["2024-01-10", "2024_01_10", "2024/01/10", "20240110"])
def test_all_spellings_are_one_night(text):
    assert Night(text) == Night(dt.date(2024, 1, 10))


def test_magic_names_the_night_by_its_morning_over_the_end_of_a_year():
    night = Night("2023-12-31")
    assert night.lst_date == night.partition_key == "20231231"
    assert night.log_date == "2023_12_31"
    assert night.magic_date == "2024/01/01"
    assert night.magic_stamp == "20240101"
    assert Night.from_magic_date("2024_01_01") == night


def test_noon_has_a_zone_and_lies_before_the_night():
    assert Night("2024-01-10").noon == dt.datetime(2024, 1, 10, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    "text", ["2024-13-10", "2024-02-30", "2024-01_10", "10.01.2024", "", "1999-01-01", "202401100"]
)
def test_what_is_no_night_is_refused_with_the_text(text):
    with pytest.raises(BadNightError):
        Night(text)


def test_a_time_is_no_night():
    with pytest.raises(BadNightError, match="evening"):
        Night(dt.datetime(2024, 1, 10, 22, tzinfo=dt.UTC))


def test_nights_sort_and_survive_pickling():
    nights = [Night("2024-01-11"), Night("2024-01-10")]
    assert sorted(nights)[0] == pickle.loads(pickle.dumps(nights[1]))
