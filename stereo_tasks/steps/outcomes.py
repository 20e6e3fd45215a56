"""What an end of a magic-cta-pipe tool means: its exit codes, and the known crashes that a stage declares."""

from __future__ import annotations

import re

from stereo_tasks.stages import Stage, State


class NoProductError(Exception):
    """A step ended without a product, for a reason that is known."""

    def __init__(self, state: State, reason: str) -> None:
        super().__init__(reason)
        self.state = state
        self.reason = reason


def skipped(reason: str) -> NoProductError:
    """Make nothing of these inputs, and go on."""
    return NoProductError(State.SKIPPED, reason)


def held(reason: str) -> NoProductError:
    """Wait for something that the pipeline cannot make."""
    return NoProductError(State.HELD, reason)


def failed(reason: str) -> NoProductError:
    """End with an error."""
    return NoProductError(State.FAILED, reason)


def quarantined(name: str, what: str) -> NoProductError:
    """Put a damaged input aside by name: nothing can be done until another file takes its place."""
    return NoProductError(State.HELD, f"quarantined {name}: {what}; copy the file again")


# Exit codes of magic-cta-pipe 0.6.2 (utils/error_codes.py, and 11 in io/io.py). 2 is argparse's code, too, but the
# steps call the tools' functions and never their command lines.
EXIT_CODES: dict[int, tuple[State, str]] = {
    1: (State.FAILED, "magic-cta-pipe stopped with exit code 1; see the log"),
    2: (State.SKIPPED, "LST-1 and MAGIC point apart by more than theta_uplim in all events"),
    3: (State.SKIPPED, "no coincident events"),
    4: (State.HELD, "no tailcut for this NSB"),
    5: (State.HELD, "outside the zenith range of the IRFs: Monte Carlo at this zenith is needed"),
    6: (State.SKIPPED, "no event survives the gammaness cut"),
    7: (State.SKIPPED, "no MAGIC events"),
    11: (
        State.FAILED,
        "more than 5 events were matched to several others: time stamps closer than the coincidence window",
    ),
}


def end_of(stage: Stage, error: BaseException) -> NoProductError:
    """Say what the end of a step means.

    Parameters
    ----------
    stage : Stage
        The stage that ended.
    error : BaseException
        What its tool raised; ``SystemExit`` carries an exit code.
    """
    if isinstance(error, NoProductError):
        return error
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else 1
        state, reason = EXIT_CODES.get(
            code, (State.FAILED, f"magic-cta-pipe stopped with exit code {code}; see the log")
        )
        return NoProductError(state, reason)
    kinds = {kind.__name__ for kind in type(error).__mro__}
    for crash in stage.crashes:
        if crash.exception in kinds and re.search(crash.message, str(error)):
            return NoProductError(crash.state, crash.reason)
    if isinstance(error, MemoryError):
        return failed("out of memory; it is tried again with more")
    text = " ".join(str(error).split())[:300]
    return failed(f"{type(error).__name__}: {text}")
