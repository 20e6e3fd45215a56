"""The DAG of forests and IRFs, run on Monte Carlo that cannot be read."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.usefixtures("airflow_database"), pytest.mark.slow]
KEY = "ST0320A/NSB1.5/v01/dec_2276"


def test_a_run_that_failed_is_red_and_an_alarm(run_dag, local_site):
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.status import AlarmKind, find_alarms

    for sample in ("GammaTrain", "ProtonTrain", "GammaTest"):
        folder = local_site.site.paths.monte_carlo / KEY / sample
        folder.mkdir(parents=True)
        (folder / "dl1_gamma_zd_10.0_az_100.0_run1.h5").write_text("no HDF5")
    state, tasks = run_dag("prepare_mc", only=[KEY])
    assert (state, tasks["completion"]) == ("failed", "failed")
    found = [one for one in find_alarms(Catalog.of_site(local_site), local_site) if one.kind == AlarmKind.NOT_MADE]
    assert [one.subject for one in found] == [f"mc/{KEY} mc_stereo"]
