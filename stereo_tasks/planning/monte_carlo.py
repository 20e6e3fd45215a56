"""The plan of the Monte Carlo products of a period and declination line: stereo, forests, DL2, IRFs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from stereo_tasks.planning.elements import Planner
from stereo_tasks.planning.engines import choose_engines
from stereo_tasks.planning.plan import Blocker, Choice, Plan
from stereo_tasks.products.models import SAMPLES, TEST_SAMPLES, ModelFile, pointing_of
from stereo_tasks.products.tree import MonteCarloTree
from stereo_tasks.settings import Settings
from stereo_tasks.settings.production import Production
from stereo_tasks.stages import MC_STAGES, EngineChoice, resolve


def plan_monte_carlo(
    tree: MonteCarloTree,
    samples: dict[str, tuple[ModelFile, ...]],
    settings: Settings,
    production: Production,
    versions: dict[str, str],
    *,
    given: tuple[ModelFile, ...] = (),
    irf_sets: Sequence[IrfSet] = (),
    suspended: Mapping[str, str] | None = None,
) -> Plan:
    """Plan forests and IRFs of one period, NSB level, version and declination line.

    Parameters
    ----------
    tree : MonteCarloTree
        Where everything lies.
    samples : dict of str to tuple of ModelFile
        The DL1 files of ``GammaTrain``, ``ProtonTrain`` and ``GammaTest`` that were found.
    given : tuple of ModelFile, optional
        Forests that somebody else made: they are taken as they are, and nothing is trained.
    settings, production, versions, suspended
        As for a night.
    irf_sets : sequence of IrfSet, optional
        Which IRFs are made of the forests; those of the production if not given.
    """
    engines = choose_engines(MC_STAGES, production, versions, suspended or {})
    irf_sets = irf_sets or (IrfSet(tree.irf_folder, production.mcp["create_irf"]),)
    return MonteCarloPlanner(tree, samples, settings, production, engines, irf_sets, given).plan(versions)


@dataclass(frozen=True, slots=True)
class IrfSet:
    """IRFs with the same cuts, type of events, weights and bins, of all nodes."""

    folder: Path
    create_irf: dict[str, Any]
    """The section of magic-cta-pipe's configuration that they are made with."""

    @property
    def name(self) -> str:
        """Name of the folder in autoMCP's tree, above that of the declination line."""
        return self.folder.parent.name


class MonteCarloPlanner(Planner):
    """Collects the elements of one plan; what the stages' functions for elements are given.

    Attributes
    ----------
    tree : MonteCarloTree
        Where everything lies.
    samples : dict of str to tuple of ModelFile
        DL1 files by the name of their sample.
    production : Production
        The way of processing.
    engines : mapping of str to EngineChoice
        Who makes the products of each stage.
    given : tuple of ModelFile
        Forests that somebody else made.
    irf_sets : sequence of IrfSet
        Which IRFs are made.
    """

    def __init__(
        self,
        tree: MonteCarloTree,
        samples: dict[str, tuple[ModelFile, ...]],
        settings: Settings,
        production: Production,
        engines: Mapping[str, EngineChoice],
        irf_sets: Sequence[IrfSet],
        given: tuple[ModelFile, ...] = (),
    ) -> None:
        super().__init__(settings, engines)
        self.given = given
        self.tree = tree
        self.samples = samples
        self.production = production
        self.irf_sets = irf_sets

    def plan(self, versions: dict[str, str]) -> Plan:
        """Return the plan."""
        for stage in MC_STAGES:
            resolve(stage.elements)(self, stage)
        tree = self.tree
        return Plan(
            production=self.production.name,
            name=f"mc/{tree.key}",
            source="mc",
            night=None,
            root=str(tree.root),
            choices=(
                Choice("Monte Carlo", tree.key, "period, NSB level and version of the production, declination line"),
                Choice("forests", str(tree.forests_folder), "made elsewhere" if self.given else "autoMCP's tree"),
                *(Choice("IRFs", str(one.folder), "autoMCP's tree") for one in self.irf_sets),
            ),
            notices=(),
            blockers=(*self.incomplete, *self._too_few_nodes()),
            runs=(),
            elements=self.elements,
            config=json.loads(json.dumps(self.production.mcp)),
            settings={},
            versions=versions,
            engines=dict(self.engines),
        )

    @property
    def needed(self) -> tuple[str, ...]:
        """Samples that something is made of."""
        return TEST_SAMPLES if self.given else SAMPLES

    @cached_property
    def incomplete(self) -> tuple[Blocker, ...]:
        """Samples of which there are no files."""
        return tuple(
            Blocker(sample, f"no Monte Carlo DL1 (dl1_*.h5) in {self.tree.dl1_folder(sample)}")
            for sample in self.needed
            if not self.samples.get(sample)
        )

    @cached_property
    def nodes(self) -> dict[str, list[Path]]:
        """Stereo files of the test gammas by the node of their pointing; empty if a sample is missing."""
        nodes: dict[str, list[Path]] = {}
        for file in () if self.incomplete else self.samples["GammaTest"]:
            if pointing := pointing_of(file.path.name):
                nodes.setdefault(pointing[0], []).append(self.tree.stereo("GammaTest", file.path.name))
        return nodes

    def _too_few_nodes(self) -> tuple[Blocker, ...]:
        if len(self.nodes) != 2:
            return ()
        return (Blocker("IRFs", "two nodes of test gammas: magic-cta-pipe interpolates from 3 on, or takes 1"),)
