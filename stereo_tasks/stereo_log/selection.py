"""Which rows of the log are processed, and why the others are not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from stereo_tasks.settings.policy import Policy
from stereo_tasks.stereo_log.observation import Observation


@dataclass(frozen=True, slots=True)
class Selection:
    """The log, divided."""

    accepted: tuple[Observation, ...]
    rejected: tuple[tuple[Observation, str], ...]
    """Each with all its reasons in words."""


def select(observations: Iterable[Observation], policy: Policy) -> Selection:
    """Divide observations by the policy.

    A cell of the log may list several values, such as ``['SumT', 'L3T']``: the row has runs of each kind, and the log
    does not say which. ``policy.mixed_rows`` decides for all such rows alike.

    Parameters
    ----------
    observations : iterable of Observation
        Rows of the stereo log.
    policy : Policy
        The limits.
    """
    accepted: list[Observation] = []
    rejected: list[tuple[Observation, str]] = []
    for row in observations:
        reasons = [reason for rule in _RULES if (reason := rule(row, policy))]
        if reasons:
            rejected.append((row, "; ".join(reasons)))
        else:
            accepted.append(row)
    return Selection(tuple(accepted), tuple(rejected))


def _listed(name: str, values: Iterable[object], wanted: Iterable[object], policy: Policy) -> str:
    unwanted = [str(value) for value in values if value not in tuple(wanted)]
    if not unwanted:
        return ""
    named = ", ".join(str(one) for one in wanted)
    if len(unwanted) == len(tuple(values)):
        return f"{name} is {', '.join(unwanted)}, not {named}"
    if policy.mixed_rows == "accept":
        return ""
    return f"{name} is {', '.join(unwanted)} in a part of the row, not {named} throughout (mixed_rows: reject)"


def _trigger(row: Observation, policy: Policy) -> str:
    return _listed("trigger", row.trigger, policy.triggers, policy)


def _stereo(row: Observation, policy: Policy) -> str:
    return _listed("stereo", row.stereo, (policy.stereo,), policy)


def _hv(row: Observation, policy: Policy) -> str:
    return _listed("HV", row.hv, policy.hv, policy)


def _same_wobble(row: Observation, policy: Policy) -> str:
    recorded_from = policy.same_wobble_recorded_from
    if row.same_wobble_min > policy.min_same_wobble_min or (recorded_from and row.night.evening < recorded_from):
        return ""
    return f"{row.same_wobble_min:g} min at the same wobble position, more than {policy.min_same_wobble_min:g} needed"


def _magic_runs(row: Observation, policy: Policy) -> str:
    if row.magic_first_run >= policy.min_magic_run:
        return ""
    return f"MAGIC run {row.magic_first_run} is of one telescope: stereo runs start at {policy.min_magic_run}"


def _zenith(row: Observation, policy: Policy) -> str:
    # autoMCP's tables do not know it; then QA judges by what was recorded.
    if row.zenith_min_deg is None or row.zenith_min_deg <= policy.max_zenith_deg:
        return ""
    return f"zenith distance at least {row.zenith_min_deg:g} deg, {policy.max_zenith_deg:g} deg allowed"


_RULES: tuple[Callable[[Observation, Policy], str], ...] = (_trigger, _stereo, _hv, _same_wobble, _magic_runs, _zenith)
