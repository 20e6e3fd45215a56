"""Stages whose kernel is out of use, since it made something else than magic-cta-pipe, until a person has looked."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.decisions import given_reason
from stereo_tasks.catalog.models import EngineSuspension
from stereo_tasks.catalog.values import plain
from stereo_tasks.nights import Night
from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.planning.plan import Plan
from stereo_tasks.stages import Stage, State
from stereo_tasks.stages import stage as stage_of
from stereo_tasks.stages.night import COMPARE


def suspend(catalog: Catalog, plan: Plan) -> tuple[str, ...]:
    """Take the kernels out of use of which the comparisons of a plan found that they differ.

    Returns
    -------
    tuple of str
        The stages whose kernels were in use until now.
    """
    states, new = ElementStates(plan), []
    for _, element in plan.of_stage(COMPARE):
        record = states.record(element)
        if record is None or record.state != State.HELD or plan.night is None:
            continue
        compared = plan.producers[element.inputs[0].producer or ""]
        values = {
            "stage": compared.stage.name, "production": plan.production, "night": Night(plan.night).evening,
            "source": plan.source, "reason": plain(record.reason),
        }  # fmt: skip
        # One that somebody has allowed since it was found is not found anew when the night is looked at again.
        with catalog.transaction(writes=True) as session:
            known = select(EngineSuspension.id).where(
                EngineSuspension.stage == values["stage"], EngineSuspension.reason == values["reason"],
                EngineSuspension.night == values["night"], EngineSuspension.source == values["source"],
            )  # fmt: skip
            if session.scalar(known.limit(1)) is None:
                statement = insert(EngineSuspension).values(**values).on_conflict_do_nothing()
                if session.scalar(statement.returning(EngineSuspension.id)) is not None:
                    new.append(values["stage"])
    return tuple(dict.fromkeys(map(str, new)))


def suspended(catalog: Catalog) -> dict[str, str]:
    """Return the stages whose kernel is out of use, each with the reason."""
    return {row.stage: row.reason for row in open_suspensions(catalog)}


def open_suspensions(catalog: Catalog) -> tuple[EngineSuspension, ...]:
    """Return the suspensions that nobody has lifted, the oldest first."""
    statement = select(EngineSuspension).where(EngineSuspension.allowed_utc.is_(None)).order_by(EngineSuspension.id)
    with catalog.transaction() as session:
        return tuple(session.scalars(statement))


def allow(catalog: Catalog, stages: Iterable[Stage | str], *, by: str, reason: str) -> tuple[str, ...]:
    """Use the kernels of some stages again; return those that were out of use.

    Raises
    ------
    NoReasonError
        If there is no reason.
    ValueError
        If a stage is unknown.
    """
    reason = given_reason(reason, "say what you found: somebody else will want to know")
    names = [stage_of(stage).name for stage in stages]
    statement = (
        update(EngineSuspension)
        .where(EngineSuspension.stage.in_(names), EngineSuspension.allowed_utc.is_(None))
        .values(allowed_utc=func.clock_timestamp(), allowed_by=plain(by), allowed_reason=reason)
        .returning(EngineSuspension.stage)
    )
    with catalog.transaction(writes=True) as session:
        return tuple(session.scalars(statement))
