"""The log of 2019-2022: every row of it is understood."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from stereo_tasks.stereo_log import read_log, select, shared_runs

LOG = Path(__file__).parents[3] / "shared" / "data" / "stereo_log_2019-2022.csv"
pytestmark = pytest.mark.skipif(not LOG.exists(), reason=f"the real stereo log is not at {LOG}")


@pytest.fixture(scope="module")
def log():
    return read_log(LOG)


def test_all_of_it_is_understood(log):
    assert log.problems == ()
    assert len(log.observations) == 404
    assert len({one.night for one in log.observations}) == 220
    assert len({one.source for one in log.observations}) == 68
    assert sum(not all(one.stereo) for one in log.observations) == 87
    assert sum(one.magic_first_run < 5_000_000 for one in log.observations) == 94
    assert sum("Reduced" in one.hv for one in log.observations) == 28
    assert max(len(one.lst_runs) for one in log.observations) == 19


def test_the_selection_of_the_project(log, policy):
    selection = select(log.observations, policy)
    assert len(selection.accepted) + len(selection.rejected) == 404
    assert len(selection.accepted) == 228
    only = Counter(why.split()[0] for _, why in selection.rejected if ";" not in why)
    # 39 rows for the same-wobble time alone, six with L3T and "stereo" but runs of MAGIC-2 alone (November 2022).
    assert sum("same wobble" in why and ";" not in why for _, why in selection.rejected) == 39
    assert (only["MAGIC"], only["zenith"]) == (6, 6)


def test_three_nights_share_magic_runs_between_sources(log):
    sharing = {(str(one.night), one.source) for one in log.observations if shared_runs(one, log.observations)}
    assert sharing == {
        ("2020-11-20", "1A-0535+262"), ("2020-11-20", "CrabNebula"), ("2021-04-20", "GalacticCent"),
        ("2021-04-20", "PG1553+113"), ("2021-06-08", "LHAASOJ2108+"), ("2021-06-08", "Mrk501"),
    }  # fmt: skip
