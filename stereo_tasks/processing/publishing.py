"""Publishing the DL3 of a night and source."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from stereo_tasks.catalog.decisions import FOLDER
from stereo_tasks.catalog.models import Overrule
from stereo_tasks.catalog.overrules import overruled_runs
from stereo_tasks.gadf.format import QUALITY, UNKNOWN_QUALITY
from stereo_tasks.gadf.judgement import Judgement
from stereo_tasks.nights import Night
from stereo_tasks.planning.element_state import ElementStates, is_made_like
from stereo_tasks.planning.plan import Element, Plan
from stereo_tasks.products import publication
from stereo_tasks.products.record import Record, read_record
from stereo_tasks.products.tree import NightTree
from stereo_tasks.provenance.crate import Described, crate_of
from stereo_tasks.settings import Settings, load_settings
from stereo_tasks.stages import State
from stereo_tasks.stages.night import DL3, INDEX, QA

_WHAT = {
    DL3.name: "DL3: events of one run with its IRFs",
    INDEX.name: "index of the DL3",
    QA.name: "QA page, or its numbers",
}


def publish(plan: Plan | str | Path, settings: Settings | None = None) -> Path | None:
    """Publish the DL3 of a night and source with their index and QA page.

    Parameters
    ----------
    plan : Plan, str or pathlib.Path
        The plan, or its file.
    settings : Settings, optional
        Loaded from the site if not given; they say who made what is published.

    Returns
    -------
    pathlib.Path or None
        The folder that users read; None if no run reached DL3.

    Raises
    ------
    PublicationError
        If index and files do not agree.
    DecisionError
        If the files of decisions cannot be read: they say which verdicts people overruled.
    """
    plan = plan if isinstance(plan, Plan) else Plan.load(plan)
    if plan.night is None:
        raise ValueError("Monte Carlo products are not published: they lie in autoMCP's tree")
    states = ElementStates(plan)
    index = [element for _, element in plan.of_stage(INDEX)]
    if not index or states.state(index[0]) != State.DONE:
        return None
    runs = [
        (element, record)
        for _, element in plan.of_stage(DL3)
        if (record := states.record(element)) and record.state == State.DONE
    ]
    dl3 = [Path(element.outputs[0]) for element, _ in runs]
    outputs = [Path(path) for path in index[0].outputs]
    pages = [record for _, element in plan.of_stage(QA) if (record := _page(plan, element))]
    made = [record for one in (*(run for run, _ in runs), index[0]) if (record := states.record(one))]
    settings = settings or load_settings()
    overruled = overruled_runs(settings.site.paths.output / FOLDER, plan.production, Night(plan.night), plan.source)
    return publication.publish(
        published_folder(plan),
        dl3,
        outputs,
        _story(plan, runs) | {"overruled": {str(run): _told(one) for run, one in overruled.items()}},
        judgements(_qa_data(plan), {run: one.level for run, one in overruled.items()}),
        others=[Path(mark.path) for page in pages for mark in page.outputs],
        describe=partial(_description, plan, [*made, *pages], settings),
    ).folder


def _page(plan: Plan, element: Element) -> Record | None:
    """Return the record of a QA page that tells of this plan, though comparisons may have come since; else None."""
    record = read_record(element.record_path)
    return record if record and record.state == State.DONE and is_made_like(record, plan, element) else None


def _told(overruled: Overrule) -> dict[str, str]:
    """Return what readers of a publication are told of an overrule; not by whom."""
    return {name: getattr(overruled, name) for name in ("level", "verdict", "reason")}


def _description(plan: Plan, records: Sequence[Record], settings: Settings, folder: Path) -> dict[str, Any]:
    files = [
        Described(folder / Path(mark.path).name, _WHAT[record.stage], record.ended_utc)
        for record in records
        for mark in record.outputs
    ]
    now = dt.datetime.now(dt.UTC)
    return crate_of(plan, files, _software(records), qa_verdict(plan), settings.site.citation, now)


def _software(records: Iterable[Record]) -> dict[str, str]:
    versions: dict[str, set[str]] = {}
    for record in records:
        for name, version in record.versions.items():
            versions.setdefault(name, set()).add(version)
    return {name: ", ".join(sorted(known)) for name, known in versions.items()}


def _story(plan: Plan, runs: Sequence[tuple[Element, Record]]) -> dict[str, Any]:
    return {
        "plan": str(plan.path),
        "production": plan.production,
        "night": plan.night,
        "source": plan.source,
        "versions": plan.versions,
        "software": _software(record for _, record in runs),
        "choices": {choice.name: choice.value for choice in plan.choices},
        "runs": {element.id: {"fingerprint": record.fingerprint, "counts": record.counts} for element, record in runs},
        "qa": qa_verdict(plan),
    }


def published_folder(plan: Plan) -> Path:
    """Return the folder that users read the DL3 of a night and source from."""
    if plan.night is None:
        raise ValueError("Monte Carlo products are not published: they lie in autoMCP's tree")
    cuts = next(choice.value for choice in plan.choices if choice.name == "cuts")
    return NightTree(Path(plan.root), Night(plan.night), cuts).published


def qa_verdict(plan: Plan) -> str:
    """Return the level of the QA page's verdict (good, warning, bad), or an empty text if there is none."""
    return str(_qa_data(plan).get("verdict", {}).get("level", ""))


def judgements(qa: Mapping[str, Any], overruled: Mapping[int, str] | None = None) -> dict[int, Judgement]:
    """Return what is said of each LST-1 run: its level by a person, else by the numbers behind the QA page."""
    said = {run: Judgement(QUALITY[level]) for run, level in (overruled or {}).items()}
    for run in qa.get("runs", ()):
        number, lost = int(run["lst_run"]), {**run["metrics"], **run}.get("lost_time_s")
        said[number] = Judgement(
            said[number].quality if number in said else QUALITY.get(run["level"], UNKNOWN_QUALITY),
            math.nan if lost is None else float(lost),
            str(run.get("lost_cause", "")),
        )
    return said


def _qa_data(plan: Plan) -> dict[str, Any]:
    pages = plan.of_stage(QA)
    try:
        data: dict[str, Any] = json.loads(Path(pages[0][1].outputs[1]).read_text()) if pages else {}
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return data
