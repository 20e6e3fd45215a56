"""Publishing the DL3 of a night and source."""

from __future__ import annotations

import datetime as dt
import json
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from stereo_tasks.catalog import decisions
from stereo_tasks.catalog.withdrawals import withdrawn_runs
from stereo_tasks.gadf.format import QUALITY, UNKNOWN_QUALITY
from stereo_tasks.gadf.judgement import Judgement
from stereo_tasks.nights import Night
from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.planning.plan import Element, Plan
from stereo_tasks.products import publication, versions
from stereo_tasks.products.record import Record
from stereo_tasks.products.season_publication import publish_season
from stereo_tasks.products.tree import NightTree
from stereo_tasks.provenance.crate import Described, crate_of
from stereo_tasks.settings import Settings, load_settings
from stereo_tasks.stages import State
from stereo_tasks.stages.night import DL3, INDEX, QA

_log = logging.getLogger(__name__)
_WHAT = {
    DL3.name: "DL3: events of one run with its IRFs",
    INDEX.name: "index of the DL3",
    QA.name: "QA page, or its numbers",
}


def publish(plan: Plan | str | Path, settings: Settings | None = None) -> Path | None:
    """Publish the DL3 of a night and source with their index and QA page, and renew the season of the source.

    What people withdrew is left out, and what they rolled back stays so.

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
    pages = [element for _, element in plan.of_stage(QA) if states.state(element) == State.DONE]
    records = [record for one in (*(run for run, _ in runs), index[0], *pages) if (record := states.record(one))]
    settings, link = settings or load_settings(), published_folder(plan)
    with versions.locked(link.parent):
        # Asked within the lock: who withdraws meanwhile waits for it, and takes out what this publishes.
        withdrawn = withdrawn_runs(settings.site.paths.output / decisions.FOLDER, plan.production, plan.source)
        published = publication.publish(
            link,
            dl3,
            outputs,
            _story(plan, runs),
            judgements(_qa_data(plan)),
            others=[Path(path) for page in pages for path in page.outputs],
            describe=partial(_description, plan, records, settings),
            withdrawn=withdrawn.get(Night(plan.night)),
        )
        publish_season(link.parent, retention(settings))
    if note := published.rolled_back:
        _log.warning(
            "%s stays as it is: this version was rolled back by %s (%s); `stereo rollback --to` brings it back",
            link, note.by, note.reason,
        )  # fmt: skip
    return link


def retention(settings: Settings) -> versions.Retention:
    """Return which versions of what is published stay."""
    return versions.Retention(settings.policy.published_versions_min, settings.policy.published_version_days)


def summary(plan: Plan | str | Path) -> dict[str, Any]:
    """Return what those who follow publications want to know of one: the numbers of the version that users read.

    Returns
    -------
    dict of str to Any
        ``night``, ``version``, ``folder`` (which never changes), ``season`` (the link), ``runs``, ``events``,
        ``significance_sigma`` (None if there is none), ``qa``, ``cpu_h`` of all elements of the night and source.
    """
    plan = plan if isinstance(plan, Plan) else Plan.load(plan)
    states, link = ElementStates(plan), published_folder(plan)
    records = [record for element in plan.elements if (record := states.record(element))]
    folder = versions.current(link)
    story = json.loads((folder / versions.MANIFEST).read_text()) if folder else {}
    runs = story.get("runs", {})
    significance = [one.counts.get("significance_sigma") for one in records if one.stage == QA.name]
    return {
        "night": plan.night,
        "version": versions.version_name(folder) if folder else "",
        "folder": str(folder or ""),
        "season": str(link.parent / versions.SEASON),
        "runs": len(runs),
        "events": int(sum(run["counts"].get("events_out", 0) for run in runs.values())),
        "significance_sigma": next((one for one in significance if one is not None and math.isfinite(one)), None),
        "qa": story.get("qa", ""),
        "cpu_h": round(sum(record.cpu_s for record in records) / 3600, 3),
    }


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


def judgements(qa: Mapping[str, Any]) -> dict[int, Judgement]:
    """Return what the numbers behind a QA page say of each LST-1 run."""
    return {
        int(run["lst_run"]): Judgement(
            QUALITY.get(run["level"], UNKNOWN_QUALITY),
            math.nan if (lost := run["metrics"].get("lost_time_s")) is None else float(lost),
            str(run.get("lost_cause", "")),
        )
        for run in qa.get("runs", ())
    }


def _qa_data(plan: Plan) -> dict[str, Any]:
    pages = plan.of_stage(QA)
    try:
        data: dict[str, Any] = json.loads(Path(pages[0][1].outputs[1]).read_text()) if pages else {}
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return data
