"""Chains: stages that one array works through, since a job goes on with what its own elements have made possible."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from stereo_tasks.stages.stage import Stage


@dataclass(frozen=True, slots=True)
class Chain:
    """Stages that follow each other, in their order."""

    name: str
    stages: tuple[Stage, ...]

    def __str__(self) -> str:
        """Return the name."""
        return self.name


def chains_of(stages: Iterable[Stage]) -> tuple[Chain, ...]:
    """Return the chains that stages declare, in their order."""
    return tuple(Chain(name, tuple(group)) for name, group in groupby(stages, lambda stage: stage.chain or stage.name))
