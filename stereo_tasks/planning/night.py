"""The plan of one night and source: observation + inventory + settings -> Plan. No database, no cluster, no clock."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from stereo_tasks.inventory import LstSubrun, MagicSubrun, NightFiles, gaps, own_magic_runs
from stereo_tasks.nights import Night
from stereo_tasks.planning.choices import Chosen, choose, lacking_models
from stereo_tasks.planning.plan import Choice, Element, Hold, Input, Notice, Plan, Run
from stereo_tasks.products.models import Models
from stereo_tasks.products.tree import NightTree
from stereo_tasks.settings import Settings
from stereo_tasks.settings.production import Production, Resources
from stereo_tasks.stages import Stage
from stereo_tasks.stereo_log.observation import Observation


def plan_source(
    observations: Sequence[Observation],
    files: NightFiles,
    models: Models | None,
    settings: Settings,
    production: Production,
    versions: dict[str, str],
    *,
    others: Iterable[Observation] = (),
) -> Plan:
    """Plan one night and source.

    Parameters
    ----------
    observations : sequence of Observation
        The accepted rows of the log for this night and source (nearly always one).
    files : NightFiles
        What was found of the night.
    models : Models or None
        Forests and IRFs that were found for the choices of `choose`; None if the choices could not be made.
    settings : Settings
        The site's configuration.
    production : Production
        The way of processing.
    versions : dict of str to str
        Versions of the science environment.
    others : iterable of Observation
        The other rows that the log has for this night: MAGIC runs of theirs are not taken.

    Returns
    -------
    Plan
        With every element that can be planned. What could not be chosen is in its holds; the stages that need it are
        left out.
    """
    first = observations[0]
    chosen = choose(first.night, first.source, settings, production)
    return _Planner(observations, files, models, settings, production, chosen, tuple(others)).plan(versions)


class _Planner:
    """Collects elements, notices and holds of one plan."""

    def __init__(
        self,
        observations: Sequence[Observation],
        files: NightFiles,
        models: Models | None,
        settings: Settings,
        production: Production,
        chosen: Chosen,
        others: tuple[Observation, ...],
    ) -> None:
        self.night: Night = observations[0].night
        self.source = observations[0].source
        self.observations = observations
        self.files = files
        self.models = models
        self.settings = settings
        self.production = production
        self.chosen = chosen
        self.others = others
        self.root = settings.site.paths.output / production.name / self.source
        self.tree = NightTree(self.root, self.night, production.cuts)
        self.elements: list[Element] = []
        self.notices: list[Notice] = []
        self.holds: list[Hold] = list(chosen.holds)
        self.choices: list[Choice] = list(chosen.choices)

    def plan(self, versions: dict[str, str]) -> Plan:
        magic_runs = self._magic_runs()
        self._calibrate_and_merge(magic_runs)
        runs = self._coincide_to_stereo(magic_runs)
        self._check_models()
        if self._has_models():
            self._dl2_and_dl3(runs)
        self._qa()
        installed = versions.get("magic-cta-pipe")
        if installed != self.production.mcp_version:
            self.holds.append(
                Hold(
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
            choices=tuple(self.choices),
            notices=tuple(self.notices),
            holds=tuple(self.holds),
            runs=tuple(runs),
            elements=tuple(self.elements),
            config=self._config(),
            settings=self._step_settings(),
            versions=versions,
        )

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
        return {
            "source_ra_deg": position.ra_deg if position else None,
            "source_dec_deg": position.dec_deg if position else None,
            "completeness_min": self.settings.policy.completeness_min,
            "time_offset_us": self.chosen.time_offset_us,
            "qa": self.settings.qa.model_dump(mode="json"),
        }

    def _magic_runs(self) -> tuple[int, ...]:
        """Return the MAGIC runs of the source that have files of both telescopes."""
        wanted: set[int] = set()
        for one in self.observations:
            runs, notes = own_magic_runs(one, self.files, self.others)
            wanted |= set(runs)
            self.notices += [Notice("MAGIC runs", note) for note in notes]
        found = []
        for run in sorted(wanted):
            telescopes = [telescope for telescope in (1, 2) if self._subruns(telescope, run)]
            if len(telescopes) == 2:
                found.append(run)
            elif telescopes:
                self.notices.append(Notice(f"MAGIC run {run}", f"only files of M{telescopes[0]}: the run is not used"))
        if not found:
            folder = self.settings.site.paths.magic_calibrated / "M1/event/Calibrated" / self.night.magic_date
            first = min(one.magic_first_run for one in self.observations)
            last = max(one.magic_last_run for one in self.observations)
            self.holds.append(
                Hold(
                    "MAGIC", f"no calibrated files of runs {first}-{last} of both telescopes; looked for M1 in {folder}"
                )
            )
        for kept, ignored, reason in self.files.duplicates:
            self.notices.append(Notice(ignored.name, f"duplicate, not used: {reason}; kept {kept.name}"))
        for path, reason in self.files.odd:
            self.notices.append(Notice(path.name, f"not used: {reason}"))
        return tuple(found)

    def _subruns(self, telescope: int, run: int) -> tuple[MagicSubrun, ...]:
        return self.files.magic.get((telescope, run), ())

    def _calibrate_and_merge(self, magic_runs: tuple[int, ...]) -> None:
        merges = []
        for run in magic_runs:
            both = {telescope: self._subruns(telescope, run) for telescope in (1, 2)}
            expected = max(one.subrun for subruns in both.values() for one in subruns)
            for telescope, subruns in both.items():
                for number in gaps(subruns):
                    self._missing(f"MAGIC M{telescope} {run:08d}.{number:03d}", "subrun missing in the sequence")
                for place, subrun in enumerate(subruns):
                    self._add_calibrate(subrun, subruns[max(place - 1, 0) : place + 2])
                partner = {one.subrun for one in both[3 - telescope]}
                inputs = [self._product(self.tree.dl1_magic(telescope, run, one.subrun), "subrun") for one in subruns]
                inputs += [
                    self._product(self.tree.dl1_magic(3 - telescope, run, one), "partner") for one in sorted(partner)
                ]
                merges.append((telescope, run, inputs, expected))
        for telescope, run, inputs, expected in merges:
            self._add(
                Stage.MERGE, f"M{telescope}/{run:08d}", inputs, [self.tree.dl1_merged(telescope, run)],
                {"telescope": telescope, "run": run, "subruns_expected": expected},
            )  # fmt: skip

    def _add_calibrate(self, subrun: MagicSubrun, neighbours: Sequence[MagicSubrun]) -> None:
        # The drive reports of the neighbours let the pointing be interpolated up to the edges of the subrun.
        inputs = [_raw(subrun, "subrun"), *(_raw(one, "drive") for one in neighbours if one is not subrun)]
        self._add(
            Stage.CALIBRATE, f"M{subrun.telescope}/{subrun.run:08d}.{subrun.subrun:03d}", inputs,
            [self.tree.dl1_magic(subrun.telescope, subrun.run, subrun.subrun)],
        )  # fmt: skip

    def _coincide_to_stereo(self, magic_runs: tuple[int, ...]) -> list[Run]:
        runs, stereo, merged = [], [], []
        magic = [
            self._product(self.tree.dl1_merged(telescope, run), "magic") for run in magic_runs for telescope in (1, 2)
        ]
        for run in sorted({run for one in self.observations for run in one.lst_runs}):
            subruns = self.files.lst.get(run, ())
            if not subruns:
                folder = self._lst_folder()
                self.notices.append(Notice(f"LST-1 run {run:05d}", f"no DL1 file in {folder}: the run is lost"))
            missing = gaps(subruns)
            for number in missing:
                self._missing(f"LST-1 {run:05d}.{number:04d}", "subrun missing in the sequence")
            expected = len(subruns) + len(missing)
            runs.append(Run(run, magic_runs, expected, sum(len(self._subruns(1, one)) for one in magic_runs)))
            if not subruns or not magic_runs:
                continue
            for one in subruns:
                coincident, reconstructed = self.tree.coincident(run, one.subrun), self.tree.stereo(run, one.subrun)
                self._add(Stage.COINCIDE, f"{run:05d}.{one.subrun:04d}", [_raw(one, "lst"), *magic], [coincident])
                stereo.append((f"{run:05d}.{one.subrun:04d}", self._product(coincident), reconstructed))
            inputs = [self._product(self.tree.stereo(run, one.subrun)) for one in subruns]
            merged.append((run, inputs, expected))
        for name, coincidence, output in stereo:
            self._add(Stage.STEREO, name, [coincidence], [output])
        for run, inputs, expected in merged:
            self._add(
                Stage.MERGE_STEREO, f"{run:05d}", inputs, [self.tree.stereo_merged(run)],
                {"run": run, "subruns_expected": expected},
            )  # fmt: skip
        return runs

    def _lst_folder(self) -> Path:
        production = self.production
        return self.settings.site.paths.lst_dl1 / self.night.lst_date / production.lst_version / production.lst_tailcut

    def _missing(self, subject: str, reason: str) -> None:
        self.notices.append(Notice(subject, reason))

    def _check_models(self) -> None:
        if self.models is None:
            return
        lacking = lacking_models(self.models, self.production)
        self.holds += lacking
        subjects = {hold.subject for hold in lacking}
        if "forests" not in subjects:
            self.choices.append(Choice("forests", str(self.models.forests_folder), f"{len(self.models.forests)} files"))
        if "IRFs" not in subjects:
            low, high = self.models.zenith_range_deg
            method, count = self.production.mcp["dl2_to_dl3"]["interpolation_method"], len(self.models.irfs)
            self.choices.append(
                Choice("IRFs", str(self.models.irf_folder), f"{count} nodes, zenith {low:g}-{high:g} deg, {method}")
            )

    def _has_models(self) -> bool:
        held = {hold.subject for hold in self.holds}
        return self.models is not None and not held & {"forests", "IRFs", "source", "period"}

    def _dl2_and_dl3(self, runs: list[Run]) -> None:
        assert self.models is not None  # noqa: S101 - _has_models
        forests = [
            Input(str(file.path), None, file.size_bytes, file.modified_ns, "forest") for file in self.models.forests
        ]
        irfs = [
            Input(str(node.file.path), None, node.file.size_bytes, node.file.modified_ns, "irf")
            for node in self.models.irfs
        ]
        merged = [run.lst_run for run in runs if run.lst_subruns_expected and run.magic_runs]
        for run in merged:
            inputs = [self._product(self.tree.stereo_merged(run)), *forests]
            self._add(Stage.DL2, f"{run:05d}", inputs, [self.tree.dl2(run)])
        for run in merged:
            # The live time comes from all showers that LST-1 recorded; DL2 has those that MAGIC saw, too.
            lst = [_raw(subrun, "lst") for subrun in self.files.lst[run]]
            self._add(Stage.DL3, f"{run:05d}", [self._product(self.tree.dl2(run)), *irfs, *lst], [self.tree.dl3(run)])
        if merged:
            self._add(Stage.INDEX, "", [self._product(self.tree.dl3(run)) for run in merged], list(self.tree.index))

    def _qa(self) -> None:
        inputs = [self._product(Path(element.outputs[0])) for element in self.elements]
        notes = [f"{one.subject}: {one.reason}" for one in self.notices]
        notes += [f"{one.subject}: {one.reason}" for one in self.holds]
        self._add(Stage.QA, "", inputs, list(self.tree.qa), {"notes": notes})

    def _product(self, path: Path, role: str = "") -> Input:
        return Input(str(path), producer=str(path), role=role)

    def _add(
        self,
        stage: Stage,
        name: str,
        inputs: Sequence[Input],
        outputs: Sequence[Path],
        parameters: dict[str, Any] | None = None,
    ) -> None:
        self.elements.append(
            make_element(self.settings.resources[stage], stage, name, inputs, outputs, parameters or {})
        )


def make_element(
    resources: Resources,
    stage: Stage,
    name: str,
    inputs: Sequence[Input],
    outputs: Sequence[Path],
    parameters: dict[str, Any],
) -> Element:
    """Build one element with the resources of its stage."""
    return Element(
        id=f"{stage}/{name}" if name else str(stage),
        stage=stage,
        inputs=tuple(inputs),
        outputs=tuple(str(path) for path in outputs),
        parameters=parameters,
        memory_mb=round(float(resources.memory.to_value("MB"))),
        time_s=round(float(resources.time.to_value("s"))),
    )


def _raw(file: MagicSubrun | LstSubrun, role: str) -> Input:
    return Input(str(file.path), None, file.size_bytes, file.modified_ns, role)
