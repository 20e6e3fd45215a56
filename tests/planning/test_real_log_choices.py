"""Period, NSB, line and time offset of every accepted observation of the log of 2019-2022, and what is held."""

from __future__ import annotations

from pathlib import Path

import pytest

from stereo_tasks.planning.choices import choose
from stereo_tasks.settings import load_settings
from stereo_tasks.stereo_log import read_log, select

LOG = Path(__file__).parents[3] / "shared" / "data" / "stereo_log_2019-2022.csv"
TABLE = Path(__file__).parent / "real_log_choices.txt"
pytestmark = pytest.mark.skipif(not LOG.exists(), reason=f"the real stereo log is not at {LOG}")

# Worked out by hand, from the row of the log, autoMCP's periods (in MAGIC dates, the morning after) and lines, the
# declination of the source, and the offsets by evening date. No table of autoMCP is there: the NSB is the production's.
BY_HAND = {
    # MAGIC date 2020-07-27: the first period begins on 2020-10-24. Dec 65.15: 66.76 is 1.61 away, 61.66 3.49.
    "2020-07-26 | 1ES1959+650": (
        "- | 1.5 of production mcp062 | 66.76 deg | -3.1 us | "
        "held, period: no observation period covers 2020-07-27 (MAGIC date); the last ends 2026-01-01"
    ),
    # MAGIC date 2020-11-18 is in ST0316A (2020-10-24 to 2021-09-29). Dec 22.01: 22.76 is 0.75 away.
    "2020-11-17 | CrabNebula": "ST0316A | 1.5 of production mcp062 | 22.76 deg | -3.1 us | ",
    # Dec -5.79: -4.13 is 1.66 away, 9.31 is 15.10. "3c279" in the log is 3C279 in the table.
    "2021-02-15 | 3c279": "ST0316A | 1.5 of production mcp062 | -4.13 deg | -3.1 us | ",
    # A burst: no entry in the table, and no header of MAGIC's files that tells where it was. So no line, either.
    "2021-05-11 | GRB210511B": (
        "ST0316A | 1.5 of production mcp062 | - | -3.1 us | held, source: no position of GRB210511B"
    ),
    # 2021-06-12 was the last evening of -3.1 us, this is the first of -6.5. Dec 39.76: 34.76 is 5.00 away, 48.22 8.46.
    "2021-06-13 | Mrk501": "ST0316A | 1.5 of production mcp062 | 34.76 deg | -6.5 us | ",
    # MAGIC date 2021-09-08. Dec -1.34: -4.13 is 2.79 away, 9.31 10.65.
    "2021-09-07 | PKS0420-01": "ST0316A | 1.5 of production mcp062 | -4.13 deg | -6.5 us | ",
    # MAGIC date 2022-05-09 is in ST0317A (2021-12-30 to 2022-06-09). Dec 42.28: 48.22 is 5.94 away, 34.76 7.52.
    "2022-05-08 | BLLac": "ST0317A | 1.5 of production mcp062 | 48.22 deg | -6.5 us | ",
    # MAGIC date 2022-06-07, still ST0317A. Dec -17.88: -18.02 is 0.14 away.
    "2022-06-06 | USco": "ST0317A | 1.5 of production mcp062 | -18.02 deg | -6.5 us | ",
    # MAGIC date 2022-06-18 is in ST0318A (from 2022-06-10). Dec 11.19: 9.31 is 1.88 away, 22.76 11.57.
    "2022-06-17 | PG1553+113": "ST0318A | 1.5 of production mcp062 | 9.31 deg | -6.5 us | ",
    # Dec -29.01: -29.24 is 0.23 away. MAGIC date 2022-06-30 is in ST0318A.
    "2022-06-29 | GalacticCent": "ST0318A | 1.5 of production mcp062 | -29.24 deg | -6.5 us | ",
}


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """One line an observation; in each column what was chosen, or a dash."""
    settings = load_settings(tmp_path_factory.mktemp("site"))
    production = settings.production()
    found = []
    for row in select(read_log(LOG).observations, settings.policy).accepted:
        chosen = choose(row.night, row.source, settings, production, [row])
        choices = {choice.name: choice for choice in chosen.choices}
        nsb = ", ".join(dict.fromkeys(f"{one.level} {one.reason}" for one in chosen.levels))
        names = ("period", "declination line", "time offset")
        period, line, offset = (choices[name].value if name in choices else "-" for name in names)
        # What to do about it follows after a colon.
        held = "; ".join(f"held, {one.subject}: {one.reason.split(':')[0]}" for one in chosen.blockers)
        assert choices["time-offset window"].value == "found in the data"
        found.append(f"{row.night} | {row.source} | {period} | {nsb} | {line} | {offset} | {held}")
    return found


def test_the_choices_of_every_accepted_observation(lines):
    assert lines == TABLE.read_text().splitlines()


@pytest.mark.parametrize("key", BY_HAND)
def test_ten_of_them_worked_out_by_hand(lines, key):
    (found,) = (line.removeprefix(f"{key} | ") for line in lines if line.startswith(f"{key} | "))
    assert found == BY_HAND[key]
