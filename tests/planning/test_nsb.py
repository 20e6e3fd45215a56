"""The NSB level of a run: autoMCP's bins, and where the value comes from."""

from dataclasses import replace

import pytest

from stereo_tasks.planning.nsb import run_levels
from stereo_tasks.settings.choices import NoChoiceError
from stereo_tasks.stereo_log.observation import LstRunFacts, RunFacts


# Levels 0.5, 1.0, ... 3.0: half a step of 0.25 to either side, the upper edge included (DL1_to_DL2 of autoMCP:
# "nsb <= limit[j + 1] and nsb > limit[j]", with limits -0.01, 0.75, 1.25, 1.75, 2.25, 2.75, 3.25).
@pytest.mark.parametrize(
    ("nsb", "level"),
    [
        (0.0, 0.5), (0.75, 0.5), (0.7501, 1.0), (1.25, 1.0), (1.2501, 1.5), (1.42, 1.5), (1.75, 1.5), (1.7501, 2.0),
        (2.25, 2.0), (2.2501, 2.5), (2.75, 2.5), (2.7501, 3.0), (3.0, 3.0), (3.25, 3.0),
    ],
)  # fmt: skip
def test_a_measured_nsb_has_the_level_of_automcp_s_bin(tree, nsb, level):
    assert tree.settings.monte_carlo.nsb_level(nsb) == level


@pytest.mark.parametrize("nsb", [3.2501, 7.0])
def test_above_the_last_bin_there_is_no_monte_carlo(tree, nsb):
    with pytest.raises(NoChoiceError, match=r"above 3\.25, .*leave the run out"):
        tree.settings.monte_carlo.nsb_level(nsb)


def test_the_levels_are_those_of_the_configuration(tree):
    coarse = tree.settings.monte_carlo.model_copy(update={"nsb_levels": (3.0, 1.0)})
    assert [coarse.nsb_level(nsb) for nsb in (0.1, 2.0, 2.1, 4.0)] == [1.0, 1.0, 3.0, 3.0]
    with pytest.raises(NoChoiceError, match="above 4"):
        coarse.nsb_level(4.1)


NOT_MEASURED = LstRunFacts(1622, 20.0, None, 1, "tailcut84", "", ())


@pytest.mark.parametrize(
    ("facts", "production_nsb", "level", "reason"),
    [
        (replace(NOT_MEASURED, nsb=1.42, nsb_error_code=0), 0.5, 1.5, "median 1.42 of autoMCP's table"),
        # autoMCP itself gives up above 3.0 (code 2), although its last bin ends at 3.25.
        (replace(NOT_MEASURED, nsb=3.1, nsb_error_code=2), 0.5, 3.0, "median 3.1 of autoMCP's table"),
        (replace(NOT_MEASURED, nsb=3.3, nsb_error_code=2), 0.5, None, "NSB 3.3 is above 3.25"),
        (replace(NOT_MEASURED, nsb_error_code=2), 0.5, None, "leave the run out"),
        (NOT_MEASURED, 0.5, 0.5, "of production mcp062: autoMCP's tables have no NSB of it"),
        (replace(NOT_MEASURED, nsb_error_code=None), 0.5, 0.5, "of production mcp062: autoMCP's tables have no NSB"),
        (NOT_MEASURED, None, None, "measure it with LSTnsb"),
        (None, 2.0, 2.0, "of production mcp062"),
        (None, None, None, "it is in no table of autoMCP, and production mcp062 has none"),
    ],
)
def test_where_the_level_of_a_run_comes_from(tree, facts, production_nsb, level, reason):
    production = tree.settings.production().model_copy(update={"nsb": production_nsb})
    row = replace(tree.row(), facts=RunFacts((facts,), ()) if facts else None)
    (found,) = run_levels([row], tree.settings.monte_carlo, production)
    assert (found.run, found.level) == (1622, level)
    assert reason in found.reason
