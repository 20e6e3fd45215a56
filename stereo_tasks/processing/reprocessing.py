"""Processing a night again: what it would cost, and how it begins at a stage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.models import ElementRecord
from stereo_tasks.catalog.suspensions import suspended
from stereo_tasks.errors import StereoError
from stereo_tasks.nights import Night
from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.planning.plan import Element, Plan
from stereo_tasks.processing.night_plans import plan_night
from stereo_tasks.settings import Settings
from stereo_tasks.stages import night_stages


class NoStageError(StereoError):
    """A night has no such stage."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What it takes to make some elements."""

    elements: int
    cpu_s: float | None
    """As their records say, or those of others of the stage, in s; None if no element of a stage was ever made."""


@dataclass(frozen=True, slots=True)
class StageCost:
    """What there is of a stage, and what it takes to make it."""

    stage: str
    valid: int
    total: int
    to_make: Cost
    """What is not valid."""
    from_here: Cost
    """All of this stage and of those after it."""


@dataclass(frozen=True, slots=True)
class SourceCost:
    """What it takes to process a source of a night again."""

    source: str
    stages: tuple[StageCost, ...]
    to_make: Cost
    """What is not valid: without force, no more is made."""
    all: Cost
    blockers: tuple[str, ...]
    """What cannot be made now, and why."""


@dataclass(frozen=True, slots=True)
class NightCost:
    """What it takes to process a night again."""

    sources: tuple[SourceCost, ...]
    not_taken: tuple[str, ...]
    """Observations that are not processed, and why."""


def night_cost(catalog: Catalog, night: Night, production: str, settings: Settings) -> NightCost:
    """Return what it takes to process a night again. The night is planned for this, and nothing is written.

    Parameters
    ----------
    catalog : Catalog
        Knows what elements have taken.
    night : Night
        The night.
    production : str
        Name of the production.
    settings : Settings
        Of the site.

    Raises
    ------
    StereoError
        If the night cannot be planned.
    """
    planned = plan_night(night, production=production, suspended=suspended(catalog), settings=settings)
    sources = tuple(source_cost(catalog, plan) for plan in planned.plans)
    return NightCost(sources, (*planned.not_taken, *planned.problems))


def source_cost(catalog: Catalog, plan: Plan) -> SourceCost:
    """Return what it takes to do a plan, beside what is valid of it."""
    times = _Times.of(catalog, plan)
    states = ElementStates(plan)
    elements = {stage.name: [element for _, element in plan.of_stage(stage)] for stage in plan.stages}
    to_make = {name: [one for one in found if not states.is_valid(one)] for name, found in elements.items()}
    stages = [
        StageCost(
            name,
            len(found) - len(to_make[name]),
            len(found),
            times.cost(to_make[name]),
            times.cost(_all(elements[later] for later in _from(plan, name))),
        )
        for name, found in elements.items()
    ]
    blockers = tuple(f"{blocker.subject}: {blocker.reason}" for blocker in plan.blockers)
    return SourceCost(
        plan.source, tuple(stages), times.cost(_all(to_make.values())), times.cost(plan.elements), blockers
    )


def check_stage(name: str) -> None:
    """Refuse what is no stage of a night.

    Raises
    ------
    NoStageError
        The text says which there are.
    """
    names = [stage.name for stage in night_stages()]
    if name not in names:
        raise NoStageError(f"{name!r} is no stage of a night: {', '.join(names)}")


def forget(plan: Plan, first_stage: str) -> None:
    """Remove the records of a stage and of those after it: their products count no more, and are made again."""
    check_stage(first_stage)
    for stage in _from(plan, first_stage):
        for _, element in plan.of_stage(stage):
            element.record_path.unlink(missing_ok=True)


def _from(plan: Plan, first_stage: str) -> Iterator[str]:
    names = [stage.name for stage in night_stages()]
    yield from (stage.name for stage in plan.stages if names.index(stage.name) >= names.index(first_stage))


@dataclass(frozen=True, slots=True)
class _Times:
    """CPU time in s: of elements, and of a stage on average."""

    own: Mapping[str, float]
    usual: Mapping[str, float]

    @classmethod
    def of(cls, catalog: Catalog, plan: Plan) -> _Times:
        made = ElementRecord.production == plan.production, ElementRecord.cpu_s > 0
        of_night = ElementRecord.source == plan.source, ElementRecord.night == Night(plan.night or "").evening
        usual = select(ElementRecord.stage, func.avg(ElementRecord.cpu_s)).where(*made).group_by(ElementRecord.stage)
        with catalog.transaction() as session:
            own = session.execute(select(ElementRecord.element, ElementRecord.cpu_s).where(*made, *of_night))
            return cls({row[0]: row[1] for row in own}, {row[0]: float(row[1]) for row in session.execute(usual)})

    def cost(self, elements: Sequence[Element]) -> Cost:
        times = [self.own.get(element.id, self.usual.get(element.stage.name)) for element in elements]
        known = [time for time in times if time is not None]
        return Cost(len(elements), sum(known) if len(known) == len(times) else None)


def _all(groups: Iterable[Sequence[Element]]) -> list[Element]:
    return [element for group in groups for element in group]
