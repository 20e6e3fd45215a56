"""``stereo run``: a night on this machine, without Airflow and without a cluster."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from stereo_tasks.errors import StereoError
from stereo_tasks.stages import Engine, chains_of, night_stages

if TYPE_CHECKING:
    from stereo_tasks.settings import Settings

console = Console(width=None if sys.stdout.isatty() else 250)


class NightRunError(StereoError):
    """A night could not be brought to its end; the text says why."""


def run_command(
    night: Annotated[str, typer.Argument(help="Evening date, such as 2024-01-10.")],
    source: Annotated[list[str] | None, typer.Option("--source", help="Only this source; may be repeated.")] = None,
    production: Annotated[
        str | None, typer.Option(help="Name of the production; the site's default if not given.")
    ] = None,
    engine: Annotated[
        Engine | None, typer.Option(help="Who makes the products of all stages; what the production says if not given.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Compute again what is valid, too.")] = False,
) -> None:
    """Work a night on this machine, without Airflow: plan, run what is not valid yet, publish."""
    from stereo_tasks.processing.completion import completion
    from stereo_tasks.processing.local_run import run_plan
    from stereo_tasks.processing.night_plans import plan_night
    from stereo_tasks.processing.publishing import publish
    from stereo_tasks.settings import load_settings

    settings = load_settings()
    if engine is not None:
        settings = with_engine(settings, production, engine)
    planned = plan_night(night, production=production, sources=source, settings=settings)
    for text in (*planned.problems, *planned.not_taken):
        _say(f"not taken: {text}")
    if not planned.plans:
        raise NightRunError(f"no observation of {night} is processed")
    for plan in planned.plans:
        plan.save()
        run_plan(plan, chains_of(night_stages()), force=force, report=_say)
        if folder := publish(plan):
            _say(f"published: {folder}")
    result = completion(planned.plans)
    for line in result.lines:
        _say(line)
    if not result.done:
        raise NightRunError(f"the night of {night} is not complete: see above")


def with_engine(settings: Settings, production: str | None, engine: Engine) -> Settings:
    """Return settings in which a production asks for one engine in all stages."""
    chosen = settings.production(production).with_engine(engine)
    named = {**settings.productions.productions, chosen.name: chosen}
    productions = settings.productions.model_copy(update={"productions": named})
    return settings.model_copy(update={"productions": productions})


def _say(line: str) -> None:
    console.print(line, highlight=False)
