"""The DAG of forests and IRFs, run on Monte Carlo that cannot be read."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.usefixtures("airflow_database"), pytest.mark.slow]
KEY = "ST0320A/NSB1.5/v01/dec_2276"


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """A site with a catalog, and Monte Carlo of one period, NSB level and declination line."""
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.catalog.schema import migrate
    from stereo_tasks.local_site.database import database_url, running_database
    from stereo_tasks.settings import load_settings

    monkeypatch.setenv("STEREO_SITE", str(tmp_path))
    monkeypatch.setenv("STEREO_CLUSTER", "local")
    settings = load_settings()
    for sample in ("GammaTrain", "ProtonTrain", "GammaTest"):
        folder = settings.site.paths.monte_carlo / KEY / sample
        folder.mkdir(parents=True)
        (folder / "dl1_gamma_zd_10.0_az_100.0_run1.h5").write_text("no HDF5")
    with running_database(settings):
        url = database_url(settings, "catalog")
        monkeypatch.setenv("STEREO_CATALOG_URL", url)
        migrate(Catalog(url))
        yield settings


def test_a_run_that_failed_is_red_and_an_alarm(read_dags, settings):
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.status import AlarmKind, find_alarms

    dag = read_dags().dags["prepare_mc"]
    dag.get_task("models.mc_stereo").retries = 0  # as after the last one
    run = dag.test(run_conf={"only": [KEY]})
    tasks = {task.task_id: str(task.state) for task in run.get_task_instances()}
    assert (str(run.state), tasks["completion"]) == ("failed", "failed")
    found = [one for one in find_alarms(Catalog.of_site(settings), settings) if one.kind == AlarmKind.NOT_MADE]
    assert [one.subject for one in found] == [f"mc/{KEY} mc_stereo"]
