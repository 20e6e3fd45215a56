"""Which data sets there are, by their last plans and the records of their files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stereo_tasks.planning.element_state import TO_DO, ElementStates
from stereo_tasks.planning.plan import Plan
from stereo_tasks.products.dataset_tree import FOLDER
from stereo_tasks.settings import Settings, load_settings
from stereo_tasks.stages.datasets import SEASON


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A season file of a set."""

    production: str
    source: str
    set: str
    file: str
    """Its path."""
    state: str
    nights: int
    rows: int
    size_bytes: int
    made_utc: str


def listed_files(
    *, production: str | None = None, source: str | None = None, settings: Settings | None = None
) -> list[ListedFile]:
    """Return the season files of all sets, as the last plan of each set has them.

    Parameters
    ----------
    production : str, optional
        Name of the production; the site's default if not given.
    source : str, optional
        Only of this source.
    settings : Settings, optional
        Loaded from the site if not given.
    """
    settings = settings or load_settings()
    root = settings.site.paths.output / settings.production(production).name
    sets: dict[Path, Path] = {}
    for path in sorted(root.glob(f"{source or '*'}/{FOLDER}/*/plans/{FOLDER}/plan_*.json"), key=_used):
        sets[path.parent] = path
    return [file for _, path in sorted(sets.items()) for file in _files(Plan.load(path))]


def _used(path: Path) -> int:
    return path.stat().st_mtime_ns


def _files(plan: Plan) -> list[ListedFile]:
    states = ElementStates(plan)
    files = []
    for _, element in plan.of_stage(SEASON):
        record = states.record(element)
        counts = record.counts if record else {}
        nights, rows, size_bytes = (int(counts.get(name, 0)) for name in ("nights", "rows", "size_bytes"))
        state = record.state.value if record else TO_DO
        made_utc = record.ended_utc if record else ""
        name = plan.name.rpartition("/")[2]
        files.append(
            ListedFile(
                plan.production, plan.source, name, element.outputs[0], state, nights, rows, size_bytes, made_utc
            )
        )
    return files
