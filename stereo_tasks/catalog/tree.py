"""The output tree as rows of the catalog: plans, records, products, QA, publications. Reads files, writes nothing."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from stereo_tasks.catalog.values import plain
from stereo_tasks.nights import Night
from stereo_tasks.planning.plan import Element, Plan
from stereo_tasks.products.record import Record
from stereo_tasks.products.tree import NightTree
from stereo_tasks.products.versions import MANIFEST

_log = logging.getLogger(__name__)
_EPOCH = dt.datetime.fromtimestamp(0, tz=dt.UTC)
Row = dict[str, Any]


def evening(plan: Plan) -> dt.date | None:
    """Return the night of a plan; None for Monte Carlo and data sets."""
    return Night(plan.night).evening if plan.night else None


def plan_values(plan: Plan, path: str, ingested: Any) -> Row:
    """Return the row of a plan that lies at `path` and was read in at a time."""
    # A list: JSONB would not keep the order of the stages.
    stages = {"order": [[stage.name, len(plan.of_stage(stage))] for stage in plan.stages]}
    return {
        "path": path, "digest": Path(path).stem.removeprefix("plan_"), "production": plan.production,
        "name": plan.name, "night": evening(plan), "source": plan.source, "stages": stages,
        "holds": [plain({"subject": one.subject, "reason": one.reason}) for one in plan.blockers],
        "ingested_utc": ingested,
    }  # fmt: skip


def record_values(plan: Plan, path: str, element: Element, record: Record) -> Row:
    """Return the row of a record under the plan that lies at `path`."""
    return {
        "record_path": plain(element.record_path), "plan_path": path, "production": plan.production,
        "night": evening(plan), "source": plan.source, "element": element.id, "stage": element.stage.name,
        "state": record.state.value, "reason": plain(record.reason), "fingerprint": record.fingerprint,
        "lost": plain(record.lost), "counts": plain(record.counts),
        "versions": plain(record.versions), "host": plain(record.host), "job": plain(record.job),
        "attempt": record.attempt, "started_utc": record.started_utc, "ended_utc": record.ended_utc,
        "elapsed_s": record.elapsed_s, "cpu_s": record.cpu_s, "peak_memory_mb": record.peak_memory_mb,
        "log": plain(record.log),
    }  # fmt: skip


def product_values(row: Row, record: Record) -> Iterator[Row]:
    """Yield the rows of the files that an element made, from the row of its record."""
    common = {name: row[name] for name in ("record_path", "production", "night", "source", "stage")}
    for mark in record.outputs:
        yield common | {
            "path": plain(mark.path), "size_bytes": mark.size_bytes, "checksum": mark.sha256 or ""
        }  # fmt: skip


def qa_values(root: Path, production: str, night: Night, source: str) -> Row | None:
    """Return the verdict of the QA page of a night and source; None if there is none that can be read."""
    page, numbers = NightTree(root, night, "").qa
    try:
        content = json.loads(numbers.read_text())
        verdict = content["verdict"]
        return {
            "production": production, "night": night.evening, "source": source, "verdict": plain(verdict["level"]),
            "reason": plain(verdict["reason"]), "metrics": plain(dict(content["metrics"])),
            "runs": {str(run["lst_run"]): plain(run["level"]) for run in content["runs"]}, "page": plain(page),
        }  # fmt: skip
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError) as error:
        _log.warning("%s is left out: %s %s", numbers, type(error).__name__, error)
        return None


def publication_values(root: Path, production: str, night: Night, source: str) -> list[Row]:
    """Return what users can read of a night and source now, one row for each set of cuts."""
    rows = []
    for link in sorted(root.glob(f"DL3/*/published/{night.lst_date}")):
        try:
            folder = link.parent / link.readlink()
            story = json.loads((folder / MANIFEST).read_text())
            rows.append({
                "production": production, "night": night.evening, "source": source,
                "cuts": link.parent.parent.name, "path": plain(folder), "plan": plain(story["plan"]),
                "verdict": plain(story.get("qa", "")), "published_utc": moment(link.lstat().st_mtime_ns),
            })  # fmt: skip
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("%s is left out: %s %s", link, type(error).__name__, error)
    return rows


def moment(ns: int) -> dt.datetime:
    """Return a time of the file system, in whole microseconds as the database keeps them."""
    return _EPOCH + dt.timedelta(microseconds=ns // 1000)


def plan_files(output: Path) -> list[list[Path]]:
    """Return all plans below an output tree: a list for each folder, in the order in which they were used last.

    Plans of different folders have nothing in common: a folder is a night and source, Monte Carlo, or a set of data.
    """
    folders: dict[Path, list[tuple[int, Path]]] = {}
    below = ("*/*", "*/mc/*/*/*/*", "*/*/datasets/*")
    for pattern in (f"{folder}/plans/*/plan_*.json" for folder in below):
        for path in output.glob(pattern):
            folders.setdefault(path.parent, []).append((path.stat().st_mtime_ns, path))
    return [[path for _, path in sorted(found)] for _, found in sorted(folders.items())]


def load_plans(paths: Sequence[Path]) -> list[tuple[str, Plan, dt.datetime]]:
    """Read plans: path, plan and time of the last use. One that cannot be read is left out with a warning."""
    plans = []
    for path in paths:
        try:
            plan = Plan.load(path)
            # The place that the plan itself names: records and jobs know it by that, even if the tree was moved.
            known = Path(plan.root, "plans", path.parent.name, path.name)
            plans.append((plain(str(known)), plan, moment(path.stat().st_mtime_ns)))
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("%s is left out: %s", path, error)
    return plans
