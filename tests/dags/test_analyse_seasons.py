"""The DAG of analyses, run: of the sources that were published, or of the one that a person asks for."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest

pytestmark = [pytest.mark.usefixtures("airflow_database"), pytest.mark.slow]
sys.path.insert(0, str(Path(__file__).parents[1] / "analysis"))
SOURCE = "Mrk421"


@pytest.fixture
def analyse(run_dag, local_site, tmp_path):
    """Run the DAG on a site with one published night; gives the state of the run, and those of its tasks."""
    from simulated_dl3 import write_folder

    published = tmp_path / "products" / "mcp062" / SOURCE / "DL3" / "g_dyn_0.9_th_glo_0.2" / "published"
    folder = published / ".versions" / "20240110.a"
    folder.mkdir(parents=True)
    write_folder(folder, runs=1, kind="fixed")
    (published / "20240110").symlink_to(folder)
    return partial(run_dag, "analyse_seasons")


def test_a_source_is_analysed_once_and_then_up_to_date(analyse, tmp_path):
    from sqlalchemy import select

    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.catalog.models import ElementRecord
    from stereo_tasks.settings import load_settings

    state, tasks = analyse(first="2024-01-01")
    assert (state, tasks["plan"]) == ("failed", "failed")  # of which source?
    state, tasks = analyse(source=SOURCE)
    assert (state, tasks["completion"], tasks["season.season_analysis"]) == ("success", "success", "success")
    folder = tmp_path / "products" / "mcp062" / SOURCE / "Season" / "all"
    assert (folder / "season.html").read_text().endswith("</html>\n")
    with Catalog.of_site(load_settings()).transaction() as session:
        (row,) = session.scalars(select(ElementRecord).where(ElementRecord.stage == "season_analysis"))
        assert (row.state, row.source, row.night) == ("done", SOURCE, None)
        assert row.counts["observations"] == 1
    state, tasks = analyse(source=SOURCE)
    assert (state, tasks["completion"]) == ("success", "skipped")
