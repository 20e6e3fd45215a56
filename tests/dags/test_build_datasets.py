"""The DAG of data sets, run: of the sources that were published, or of the one that a person asks for."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest

pytestmark = [pytest.mark.usefixtures("airflow_database"), pytest.mark.slow]
sys.path.insert(0, str(Path(__file__).parents[1] / "datasets"))
SOURCE = "CrabNebula"


@pytest.fixture
def build(run_dag, local_site, tmp_path):
    """Run the DAG on a site with one published night; gives the state of the run, and those of its tasks."""
    from dl2_tables import make_dl2, publish_night

    from stereo_tasks.steps.offline import keep_astropy_offline

    keep_astropy_offline()
    publish_night(tmp_path / "products" / "mcp062" / SOURCE, "2024-01-10", {1622: make_dl2(events=60)})
    return partial(run_dag, "build_datasets")


def test_a_set_is_made_once_and_then_up_to_date(build, tmp_path):
    state, tasks = build()
    assert (state, tasks["completion"]) == ("success", "skipped")  # nothing was published, as far as events tell
    state, tasks = build(source=SOURCE)
    assert (state, tasks["completion"], tasks["dataset.dataset_season"]) == ("success", "success", "success")
    folder = tmp_path / "products" / "mcp062" / SOURCE / "datasets" / "all"
    assert len(list(folder.rglob("dl2_*.h5"))) == 17
    state, tasks = build(source=SOURCE)
    assert (state, tasks["completion"]) == ("success", "skipped")


def test_a_range_without_a_source_is_refused(build):
    state, tasks = build(first="2024-01-01")
    assert (state, tasks["plan"], tasks["completion"]) == ("failed", "failed", "failed")


def test_the_sources_are_those_of_the_last_days(build):
    import datetime as dt

    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        asset = session.scalar(select(AssetModel).where(AssetModel.name == "stereo_dl3"))
        for days, source in ((1, SOURCE), (30, "Mrk421")):
            when = dt.datetime.now(dt.UTC) - dt.timedelta(days=days)
            extra = {"source": source, "production": "mcp062"}
            session.add(AssetEvent(asset_id=asset.id, extra=extra, timestamp=when))
    state, tasks = build()
    assert (state, tasks["completion"]) == ("success", "success")
