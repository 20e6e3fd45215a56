"""The plan of the analysis of a source over many nights: published DL3 + settings -> Plan."""

from __future__ import annotations

from collections.abc import Sequence

from stereo_tasks.planning.datasets import check_set_name
from stereo_tasks.planning.elements import Planner
from stereo_tasks.planning.engines import choose_engines
from stereo_tasks.planning.plan import Blocker, Choice, Input, Notice, Plan
from stereo_tasks.products.models import ModelFile
from stereo_tasks.products.published_folders import PublishedFolder
from stereo_tasks.products.season_tree import SeasonTree
from stereo_tasks.settings import Settings
from stereo_tasks.settings.choices import NoChoiceError
from stereo_tasks.settings.production import Production
from stereo_tasks.stages import SEASON_STAGES, Stage, resolve

INDEX_ROLE, DL3_ROLE = "index", "dl3"


def plan_season(
    name: str,
    source: str,
    folders: Sequence[PublishedFolder],
    settings: Settings,
    production: Production,
    versions: dict[str, str],
) -> Plan:
    """Plan the analysis of a set of nights.

    Parameters
    ----------
    name : str
        Of the set.
    source : str
        The source.
    folders : sequence of PublishedFolder
        What was found.
    settings : Settings
        The site's.
    production : Production
        The way of processing.
    versions : dict of str to str
        Of the analysis environment.
    """
    planner = SeasonPlanner(check_set_name(name), source, folders, settings, production)
    return planner.plan(versions)


class SeasonPlanner(Planner):
    """Collects the elements of one plan; what the stages' functions for elements are given.

    Attributes
    ----------
    source : str
        The source.
    folders : sequence of PublishedFolder
        What was found.
    production : Production
        The way of processing.
    tree : SeasonTree
        Where the products go.
    """

    def __init__(
        self,
        name: str,
        source: str,
        folders: Sequence[PublishedFolder],
        settings: Settings,
        production: Production,
    ) -> None:
        super().__init__(settings, choose_engines(SEASON_STAGES, production, {}, {}))
        self.source = source
        self.folders = folders
        self.production = production
        self.tree = SeasonTree(settings.site.paths.output / production.name / source, name)

    def plan(self, versions: dict[str, str]) -> Plan:
        """Return the plan."""
        blockers = []
        if self.folders:
            for stage in SEASON_STAGES:
                resolve(stage.elements)(self, stage)
        else:
            blockers.append(Blocker("nights", f"nothing of {self.source} is published in this range"))
        return Plan(
            production=self.production.name,
            name=f"season/{self.source}/{self.tree.name}",
            source=self.source,
            night=None,
            root=str(self.tree.root),
            choices=self._choices(),
            notices=tuple(Notice(name, why) for folder in self.folders for name, why in folder.left_out.items()),
            blockers=tuple(blockers),
            runs=(),
            elements=self.elements,
            config={},
            settings={"analysis": self.settings.analysis.model_dump()},
            versions=versions,
            engines=dict(self.engines),
        )

    @property
    def position(self) -> dict[str, float] | None:
        """ICRS position of the source in deg; None leaves it to the headers of the DL3."""
        try:
            known = self.production.position or self.settings.position(self.source)
        except NoChoiceError:
            return None
        return {"ra_deg": known.ra_deg, "dec_deg": known.dec_deg}

    @property
    def _origin_of_position(self) -> str:
        if self.production.position:
            return "a rule of the production"
        return "config/sources.yaml" if self.position else "config/sources.yaml does not know the source"

    def _choices(self) -> tuple[Choice, ...]:
        files = sum(len(folder.dl3) for folder in self.folders)
        found = ", ".join(folder.version for folder in self.folders[:3])
        more = f" and {len(self.folders) - 3} more" if len(self.folders) > 3 else ""
        position = self.position
        return (
            Choice("DL3", f"{files} runs", f"published: {found}{more}" if found else "none"),
            Choice(
                "position",
                f"{position['ra_deg']:g}, {position['dec_deg']:g} deg" if position else "of the headers",
                self._origin_of_position,
            ),
        )


def season_analysis(planner: SeasonPlanner, stage: Stage) -> None:
    """One element a set: all runs that are published of its nights."""
    inputs = [_found(file, INDEX_ROLE) for folder in planner.folders for file in folder.index]
    inputs += [_found(file, DL3_ROLE) for folder in planner.folders for file in folder.dl3]
    parameters = {
        "source": planner.source,
        "position": planner.position,
        "publications": [folder.version for folder in planner.folders],
    }
    planner.add(stage, planner.tree.name, inputs, planner.tree.files, parameters)


def _found(file: ModelFile, role: str) -> Input:
    return Input(str(file.path), None, file.size_bytes, file.modified_ns, role)
