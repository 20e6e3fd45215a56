"""The night: the only place where evening dates (LST-1, stereo log) and morning dates (MAGIC) meet."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from functools import cached_property

from stereo_tasks.errors import StereoError

FIRST_NIGHT = dt.date(2018, 10, 10)  # inauguration of LST-1: no joint observation can be older
_LAST_NIGHT = dt.date(2099, 12, 31)
_FORMATS = re.compile(r"(\d{4})([-_/]?)(\d{2})\2(\d{2})")


class BadNightError(StereoError, ValueError):
    """A text that is not the evening date of a possible night."""


@dataclass(frozen=True, order=True, slots=False)
class Night:
    """One observation night, named by the date of its evening.

    Parameters
    ----------
    evening : datetime.date or str
        The evening date, as LST-1 and the stereo log write it: ``2024-01-10``, ``2024_01_10``, ``2024/01/10`` or
        ``20240110``.

    Raises
    ------
    BadNightError
        If the text is no date, or lies before LST-1 existed or after 2099.

    Examples
    --------
    >>> night = Night("2024-01-10")
    >>> night.lst_date, night.magic_date
    ('20240110', '2024/01/11')
    """

    evening: dt.date

    def __init__(self, evening: dt.date | str) -> None:
        object.__setattr__(self, "evening", _parse(evening))

    def __reduce__(self) -> tuple[type[Night], tuple[dt.date]]:
        """Pickle by the evening date."""
        return (Night, (self.evening,))

    @classmethod
    def from_magic_date(cls, morning: dt.date | str) -> Night:
        """Return the night that ended on a MAGIC (morning) date."""
        return cls(_parse(morning) - dt.timedelta(days=1))

    @property
    def morning(self) -> dt.date:
        """The date of the morning after, by which MAGIC names its files."""
        return self.evening + dt.timedelta(days=1)

    @cached_property
    def lst_date(self) -> str:
        """LST-1's name of the night, ``YYYYMMDD`` of the evening; also the partition key in Airflow."""
        return self.evening.strftime("%Y%m%d")

    @property
    def partition_key(self) -> str:
        """Key of the night's partition in Airflow."""
        return self.lst_date

    @property
    def log_date(self) -> str:
        """The stereo log's name of the night, ``YYYY_MM_DD`` of the evening."""
        return self.evening.strftime("%Y_%m_%d")

    @property
    def magic_date(self) -> str:
        """MAGIC's directory of the night, ``YYYY/MM/DD`` of the morning."""
        return self.morning.strftime("%Y/%m/%d")

    @property
    def magic_stamp(self) -> str:
        """MAGIC's date in file names, ``YYYYMMDD`` of the morning."""
        return self.morning.strftime("%Y%m%d")

    @property
    def noon(self) -> dt.datetime:
        """Noon UTC before the night: the earliest time stamp that can belong to it."""
        return dt.datetime.combine(self.evening, dt.time(12), tzinfo=dt.UTC)

    def __str__(self) -> str:
        """Return the ISO date of the evening."""
        return self.evening.isoformat()


def _parse(text: dt.date | str) -> dt.date:
    if isinstance(text, dt.datetime):
        raise BadNightError(f"{text!r} is a time; a night is named by the date of its evening, such as 2024-01-10")
    if isinstance(text, dt.date):
        date = text
    else:
        match = _FORMATS.fullmatch(str(text).strip())
        if match is None:
            raise BadNightError(f"{text!r} is not a night; write the date of its evening, such as 2024-01-10")
        try:
            date = dt.date(int(match[1]), int(match[3]), int(match[4]))
        except ValueError:
            raise BadNightError(f"{text!r} is not a date of the calendar") from None
    if date < FIRST_NIGHT:
        raise BadNightError(f"{date} is before LST-1 existed ({FIRST_NIGHT}); is the year right?")
    if date > _LAST_NIGHT:
        raise BadNightError(f"{date} is after {_LAST_NIGHT}; is the year right?")
    return date
