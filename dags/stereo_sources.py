"""Which sources a run of a DAG looks at; shared by the DAGs that follow published nights."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowFailException

LOOK_BACK = dt.timedelta(days=7)
"""A source is looked at for so long after a night of it was published: what failed is tried again the next day."""

PARAMS = {
    "source": Param(None, type=["null", "string"], description="Only this source; empty: those of the last days"),
    "first": Param(None, type=["null", "string"], format="date", description="Evening of the first night"),
    "last": Param(None, type=["null", "string"], format="date", description="Evening of the last night"),
    "production": Param(None, type=["null", "string"], description="Name of the production; empty: the default"),
}


def wanted_sources(params: Mapping[str, Any], published: Any) -> Iterable[tuple[str | None, str]]:
    """Return production and source of what is to be looked at: what a person asked for, or what was published.

    Parameters
    ----------
    params : mapping
        Values of `PARAMS`.
    published : accessor of asset events
        Of the asset of published DL3.
    """
    if params["source"]:
        return [(params["production"], params["source"])]
    if params["first"] or params["last"]:
        raise AirflowFailException("a range of nights of which source? Give the parameter source, too")
    since = dt.datetime.now(dt.UTC) - LOOK_BACK
    extras = [event.extra for event in published.after(since.isoformat())]
    return sorted({(extra.get("production") or "", extra["source"]) for extra in extras if extra})
