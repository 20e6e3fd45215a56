"""The plan of a set of data of a source: published nights + settings -> Plan. No database, no cluster, no clock."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from astropy import units as u

from stereo_tasks.nights import BadNightError, Night
from stereo_tasks.planning.elements import Planner
from stereo_tasks.planning.engines import choose_engines
from stereo_tasks.planning.plan import Blocker, Choice, Notice, Plan
from stereo_tasks.products.dataset_tree import MC_FOLDER, NIGHTS_FOLDER, DatasetTree
from stereo_tasks.products.models import ModelFile
from stereo_tasks.products.published_nights import PublishedNight
from stereo_tasks.settings import Settings, SettingsError
from stereo_tasks.settings.choices import NoChoiceError
from stereo_tasks.settings.production import Production
from stereo_tasks.stages import DATASET_STAGES, resolve

Standalone = Mapping[str, Mapping[Night, Sequence[ModelFile]]]
"""Files of standalone analyses, ``lst`` and ``melibea``, by night."""

Triggers = Mapping[Night, Sequence[ModelFile]]
"""DL1 of LST-1 of the published runs, by night."""


@dataclass(frozen=True, slots=True)
class SimulatedNodes:
    """Monte Carlo that nights of the source are analysed with."""

    key: str
    """Period, NSB level, version and declination line, as in `MonteCarloTree`."""
    nodes: Mapping[str, ModelFile]
    """DL2 of the test gammas by node, such as ``zd_24.0deg_az_100.0deg``."""


def check_set_name(name: str) -> str:
    """Return the name of a set.

    Raises
    ------
    SettingsError
        If no folder can have it.
    """
    if not name or name in (NIGHTS_FOLDER, MC_FOLDER) or not name.replace("-", "").replace("_", "").isalnum():
        raise SettingsError(
            f"{name!r} cannot be the name of a set: letters, digits, - and _, but not {NIGHTS_FOLDER} or {MC_FOLDER}"
        )
    return name


def plan_datasets(
    name: str,
    source: str,
    nights: Sequence[PublishedNight],
    simulated: Sequence[SimulatedNodes],
    settings: Settings,
    production: Production,
    versions: dict[str, str],
    standalone: Standalone | None = None,
    triggers: Triggers | None = None,
) -> Plan:
    """Plan the parts and season files of a set.

    Parameters
    ----------
    name : str
        Of the set.
    source : str
        The source.
    nights : sequence of PublishedNight
        What was found, in its order.
    simulated : sequence of SimulatedNodes
        What was found of the Monte Carlo of these nights.
    settings, production, versions
        As for a night.
    standalone : mapping, optional
        What was found of the analyses of LST-1 alone and MAGIC alone; those that the site does not have are left out.
    triggers : mapping, optional
        What was found of LST-1's DL1.
    """
    name = check_set_name(name)
    planner = DatasetPlanner(name, source, nights, simulated, settings, production, standalone or {}, triggers or {})
    return planner.plan(versions)


class DatasetPlanner(Planner):
    """Collects the elements of one plan; what the stages' functions for elements are given.

    Attributes
    ----------
    tree : DatasetTree
        Where the products go.
    nights, simulated, standalone, triggers
        What was found.
    production : Production
        The way of processing.
    blockers : list of Blocker
        What cannot be made.
    """

    def __init__(
        self,
        name: str,
        source: str,
        nights: Sequence[PublishedNight],
        simulated: Sequence[SimulatedNodes],
        settings: Settings,
        production: Production,
        standalone: Standalone,
        triggers: Triggers,
    ) -> None:
        super().__init__(settings, choose_engines(DATASET_STAGES, production, {}, {}))
        self.nights = [night for night in nights if night.dl2]
        self.simulated = simulated
        self.standalone = standalone
        self.triggers = triggers
        self.production = production
        self.tree = DatasetTree(settings.site.paths.output / production.name / source, source, name)
        self.blockers: list[Blocker] = []
        self._notices = [Notice(str(night.night), text) for night in nights for text in night.missing]

    def plan(self, versions: dict[str, str]) -> Plan:
        """Return the plan."""
        if not self.nights:
            self.blockers.append(Blocker("nights", f"nothing of {self.tree.source} is published in this range"))
        elif self.regions is not None:
            for stage in DATASET_STAGES:
                resolve(stage.elements)(self, stage)
        return Plan(
            production=self.production.name,
            name=f"datasets/{self.tree.source}/{self.tree.name}",
            source=self.tree.source,
            night=None,
            root=str(self.tree.root),
            choices=self._choices(),
            notices=tuple(self._notices),
            blockers=tuple(self.blockers),
            runs=(),
            elements=self.elements,
            config=json.loads(json.dumps(self.production.mcp)),
            settings={},
            versions=versions,
            engines=dict(self.engines),
        )

    @cached_property
    def regions(self) -> dict[str, float] | None:
        """Source, radius and number of OFF regions; None, and a blocker, without a position."""
        try:
            position = self.production.position or self.settings.position(self.tree.source)
        except NoChoiceError as error:
            self.blockers.append(Blocker("source", str(error)))
            return None
        theta = self.production.mcp["create_irf"]["theta"]
        radius = theta["global_cut_value"] if theta["cut_type"] == "global" else theta["max_cut"]
        return {
            "source_ra_deg": position.ra_deg,
            "source_dec_deg": position.dec_deg,
            "region_radius_deg": float(u.Quantity(radius).to_value("deg")),
            "off_regions": self.settings.qa.theta2.off_regions,
        }

    @property
    def weights(self) -> dict[str, str | None]:
        """Weights and quality cuts of the means: those of the IRFs."""
        irf = self.production.mcp["create_irf"]
        return {"weight_type": irf["weight_type_dl2"], "quality_cuts": irf.get("quality_cuts")}

    def _choices(self) -> tuple[Choice, ...]:
        names = [str(night.night) for night in self.nights]
        choices = [Choice("nights", str(len(names)), f"published, {names[0]} to {names[-1]}" if names else "none")]
        weights = self.weights
        choices.append(Choice("weights of the means", str(weights["weight_type"]), "create_irf.weight_type_dl2"))
        choices.append(Choice("quality cuts of the means", str(weights["quality_cuts"]), "create_irf.quality_cuts"))
        if self.nights and self.regions:
            radius_deg, number = self.regions["region_radius_deg"], self.regions["off_regions"]
            reason = f"config/qa.yaml, as far as regions of {radius_deg:g} deg, the largest theta cut, do not overlap"
            choices.append(Choice("OFF regions", f"at most {number:g}", reason))
        return tuple(choices)


def range_name(first: Night | None, last: Night | None) -> str:
    """Return the name of a set of which only the range is known: ``all``, or ``20240101-20240331``."""
    if first is None and last is None:
        return "all"
    return f"{first.lst_date if first else 'first'}-{last.lst_date if last else 'last'}"


def range_of(name: str) -> tuple[Night | None, Night | None]:
    """Return the range that `range_name` has named.

    Raises
    ------
    SettingsError
        If it is the name that a person gave to a set.
    """
    if name == "all":
        return None, None
    begin, _, end = name.partition("-")
    try:
        return None if begin == "first" else Night(begin), None if end == "last" else Night(end)
    except BadNightError:
        raise SettingsError(f"the set {name} was named by a person: its range is not known") from None
