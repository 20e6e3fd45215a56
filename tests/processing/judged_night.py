"""A night of a source at its end, with DL3, index and QA page that can be published and read into the catalog."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "gadf"))  # for dl3_folder

from dl3_folder import write_folder

from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.records import ingest
from stereo_tasks.nights import Night
from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.planning.elements import product
from stereo_tasks.planning.fingerprint import configuration_hash
from stereo_tasks.planning.plan import Choice, Element, Plan
from stereo_tasks.processing.publishing import publish
from stereo_tasks.products.record import FileMark, Record
from stereo_tasks.products.tree import NightTree
from stereo_tasks.settings import load_settings
from stereo_tasks.stages import Stage, State
from stereo_tasks.stages.night import COMPARE, DL3, INDEX, QA

PRODUCTION, SOURCE, CUTS = "mcp062", "CrabNebula", "g_dyn_0.9"


class JudgedNight:
    """Of the site below a folder."""

    def __init__(self, root: Path, night: Night, levels: dict[int, str], source: str = SOURCE) -> None:
        self.settings = load_settings(root)
        self.night = night
        self.tree = NightTree(self.settings.site.paths.output / PRODUCTION / source, night, CUTS)
        write_folder(self.tree.dl3_folder, levels)
        self.plan = self._plan(source, levels)
        self.plan.save()
        self._note(*(element for element in self.plan.elements if element.stage in (DL3, INDEX)))
        self.judge(levels)

    def _plan(self, source: str, runs: dict[int, str]) -> Plan:
        def element(stage: Stage, name: str, *outputs: Path) -> Element:
            return Element(f"{stage.name}{name}", stage, (), tuple(map(str, outputs)))

        elements = [element(DL3, f"/{run:05d}", self.tree.dl3(run)) for run in runs]
        compared = element(COMPARE, "/dl3", self.tree.comparison("dl3"))
        page = replace(element(QA, "", *self.tree.qa), inputs=(product(compared.outputs[0]),))
        elements += [element(INDEX, "", *self.tree.index), compared, page]
        return Plan(
            production=PRODUCTION, name=f"{self.night.lst_date}/{source}", source=source, night=str(self.night),
            root=str(self.tree.root), choices=(Choice("cuts", CUTS, ""),), notices=(), blockers=(), runs=(),
            elements=tuple(elements), config={}, settings={}, versions={"magic-cta-pipe": "0.6.2"},
        )  # fmt: skip

    def _note(self, *elements: Element) -> None:
        for element in elements:
            marks = [(path, Path(path).stat()) for path in element.outputs]
            Record(
                element=element.id, stage=element.stage.name, state=State.DONE, reason="", plan=str(self.plan.path),
                fingerprint=ElementStates(self.plan).fingerprint(element, {}),
                outputs=tuple(FileMark(path, mark.st_size, mark.st_mtime_ns) for path, mark in marks),
                configuration=configuration_hash(self.plan, element.stage, element), revision=element.stage.revision,
                versions=dict(self.plan.versions), ended_utc="2026-11-26T03:00:00+00:00",
            ).save(element.record_path)  # fmt: skip

    def judge(self, levels: dict[int, str]) -> None:
        """Let QA say this of the runs."""
        page, numbers = self.tree.qa
        numbers.parent.mkdir(parents=True, exist_ok=True)
        page.write_text("<html></html>")
        runs = [
            {
                "lst_run": run, "level": level, "metrics": {"zenith_deg": 24.0, "live_time_s": 95.0},
                "verdicts": [{"metric": "rate", "level": level, "reason": "" if level == "good" else "rate is low"}],
            }
            for run, level in levels.items()
        ]  # fmt: skip
        numbers.write_text(
            json.dumps({"verdict": {"level": "warning", "reason": "r"}, "metrics": {}, "plan": "p", "runs": runs})
        )
        self._note(*(element for _, element in self.plan.of_stage(QA)))

    def compare(self) -> None:
        """Compare the products with those of magic-cta-pipe, as happens after the publication."""
        path = self.tree.comparison("dl3")
        path.parent.mkdir(parents=True)
        path.write_text("{}")
        self._note(*(element for _, element in self.plan.of_stage(COMPARE)))

    def publish(self, catalog: Catalog) -> Path:
        """Do what `process_night` does at its end."""
        folder = publish(self.plan, self.settings)
        assert folder is not None
        ingest(catalog, self.plan)
        return folder

    def quality(self) -> dict[int, int]:
        """``QUALITY`` of each observation, as users read it."""
        from astropy.table import Table

        table = Table.read(self.tree.published / "obs-index.fits.gz")
        return {int(row["OBS_ID"]): int(row["QUALITY"]) for row in table}
