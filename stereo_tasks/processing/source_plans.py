"""Plans over the nights of a source (data sets, analyses): which are not up to date."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from stereo_tasks.nights import Night
from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.planning.plan import Plan
from stereo_tasks.settings import Settings, load_settings

LAST_OF_ALL = Night("2099-12-30")
"""The end of a range that has none."""


class SourcePlanner(Protocol):
    """What makes such a plan: `dataset_plans.plan_source` or `season_plans.plan_source_season`."""

    def __call__(
        self, source: str, first: Night | None, last: Night | None, /, *, production: str | None, settings: Settings
    ) -> Plan:
        """Plan the nights from the first to the last, or all that are published. Nothing is written."""


@dataclass(frozen=True, slots=True)
class StalePlans:
    """The plans of which something is to be made, and what is said of all."""

    plans: tuple[Plan, ...]
    """Saved."""
    lines: tuple[str, ...]


def plan_stale(
    planner: SourcePlanner,
    wanted: Iterable[tuple[str | None, str]],
    first: Night | None = None,
    last: Night | None = None,
    *,
    settings: Settings | None = None,
) -> StalePlans:
    """Plan sources, and save the plans of those of which something is to be made.

    Parameters
    ----------
    planner : SourcePlanner
        What is planned of them.
    wanted : iterable of (str or None, str)
        Production, the default one if empty, and source.
    first, last : Night, optional
        Only nights from the first to the last; all that are published if not given.
    settings : Settings, optional
        Loaded from the site if not given.
    """
    settings = settings or load_settings()
    plans, lines = [], []
    for production, source in wanted:
        plan = planner(source, first, last, production=production or None, settings=settings)
        lines += [f"{plan.name}: missing, {notice.subject}: {notice.reason}" for notice in plan.notices]
        lines += [f"{plan.name}: held, {blocker.subject}: {blocker.reason}" for blocker in plan.blockers]
        states = ElementStates(plan)
        to_do = sum(not states.is_valid(element) for element in plan.elements)
        lines.append(f"{plan.name}: {to_do} of {len(plan.elements)} elements to do")
        if to_do:
            plan.save()
            plans.append(plan)
    return StalePlans(tuple(plans), tuple(lines))
