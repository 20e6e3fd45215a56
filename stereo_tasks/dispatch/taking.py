"""What a run of a night takes on: what it was asked for, and what others were that found it at work.

A dispatch is done with when a run has planned it. A run that finds another one at work leaves behind what it was asked
for; whichever run plans the night next takes that over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.dispatches import note_taken
from stereo_tasks.catalog.locks import NightLockedError, acquire_night
from stereo_tasks.catalog.processing_runs import LOCKED, begin_run, end_run, locked_out, take_over
from stereo_tasks.catalog.suspensions import suspended
from stereo_tasks.dispatch.candidates import held_sources
from stereo_tasks.dispatch.partitions import combined
from stereo_tasks.nights import Night
from stereo_tasks.processing.night_plans import NightPlans, plan_night
from stereo_tasks.processing.reprocessing import forget
from stereo_tasks.settings import Settings


def begin(
    catalog: Catalog,
    night: Night,
    production: str,
    run_id: str,
    choice: Mapping[str, Any],
    *,
    owner: str,
    is_dead: Callable[[str], bool],
) -> None:
    """Take the lock of a night; if another run holds it, leave behind what this one was asked for.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    night : Night
        The night.
    production : str
        Name of the production.
    run_id : str
        Id of the run, the same in all its tries.
    choice : mapping
        What it was asked for: ``sources``, ``force``, and ``from_stage`` if there is one.
    owner : str
        How the lock knows the run.
    is_dead : callable
        Says whether the run of an owner is over.

    Raises
    ------
    NightLockedError
        If another run is at work.
    """
    try:
        acquire_night(catalog, night, production, owner, is_dead=is_dead)
    except NightLockedError as error:
        wanted = {name: choice[name] for name in ("sources", "force")}
        if choice.get("from_stage"):
            wanted["from_stage"] = choice["from_stage"]
        end_run(catalog, night, production, run_id, LOCKED, [str(error)], choice=wanted)
        # The other run may have ended just before this was written, and then hands nothing on.
        acquire_night(catalog, night, production, owner, is_dead=is_dead)
    begin_run(catalog, night, production, run_id)


def plan_and_take(
    catalog: Catalog,
    night: Night,
    production: str,
    run_id: str,
    choice: Mapping[str, Any],
    *,
    settings: Settings | None = None,
) -> tuple[NightPlans, dict[str, Any]]:
    """Plan a night and write the plans; what was asked for is done with when they are written, and not before.

    Parameters
    ----------
    catalog, night, production, run_id, choice
        As for `begin`.
    settings : Settings, optional
        The site's by default.

    Returns
    -------
    tuple of (NightPlans, dict)
        The plans, and what was planned: the choice of this run together with those that were left behind.
    """
    left_behind = locked_out(catalog, production, night)
    wanted = combined([*(run.choice for run in left_behind), choice])
    held = held_sources(catalog, night, production)
    planned = plan_night(
        night, production=production, sources=wanted["sources"] or None, held=held, suspended=suspended(catalog),
        settings=settings,
    )  # fmt: skip
    for plan in planned.plans:
        plan.save()
        if stage := wanted.get("from_stage"):
            forget(plan, stage)
    note_taken(catalog, night, production, planned.contents, run_id)
    take_over(catalog, left_behind, run_id)
    return planned, wanted


def left_behind_choice(catalog: Catalog, night: Night, production: str) -> dict[str, Any] | None:
    """Return what runs were asked for that were locked out and that no run has taken over; None if nothing."""
    runs = locked_out(catalog, production, night)
    return {**combined(run.choice for run in runs), "production": production} if runs else None
