"""Who makes the products of each stage: our kernels where they are known to make the same, else magic-cta-pipe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stereo_tasks.kernels.coverage import not_covered
from stereo_tasks.settings.production import Production
from stereo_tasks.stages import Engine, EngineChoice, Stage


def choose_engines(
    stages: Iterable[Stage], production: Production, versions: Mapping[str, str], suspended: Mapping[str, str]
) -> dict[str, EngineChoice]:
    """Choose an engine for each stage.

    Parameters
    ----------
    stages : iterable of Stage
        The stages of the plan.
    production : Production
        What is wanted.
    versions : mapping of str to str
        Versions of the science environment.
    suspended : mapping of str to str
        Stages whose kernel is out of use until a person has looked, each with the reason.
    """
    other_versions = not_covered(versions)
    choices = {}
    for stage in stages:
        engine, reason = production.engine_of(stage), ""
        if engine is Engine.FAST:
            reason = _against(stage, other_versions, suspended)
            engine = Engine.MCP if reason else Engine.FAST
        choices[stage.name] = EngineChoice(engine, reason if stage.tool else "")
    return choices


def _against(stage: Stage, other_versions: str, suspended: Mapping[str, str]) -> str:
    if not stage.kernel:
        return "there is no kernel of this stage"
    if other_versions:
        return other_versions
    return f"out of use: {suspended[stage.name]}" if stage.name in suspended else ""
