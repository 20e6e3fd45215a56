"""A site whose nights have reached DL3: small files, and the records that let them be published."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from stereo_tasks.nights import Night
from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.planning.elements import product
from stereo_tasks.planning.plan import Choice, Element, Plan
from stereo_tasks.processing.publishing import publish
from stereo_tasks.products.record import FileMark, Record
from stereo_tasks.products.tree import NightTree
from stereo_tasks.settings import Settings, load_settings
from stereo_tasks.stages import State
from stereo_tasks.stages.night import DL3, INDEX, QA

sys.path.insert(0, str(Path(__file__).parents[1] / "gadf"))  # for dl3_folder

from dl3_folder import write_folder

SOURCE, CUTS = "CrabNebula", "g_dyn_0.9_th_glo_0.2"


@dataclass
class PublishedSite:
    """Nights of one source."""

    site: Path
    """Folder of the site."""

    @property
    def settings(self) -> Settings:
        return load_settings(self.site)

    @property
    def root(self) -> Path:
        settings = self.settings
        return settings.site.paths.output / settings.production().name / SOURCE

    @property
    def published(self) -> Path:
        return self.root / "DL3" / CUTS / "published"

    def link(self, night: str) -> Path:
        return self.published / Night(night).lst_date

    def make(self, night: str, runs: list[int], events: int = 20, level: str = "good") -> Plan:
        """Write the DL3 of a night, with so many events in each run; gives its plan."""
        tree = NightTree(self.root, Night(night), CUTS)
        for record in tree.dl3_folder.glob("*.record.json"):
            record.unlink()
        write_folder(tree.dl3_folder, runs, events)
        dl3 = [Element(f"dl3/{run:05d}", DL3, (), (str(tree.dl3(run)),)) for run in runs]
        made = [product(one.outputs[0]) for one in dl3]
        index = Element("index", INDEX, tuple(made), tuple(map(str, tree.index)))
        qa = Element("qa", QA, tuple(made), tuple(map(str, tree.qa)))
        tree.qa[0].parent.mkdir(parents=True, exist_ok=True)
        tree.qa[0].write_text("<html></html>")
        judged = [{"lst_run": run, "level": level, "metrics": {"lost_time_s": 1.0}} for run in runs]
        tree.qa[1].write_text(json.dumps({"verdict": {"level": level}, "runs": judged}))
        plan = Plan(
            production=self.settings.production().name, name=f"{tree.night.lst_date}/{SOURCE}", source=SOURCE,
            night=str(tree.night), root=str(self.root), choices=(Choice("cuts", CUTS, ""),), notices=(), blockers=(),
            runs=(), elements=(*dl3, index, qa), config={}, settings={}, versions={},
        )  # fmt: skip
        plan.save()
        for element in plan.elements:
            counts = {"events_out": events} if element.stage is DL3 else {}
            counts = {"significance_sigma": 12.5} if element.stage is QA else counts
            self.record(plan, element, counts)
        return plan

    def record(self, plan: Plan, element: Element, counts: dict[str, float]) -> None:
        marks = [FileMark(path, (status := Path(path).stat()).st_size, status.st_mtime_ns) for path in element.outputs]
        Record(
            element=element.id, stage=element.stage.name, state=State.DONE, reason="", plan=str(plan.path),
            fingerprint=ElementStates(plan).fingerprint(element, counts), outputs=tuple(marks), counts=counts,
            cpu_s=1800.0, ended_utc="2026-11-26T04:00:00+00:00",
        ).save(element.record_path)  # fmt: skip

    def publish(self, night: str, runs: list[int], events: int = 20, level: str = "good") -> Path:
        """Make a night and publish it; gives the folder of its version."""
        link = publish(self.make(night, runs, events, level), self.settings)
        assert link is not None
        return link.resolve()
