"""Processing a night again: its form with the cost, and a run of `request_nights` in the name of who asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from airflow.api.common.trigger_dag import trigger_dag
from airflow.sdk.exceptions import AirflowException
from airflow.utils.types import DagRunTriggeredByType

from stereo_portal.forms import REASON, Field, Form
from stereo_portal.paused import paused_dags
from stereo_tasks.errors import StereoError

if TYPE_CHECKING:
    from stereo_portal.decisions import Case

_DAG = "request_nights"
_FORCE = "all"


class NotAskedError(StereoError):
    """Airflow does not take the request; the text says why."""


def reprocess_form(case: Case) -> Form:
    """Return the form, with what it would cost."""
    from stereo_tasks.catalog.observations import sources_of
    from stereo_tasks.processing.reprocessing import night_cost
    from stereo_tasks.stages import night_stages

    cost, unknown = None, ""
    try:
        cost = night_cost(case.catalog, case.night, case.production, case.settings)
    except (StereoError, OSError) as error:
        unknown = f"What it would cost is not known: {error}"
    extents = {"": "what is not valid", _FORCE: "everything"}
    extents |= {stage.name: f"all from {stage.name.replace('_', ' ')} on" for stage in night_stages()}
    paused = [name for name in paused_dags() if name in (_DAG, "process_night")]
    return Form(
        f"Process the night of {case.night} again",
        (
            "A run of request_nights asks for it in your name. What is published stays until the new products are.",
            *(f"{name} is paused: it waits until somebody switches it on in Airflow." for name in paused),
            *((unknown,) if unknown else ()),
        ),
        (
            Field("source", "source", {"": "all"} | {one: one for one in sources_of(case.catalog, case.night)}),
            Field("extent", "what", extents),
            REASON,
        ),
        "Process again",
        cost,
    )


def reprocess(case: Case, values: Mapping[str, str]) -> Iterable[str]:
    """Ask for the night, as `stereo backfill` does.

    Raises
    ------
    NotAskedError
        If Airflow does not know the DAG yet, or refuses.
    """
    source, extent = values["source"], values["extent"]
    conf = {
        "night": str(case.night), "production": case.production, "sources": [source] if source else [],
        "force": extent == _FORCE, "from_stage": "" if extent == _FORCE else extent, "why": values["reason"].strip(),
        "dry_run": False,
    }  # fmt: skip
    try:
        run = trigger_dag(
            _DAG, triggered_by=DagRunTriggeredByType.UI, triggering_user_name=case.by, conf=conf,
            note=f"Night {case.night}: {values['reason'].strip()}",
        )  # fmt: skip
    except (AirflowException, ValueError) as error:
        raise NotAskedError(f"Airflow does not take the request: {error}") from None
    if run is None:
        raise NotAskedError("Airflow does not take the request: see its log")
    of = source or "all sources"
    yield f"the night of {case.night} was asked for again, {of}: run {run.run_id} of {_DAG}"
    yield "the answer stands under Requests and dispatches within a minute"
