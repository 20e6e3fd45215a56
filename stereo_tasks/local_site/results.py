"""What a night has come to, read from its plans and records: progress, published folders, where the time went."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from stereo_tasks.planning.element_state import TO_DO, ElementStates
from stereo_tasks.planning.plan import Plan
from stereo_tasks.processing.publishing import published_folder
from stereo_tasks.products.record import read_record
from stereo_tasks.stages import chains_of
from stereo_tasks.stages.night import QA

if TYPE_CHECKING:
    from stereo_tasks.nights import Night
    from stereo_tasks.settings import Settings


@dataclass(slots=True)
class PlanShelf:
    """The newest plans below a production's output; each file is read once.

    Parameters
    ----------
    output : pathlib.Path
        ``{output}/{production}``.
    key : str
        LST date of the night, or ``mc``.
    """

    output: Path
    key: str
    _read: dict[Path, Plan] = field(default_factory=dict)

    @classmethod
    def of_night(cls, settings: Settings, night: Night) -> PlanShelf:
        """Return the plans of a night in the site's default production."""
        return cls(settings.site.paths.output / settings.production().name, night.lst_date)

    @classmethod
    def of_monte_carlo(cls, settings: Settings) -> PlanShelf:
        """Return the Monte Carlo plans of the site's default production."""
        return cls(settings.site.paths.output / settings.production().name, "mc")

    def newest(self) -> dict[str, Plan]:
        """Return the newest plan of each source (or set of models), by its name in the DAG."""
        # Monte Carlo plans lie below mc/{period}/NSB{nsb}/v{version}/{declination}, those of nights below the source.
        below = "mc/*/*/*/*" if self.key == "mc" else "*"
        paths = sorted(self.output.glob(f"{below}/plans/{self.key}/plan_*.json"), key=lambda path: path.stat().st_mtime)
        plans = {}
        for path in paths:
            if path not in self._read:
                self._read[path] = Plan.load(path)
            plan = self._read[path]
            plans[plan.name if self.key == "mc" else plan.source] = plan
        return plans

    def counts(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Return how many elements have come to an end, and how many there are, by (name, chain)."""
        counts = {}
        for name, plan in self.newest().items():
            summary = ElementStates(plan).summary()
            for chain in chains_of(plan.stages):
                states = sum((Counter(summary[stage.name]) for stage in chain.stages), Counter[str]())
                counts[name, chain.name] = states.total() - states[TO_DO], states.total()
        return counts


@dataclass(frozen=True, slots=True)
class StageTime:
    """What the elements of a stage cost together."""

    elements: int
    elapsed_s: float
    cpu_s: float
    peak_memory_mb: float


def stage_times(plans: Iterable[Plan], since: dt.datetime) -> dict[str, StageTime]:
    """Sum up the records of plans by stage, of elements that were worked on since a moment."""
    total: dict[str, StageTime] = {}
    for plan in plans:
        for element in plan.elements:
            record = read_record(element.record_path)
            if record is None or not record.ended_utc or _moment(record.ended_utc) < since:
                continue
            before = total.get(str(element.stage), StageTime(0, 0.0, 0.0, 0.0))
            total[str(element.stage)] = StageTime(
                before.elements + 1,
                before.elapsed_s + record.elapsed_s,
                before.cpu_s + record.cpu_s,
                max(before.peak_memory_mb, record.peak_memory_mb),
            )
    return total


def published(plans: Iterable[Plan]) -> list[Path]:
    """Return the folders with published DL3 and index."""
    folders = []
    for plan in plans:
        with suppress(StopIteration):  # a plan that is held may lack the choice of cuts
            folders.append(published_folder(plan))
    return [folder for folder in folders if folder.exists()]


def qa_pages(plans: Iterable[Plan]) -> list[Path]:
    """Return the QA pages that were written."""
    pages = [Path(element.outputs[0]) for plan in plans for _, element in plan.of_stage(QA)]
    return [page for page in pages if page.exists()]


def _moment(text: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
