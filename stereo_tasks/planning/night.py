"""The plan of one night and source: observation + inventory + settings -> Plan. No database, no cluster, no clock."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from stereo_tasks.inventory import LstSubrun, MagicSubrun, NightFiles, gaps, own_magic_runs
from stereo_tasks.nights import Night
from stereo_tasks.planning.choices import Chosen, choose
from stereo_tasks.planning.elements import Planner
from stereo_tasks.planning.engines import choose_engines
from stereo_tasks.planning.lacking import lacking_models, model_choices, zenith_notices
from stereo_tasks.planning.plan import Blocker, Choice, Element, Notice, Plan, Run
from stereo_tasks.planning.wobble import wobble_offsets
from stereo_tasks.products.models import Models
from stereo_tasks.products.tree import NightTree
from stereo_tasks.settings import Settings
from stereo_tasks.settings.production import Production
from stereo_tasks.stages import Cost, Engine, EngineChoice, Stage, night_stages, resolve
from stereo_tasks.stages.night import COMPARE, DL2
from stereo_tasks.stereo_log.observation import Observation


def plan_source(
    observations: Sequence[Observation],
    files: NightFiles,
    models: Mapping[float, Models],
    settings: Settings,
    production: Production,
    versions: dict[str, str],
    *,
    others: Iterable[Observation] = (),
    suspended: Mapping[str, str] | None = None,
) -> Plan:
    """Plan one night and source.

    Parameters
    ----------
    observations : sequence of Observation
        The accepted rows of the log for this night and source (nearly always one).
    files : NightFiles
        What was found of the night.
    models : mapping of float to Models
        Forests and IRFs that were found for the choices of `choose`, by NSB level.
    settings : Settings
        The site's configuration.
    production : Production
        The way of processing.
    versions : dict of str to str
        Versions of the science environment.
    others : iterable of Observation
        The other rows that the log has for this night: MAGIC runs of theirs are not taken.
    suspended : mapping of str to str, optional
        Stages whose kernel is out of use, each with the reason.

    Returns
    -------
    Plan
        With every element that can be planned. What could not be chosen is in its blockers; the stages that need it are
        left out.
    """
    first = observations[0]
    chosen = choose(first.night, first.source, settings, production, observations)
    against = dict(suspended or {})
    if unpacked := [path for found in models.values() for path in found.unpacked]:
        against[DL2.name] = f"{len(unpacked)} files of forests are not packed: run 'stereo prepare-mc'"
    engines = choose_engines(night_stages(), production, versions, against)
    planner = NightPlanner(observations, files, models, settings, production, chosen, tuple(others), engines)
    return planner.plan(versions)


class NightPlanner(Planner):
    """Collects the elements, notices and blockers of one plan; what the stages' functions for elements are given.

    Attributes
    ----------
    night, source, files, settings, production, tree, root
        What is planned, of which files, and where its products go.
    chosen : Chosen
        Period, position, Monte Carlo and so on, with reasons.
    engines : mapping of str to EngineChoice
        Who makes the products of each stage.
    models : mapping of float to Models
        Forests and IRFs by NSB level.
    notices : list of Notice
        What a person should see of the inputs; stages add to it.
    """

    def __init__(
        self,
        observations: Sequence[Observation],
        files: NightFiles,
        models: Mapping[float, Models],
        settings: Settings,
        production: Production,
        chosen: Chosen,
        others: tuple[Observation, ...],
        engines: Mapping[str, EngineChoice],
    ) -> None:
        super().__init__(settings, engines)
        self.night: Night = observations[0].night
        self.source = observations[0].source
        self.observations = observations
        self.files = files
        self.models = models
        self.production = production
        self.chosen = chosen
        self.others = others
        self.root = settings.site.paths.output / production.name / self.source
        self.tree = NightTree(self.root, self.night, production.cuts)
        self.notices: list[Notice] = []
        self.blockers: list[Blocker] = list(chosen.blockers)
        self._choices: list[Choice] = list(chosen.choices)
        self._check_corrections()

    def plan(self, versions: dict[str, str]) -> Plan:
        """Return the plan."""
        runs = self.runs
        self._check_files()
        self._check_models()
        for stage in night_stages():
            if self._is_possible(stage):
                resolve(stage.elements)(self, stage)
        installed = versions.get("magic-cta-pipe")
        if installed != self.production.mcp_version:
            self.blockers.append(
                Blocker(
                    "magic-cta-pipe",
                    f"production {self.production.name} asks for {self.production.mcp_version}, the science "
                    f"environment has {installed}: install it, or make a production of that version",
                )
            )
        return Plan(
            production=self.production.name,
            name=f"{self.night.lst_date}/{self.source}",
            source=self.source,
            night=str(self.night),
            root=str(self.root),
            choices=tuple(self._choices),
            notices=tuple(self.notices),
            blockers=tuple(self.blockers),
            runs=runs,
            elements=self.elements,
            config=self._config(),
            settings=self._step_settings(),
            versions=versions,
            engines=dict(self.engines),
        )

    def cost_of_tool(self, element: Element) -> Cost:
        """Return what magic-cta-pipe needs to make an element again."""
        stage = self.settings.cost(element.stage, Engine.MCP)
        seconds = self.time_s(stage, element.size_bytes)
        return replace(self.settings.cost(COMPARE), memory_mb=stage.memory_mb, element_s=seconds, s_per_gb=0.0)

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """The LST-1 runs of the source, each with the MAGIC runs of the night."""
        runs = []
        for run in sorted({run for row in self.observations for run in row.lst_runs}):
            subruns = self.lst_subruns(run)
            expected = len(subruns) + len(gaps(subruns))
            magic_subruns = sum(len(self.magic_subruns(1, magic_run)) for magic_run in self.magic_runs)
            runs.append(Run(run, self.magic_runs, expected, magic_subruns))
        return tuple(runs)

    @cached_property
    def magic_runs(self) -> tuple[int, ...]:
        """The MAGIC runs of the source that have files of both telescopes."""
        wanted: set[int] = set()
        for row in self.observations:
            runs, notes = own_magic_runs(row, self.files, self.others)
            wanted |= set(runs)
            self.notices += [Notice("MAGIC runs", note) for note in notes]
        usable = []
        for run in sorted(wanted):
            telescopes = [telescope for telescope in (1, 2) if self.magic_subruns(telescope, run)]
            if len(telescopes) == 2:
                usable.append(run)
            elif telescopes:
                self.notices.append(Notice(f"MAGIC run {run}", f"only files of M{telescopes[0]}: the run is not used"))
        return tuple(usable)

    def magic_subruns(self, telescope: int, run: int) -> tuple[MagicSubrun, ...]:
        """Return the calibrated files of a run of MAGIC."""
        return self.files.magic.get((telescope, run), ())

    def lst_subruns(self, run: int) -> tuple[LstSubrun, ...]:
        """Return the DL1 files of a run of LST-1."""
        return self.files.lst.get(run, ())

    def missing(self, subject: str, reason: str = "subrun missing in the sequence") -> None:
        """Tell of a file that is not there."""
        self.notices.append(Notice(subject, reason))

    def models_of(self, run: int) -> Models | None:
        """Return forests and IRFs of a run of LST-1; None if they lack, and it ends before DL2."""
        for one in self.chosen.levels:
            if one.run == run and one.level is not None and self._has_models(run):
                return self.models.get(one.level)
        return None

    @property
    def lst_folder(self) -> str:
        """Where the DL1 of LST-1 is looked for."""
        return f"{self.settings.site.paths.lst_dl1 / self.night.lst_date}/{self.files.lst_wanted}"

    def _check_files(self) -> None:
        if self.files.lst_problem:
            self.blockers.append(Blocker("LST-1 DL1", self.files.lst_problem))
        for version, runs in self.files.lst_versions.items():
            if own := [run.lst_run for run in self.runs if run.lst_run in runs]:
                named = f"run{'s' * (len(own) > 1)} {', '.join(map(str, own))}"
                self._choices.append(Choice("LST-1 DL1", version, f"of {self.files.lst_wanted}: {named}"))
        if not self.magic_runs:
            folder = self.settings.site.paths.magic_calibrated / "M1/event/Calibrated" / self.night.magic_date
            first = min(row.magic_first_run for row in self.observations)
            last = max(row.magic_last_run for row in self.observations)
            self.blockers.append(
                Blocker(
                    "MAGIC", f"no calibrated files of runs {first}-{last} of both telescopes; looked for M1 in {folder}"
                )
            )
        by_run = {run: self.magic_subruns(1, run) + self.magic_subruns(2, run) for run in self.magic_runs}
        limit = self.settings.qa.criterion("wobble_offset_deg", self.night.evening).limit(None)
        choices, notices = wobble_offsets(by_run, limit)
        self._choices += choices
        self.notices += notices
        for kept, ignored, reason in self.files.duplicates:
            self.notices.append(Notice(ignored.name, f"duplicate, not used: {reason}; kept {kept.name}"))
        for path, reason in self.files.odd:
            self.notices.append(Notice(path.name, f"not used: {reason}"))

    def _config(self) -> dict[str, Any]:
        # Through JSON: YAML anchors share dictionaries, and the tools pop keys out of what they are given.
        config: dict[str, Any] = json.loads(json.dumps(copy.deepcopy(self.production.mcp)))
        config["dl2_to_dl3"]["source_name"] = self.source
        if self.chosen.position:
            config["dl2_to_dl3"]["source_ra"] = f"{self.chosen.position.ra_deg} deg"
            config["dl2_to_dl3"]["source_dec"] = f"{self.chosen.position.dec_deg} deg"
        return config

    def _step_settings(self) -> dict[str, Any]:
        position = self.chosen.position
        corrections = {"corrections": sorted(set(self.production.corrections))} if self.production.corrections else {}
        nsb = {str(one.run): one.measured for one in self.chosen.levels if one.measured is not None}
        return {
            "source_ra_deg": position.ra_deg if position else None,
            "source_dec_deg": position.dec_deg if position else None,
            "completeness_min": self.settings.policy.completeness_min,
            "time_offset_us": self.chosen.time_offset_us,
            "qa": self.settings.qa.model_dump(mode="json"),
            **({"nsb": nsb} if nsb else {}),
            **corrections,
        }

    def _check_corrections(self) -> None:
        """Tell of what is not as magic-cta-pipe makes it, and refuse what no kernel would put right."""
        for stage in night_stages():
            if not (asked := ", ".join(self.production.corrections_of(stage))):
                continue
            production, choice = self.production.name, self.engines[stage.name]
            if choice.engine is Engine.FAST:
                reason = (
                    f"of production {production}: {stage} is not what magic-cta-pipe makes, and not compared with it"
                )
                self._choices.append(Choice("corrections", asked, reason))
                continue
            reason = (
                f"production {production} asks for {asked}, which magic-cta-pipe cannot make, and the kernel of "
                f"{stage} is not used ({choice.reason or 'engine: mcp'}): let it be used, or take 'corrections' out of "
                "config/productions.yaml"
            )
            self.blockers.append(Blocker("corrections", reason))

    def _is_possible(self, stage: Stage) -> bool:
        if any(blocker.subject == "corrections" for blocker in self.blockers):
            return stage.always
        return not stage.needs_models or any(self.models_of(run.lst_run) for run in self.runs)

    def _check_models(self) -> None:
        lacking = lacking_models(self.models, self.chosen, self.production, self.observations)
        self.blockers += lacking
        self.notices += zenith_notices(self.models, self.production, self.observations)
        self._choices += model_choices(self.models, self.chosen, self.production, lacking)

    def _has_models(self, run: int) -> bool:
        of_run = {blocker.subject for blocker in self.blockers if not blocker.runs or run in blocker.runs}
        return not of_run & {"forests", "IRFs", "source", "period"}
