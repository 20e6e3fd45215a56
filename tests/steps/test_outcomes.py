import numpy as np
import pytest

from stereo_tasks.stages import State
from stereo_tasks.stages.monte_carlo import MC_STEREO
from stereo_tasks.stages.night import CALIBRATE, COINCIDE, DL2, DL3, MERGE, STEREO
from stereo_tasks.steps.completeness import check_completeness
from stereo_tasks.steps.outcomes import EXIT_CODES, NoProductError, end_of, failed

EMPTY = ZeroDivisionError("division by zero"), ValueError("cannot set a frame with no defined index and a scalar")


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (1, "failed"),
        (2, "skipped"),
        (3, "skipped"),
        (4, "held"),
        (5, "held"),
        (6, "skipped"),
        (7, "skipped"),
        (11, "failed"),
    ],
)
def test_every_exit_code_of_the_tools_is_a_state_with_a_reason(code, state):
    end = end_of(COINCIDE, SystemExit(code))
    assert end.state == state
    assert end.reason


def test_the_table_covers_the_tools_own_codes():
    from magicctapipe.utils import error_codes

    codes = {value for name, value in vars(error_codes).items() if name.isupper()}
    assert codes | {11} == set(EXIT_CODES)


@pytest.mark.parametrize("code", [99, None, "text"])
def test_an_unknown_exit_is_a_failure(code):
    assert end_of(DL2, SystemExit(code)).state == State.FAILED


@pytest.mark.parametrize(
    ("stage", "error", "state"),
    [
        (STEREO, ZeroDivisionError("float division by zero"), State.SKIPPED),
        (STEREO, ValueError("cannot set a frame with no defined index and a scalar"), State.SKIPPED),
        (STEREO, ValueError("something else"), State.FAILED),
        (MC_STEREO, ValueError("cannot set a frame with no defined index and a scalar"), State.FAILED),
        (COINCIDE, ZeroDivisionError("Weights sum to zero, can't be normalized"), State.SKIPPED),
        (COINCIDE, ZeroDivisionError("float division by zero"), State.FAILED),
        (DL2, UnboundLocalError("tel_ids"), State.HELD),
        (DL2, ZeroDivisionError(), State.FAILED),
        (DL3, ValueError("min() arg is an empty sequence"), State.HELD),
        (DL3, ValueError("something else"), State.FAILED),
        (CALIBRATE, MemoryError(), State.FAILED),
        (CALIBRATE, np.linalg.LinAlgError("x"), State.FAILED),
        (MERGE, failed("known"), State.FAILED),
    ],
)
def test_known_crashes_are_states_and_others_are_failures(stage, error, state):
    assert end_of(stage, error).state == state


@pytest.mark.parametrize("stage", [STEREO, MC_STEREO])
def test_both_ends_without_a_stereo_event_have_one_reason(stage):
    ends = {end_of(stage, error).reason for error in EMPTY}
    assert len(ends) == 1
    assert "survives the quality cuts" in ends.pop()


def test_a_reason_is_one_short_line():
    assert "\n" not in end_of(DL2, ValueError("a\n" * 1000)).reason
    assert len(end_of(DL2, ValueError("a\n" * 1000)).reason) < 400


@pytest.mark.parametrize(
    ("used", "expected", "limit", "good"), [(8, 10, 0.8, True), (7, 10, 0.8, False), (0, 0, 0.1, False)]
)
def test_a_run_survives_the_loss_of_subruns_down_to_the_limit(used, expected, limit, good):
    if good:
        check_completeness(used, expected, [], limit)
    else:
        with pytest.raises(NoProductError, match="run lost"):
            check_completeness(used, expected, ["one: why"], limit)
