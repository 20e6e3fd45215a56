import json
import os
import subprocess

import pytest

from stereo_tasks.local_site import cluster, control
from stereo_tasks.local_site.airflow_config import environment
from stereo_tasks.local_site.cluster import PrivateCluster, uses_private_cluster
from stereo_tasks.local_site.errors import SiteError
from stereo_tasks.local_site.processes import MARKER, Condition, marked, site_id
from stereo_tasks.planning.plan import Element, Plan
from stereo_tasks.processing.chain_arrays import chain_array
from stereo_tasks.settings import load_settings
from stereo_tasks.settings.load import SettingsError
from stereo_tasks.stages.night import DL2, QA


def configured(settings, text):
    root = settings.site.root
    (root / "config" / "site.yaml").write_text(text)
    return load_settings(root)


def slurm(private, *command, **kwargs):
    variables = {**os.environ, "SLURM_CONF": str(private.conf), MARKER: "another"}
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=True, **kwargs).stdout


def test_where_slurm_is_installed_arrays_run_on_it(settings, monkeypatch):
    assert settings.site.runs_on == "slurm"
    monkeypatch.setattr("shutil.which", lambda name, **_: None)
    assert settings.site.runs_on == "local"
    assert configured(settings, "slurm: {private: false}").site.runs_on == "slurm"


@pytest.mark.parametrize("wanted", ["local", "slurm"])
def test_the_environment_outranks_the_configuration(settings, monkeypatch, wanted):
    monkeypatch.setenv("STEREO_CLUSTER", wanted)
    changed = configured(settings, f"cluster: {'local' if wanted == 'slurm' else 'slurm'}")
    assert changed.site.runs_on == wanted
    assert uses_private_cluster(changed) == (wanted == "slurm")
    # What Airflow is started with says the same, for all its tasks.
    assert environment_of(changed)["STEREO_CLUSTER"] == wanted


def environment_of(settings):
    airflow = settings.site.airflow.model_copy(update={"catalog_url": "postgresql://db.example/catalog"})
    return environment(settings.model_copy(update={"site": settings.site.model_copy(update={"airflow": airflow})}))


def test_an_unknown_cluster_is_an_error(settings, monkeypatch):
    monkeypatch.setenv("STEREO_CLUSTER", "lcoal")
    with pytest.raises(SettingsError, match="cluster"):
        load_settings(settings.site.root)


def test_a_cluster_of_others_keeps_its_own_connection(settings, monkeypatch):
    assert json.loads(environment_of(settings)["AIRFLOW_CONN_SLURM_DEFAULT"])["conn_type"] == "slurm"
    others = configured(settings, "slurm: {private: false}")
    assert not [name for name in environment_of(others) if name.startswith("AIRFLOW_CONN")]
    assert "slurm" not in control.status(others).services


def test_a_stage_goes_to_its_partition(settings, monkeypatch):
    root = settings.site.root
    monkeypatch.setenv("STEREO_SITE", str(root))
    configured(settings, "slurm: {partition: night, account: magic}")
    (root / "config" / "resources.yaml").write_text("dl2: {partition: large}\n")
    elements = tuple(
        Element(id=stage.name, stage=stage, inputs=(), outputs=(str(root / stage.name),)) for stage in (DL2, QA)
    )
    plan = Plan(
        production="standard", name="20240110/CrabNebula", source="CrabNebula", night="2024-01-10", root=str(root),
        choices=(), notices=(), blockers=(), runs=(), elements=elements, config={}, settings={}, versions={},
    )  # fmt: skip
    plan.save()
    assert chain_array(plan, "stereo_dl3").placement == {"partition": "large", "account": "magic"}
    assert chain_array(plan, "qa").placement == {"partition": "night", "account": "magic"}


def test_it_runs_as_many_jobs_at_a_time_as_the_site_has_workers(settings, tmp_path):
    private = PrivateCluster(configured(settings, "{workers: 3, slurm: {nodes: 2, accounting: true}}"))
    assert private.conditions() == {"slurm": Condition.STOPPED}
    private.start()
    try:
        names = {"munged", "mariadbd", "slurmdbd", "slurmctld", "slurmd.n1", "slurmd.n2"}
        assert private.conditions() == dict.fromkeys(names, Condition.RUNNING)
        # The daemons carry the site's mark, so that `down` finds them whatever happens.
        assert len(marked(site_id(settings.site.root))) >= len(names)
        assert slurm(private, "sinfo", "-h", "-N", "-p", "short", "-o", "%N %c").split() == ["n1", "2", "n2", "2"]
        # A job of the stage with the largest memory, repaired twice, finds room, and stands back behind Airflow.
        script = f"#!/bin/bash\nnice > {tmp_path}/nice\nsleep 600\n"
        arguments = ["--mem=64000", "--time=7-0", "--array=0-2", "--output=/dev/null"]
        slurm(private, "sbatch", *arguments, input=script)
        while slurm(private, "squeue", "-h", "-t", "running", "-o", "%T").split() != ["RUNNING"] * 3:
            assert not slurm(private, "squeue", "-h", "-t", "failed")
        while not (tmp_path / "nice").exists() or not (tmp_path / "nice").read_text():
            pass
        assert (tmp_path / "nice").read_text() == "5\n"
    finally:
        private.stop()
    assert private.conditions() == {"slurm": Condition.STOPPED}
    assert not marked("another")


def test_a_cluster_that_does_not_start_says_why_and_what_else_works(settings, monkeypatch):
    monkeypatch.setattr(cluster, "_OPTIONS", {"NoSuchOption": "1"})
    private = PrivateCluster(configured(settings, "slurm: {accounting: false}"))
    with pytest.raises(SiteError, match=r"NoSuchOption[\s\S]*CLUSTER=local"):
        private.start()
    assert private.conditions() == {"slurm": Condition.STOPPED}


def test_its_jobs_may_be_limited_as_those_of_a_real_partition(settings):
    private = PrivateCluster(configured(settings, "slurm: {max_time: 2 h, memory: 4 GB, accounting: false}"))
    private.start()
    try:
        assert slurm(private, "sinfo", "-h", "-o", "%P %l").split() == ["long*", "2:00:00", "short", "1:00:00"]
        assert slurm(private, "sinfo", "-h", "-p", "long", "-o", "%m").strip() == "4000"
    finally:
        private.stop()
