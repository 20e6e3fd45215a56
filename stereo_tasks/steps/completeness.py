"""A run survives the loss of some subruns, down to a limit."""

from __future__ import annotations

from collections.abc import Sequence

from stereo_tasks.steps.outcomes import held


def check_completeness(used: int, expected: int, lost: Sequence[str], limit: float) -> None:
    """End the step if a run lost too much.

    Parameters
    ----------
    used, expected : int
        Number of subruns that can be used, and that the run has.
    lost : sequence of str
        The others, each with its reason.
    limit : float
        Fraction of the subruns that must be usable.

    Raises
    ------
    NoProductError
        Below the limit, or with none at all. Held, not failed: trying again helps only when other files are there.
    """
    if used and used >= limit * expected:
        return
    reasons = "; ".join(lost[:5]) + (f"; and {len(lost) - 5} more" if len(lost) > 5 else "")
    raise held(f"run lost: {used} of {expected} subruns usable, {limit:.0%} needed ({reasons or 'files are missing'})")
