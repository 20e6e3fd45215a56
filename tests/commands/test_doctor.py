"""``stereo doctor``: each red line says what to do."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from airflow_slurm.private_cluster import PrivateCluster
from sqlalchemy import text

from stereo_tasks.catalog.backup import back_up
from stereo_tasks.doctor import Colour, airflow, clocks, cluster, environments, files
from stereo_tasks.settings import load_settings


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A site in order, on one machine; gives a function that loads its settings."""
    monkeypatch.setenv("STEREO_SITE", str(tmp_path))
    for name in ("data/MAGIC/M1", "data/LST/DL1/20240110", "products", "state/airflow", "data/mc/DL1", "mc/models"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "mc" / "IRF").mkdir()
    (tmp_path / "data" / "stereo_log.csv").write_text("a log")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "site.yaml").write_text("cluster: local\nworkers: 1\n")
    (tmp_path / "config" / "alarms.yaml").write_text("free_space: 1 kB\n")
    return lambda: load_settings(tmp_path)


def _by(findings) -> dict[str, object]:
    return {one.subject: one for one in findings}


def test_a_site_in_order_has_no_red_line(site, scene, stereo):
    lines = stereo("doctor").splitlines()
    assert "0 red" in lines[-1]
    assert any(line.startswith("green   catalog tables") for line in lines)
    assert any(line.startswith("yellow  Airflow") for line in lines)  # it does not run
    found = {one["subject"]: one for one in json.loads(stereo("doctor", "--json"))}
    assert found["catalog"]["text"].startswith("PostgreSQL")
    assert found["clock of the catalog"]["colour"] == "green"
    assert found["control environment"]["colour"] in ("green", "yellow")
    assert all(one["what_to_do"] for one in found.values() if one["colour"] != "green")


def test_a_wrong_configuration_ends_it(site, stereo, tmp_path):
    (tmp_path / "config" / "policy.yaml").write_text("settle: 3\n")
    output = stereo("doctor", code=1)
    assert "config/policy.yaml: settle" in output
    assert "1 red" in output


def test_an_old_backup_is_told(site, scene, stereo, tmp_path):
    def backup() -> dict[str, str]:
        return next(one for one in json.loads(stereo("doctor", "--json")) if one["subject"] == "backup")

    assert (backup()["colour"], "there is none" in backup()["text"]) == ("yellow", True)
    path = back_up(scene.catalog, tmp_path / "state" / "backups")
    assert (backup()["colour"], str(path) in backup()["text"]) == ("green", True)
    old = time.time() - 50 * 3600
    os.utime(path, (old, old))
    assert backup()["colour"] == "yellow"
    assert "50 h old" in backup()["text"]
    assert "stereo catalog backup" in backup()["what_to_do"]


def test_old_and_missing_tables(site, scene, stereo, fresh, monkeypatch):
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.catalog.schema import migrate

    url = fresh("doctor")
    monkeypatch.setenv("STEREO_CATALOG_URL", url)
    assert "there are none" in stereo("doctor", code=1)
    migrate(Catalog(url))
    with Catalog(url).engine.begin() as connection:
        connection.execute(text("UPDATE stereo_catalog_version SET version_num = '0001'"))
    output = stereo("doctor", code=1)
    assert "revision 0001, not" in output
    assert "stereo catalog upgrade" in output


def test_a_catalog_that_does_not_answer(site, stereo, monkeypatch):
    monkeypatch.setenv("STEREO_CATALOG_URL", "postgresql+psycopg2://nobody@127.0.0.1:1/none")
    output = stereo("doctor", code=1)
    assert "the catalog's database does not answer" in output
    assert "Traceback" not in output


def test_paths(site, tmp_path):
    found = _by(files.paths(site()))
    assert {one.colour for one in found.values()} == {Colour.GREEN}, found
    (tmp_path / "data" / "stereo_log.csv").unlink()
    (tmp_path / "data" / "LST" / "DL1" / "20240110").rmdir()
    (tmp_path / "data" / "MAGIC" / "M1").rmdir()
    (tmp_path / "data" / "MAGIC").rmdir()
    (tmp_path / "mc" / "IRF").rmdir()
    found = _by(files.paths(site()))
    assert found["path stereo_log"].colour == Colour.RED
    assert found["path magic_calibrated"].colour == Colour.RED
    assert found["path lst_dl1"].text.endswith("is empty")
    assert found["path irfs"].colour == Colour.YELLOW
    assert sorted(one.name for one in (tmp_path / "products").iterdir()) == []  # it leaves nothing behind


def test_a_folder_that_cannot_be_written(site, tmp_path):
    (tmp_path / "products").rmdir()
    (tmp_path / "products").symlink_to("/proc/self/fd")  # not even root writes there
    found = _by(files.paths(site()))["path output"]
    assert found.colour == Colour.RED
    assert "cannot be written" in found.text


def test_a_log_in_the_web_is_named_without_its_password(site, tmp_path):
    origin = "https://user:word@example.org/sheet.csv?key=secret"
    (tmp_path / "config" / "site.yaml").write_text(f"paths: {{stereo_log: '{origin}'}}\n")
    text = _by(files.paths(site()))["path stereo_log"].text
    assert "example.org/sheet.csv" in text
    assert "word" not in text
    assert "secret" not in text


def test_tables_beside_the_sheet_must_be_there(site, tmp_path):
    assert "path automcp" not in _by(files.paths(site()))
    (tmp_path / "config" / "site.yaml").write_text("paths: {automcp: data/automcp.h5}\n")
    finding = _by(files.paths(site()))["path automcp"]
    assert (finding.colour, finding.what_to_do) == (Colour.RED, "set paths.automcp in config/site.yaml")
    (tmp_path / "data" / "automcp.h5").write_text("tables")
    assert _by(files.paths(site()))["path automcp"].colour == Colour.GREEN


def test_free_space(site, tmp_path):
    for wanted, colour in (("1 kB", Colour.GREEN), ("1000000 TB", Colour.RED)):
        (tmp_path / "config" / "alarms.yaml").write_text(f"free_space: {wanted}\n")
        assert [one.colour for one in files.free_space(site())] == [colour]


def test_clocks(site):
    assert {one.colour for one in clocks.clocks(site())} == {Colour.GREEN}
    assert clocks.compare("x", -3600).colour == Colour.RED
    assert "behind" in clocks.compare("x", -3600).text


def test_an_environment_that_differs_from_its_lock_file(site, tmp_path):
    packages = tmp_path / "science" / "lib" / "python3.11" / "site-packages"
    for name, version in (("magic_cta_pipe", "0.5.0"), ("numpy", "1.0")):
        folder = packages / f"{name}-{version}.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
    python = tmp_path / "science" / "bin" / "python"
    python.parent.mkdir()
    (tmp_path / "config" / "site.yaml").write_text(f"science_python: {python}\n")
    assert _by(environments.science(site()))["science environment"].colour == Colour.RED
    python.touch(mode=0o755)
    found = _by(environments.science(site()))
    assert "instead of" in found["science environment"].text
    assert found["production mcp062"].colour == Colour.RED
    assert "installed is 0.5.0" in found["production mcp062"].text


def test_more_jobs_than_cores(site, tmp_path):
    (tmp_path / "config" / "site.yaml").write_text("cluster: local\nworkers: 1000\n")
    (found,) = cluster.cluster(site())
    assert found.colour == Colour.YELLOW


def test_a_slurm_cluster_that_works_and_one_that_does_not(tmp_path):
    private = PrivateCluster(tmp_path / "slurm", nodes=2, cpus=2)
    with private:
        environment = {**os.environ, **private.environment}
        found = _by(cluster.slurm(environment))
        assert found["cluster"].colour == Colour.GREEN
        assert found["cluster nodes"].text == "2 can be used"
        private.kill("slurmctld")
        time.sleep(0.5)
        (down,) = cluster.slurm(environment)
        assert down.colour == Colour.RED
        assert "does not answer" in down.text


@pytest.mark.parametrize("name", ["control", "science", "analysis"])
def test_the_lock_files_are_where_the_doctor_looks(name):
    assert (Path(environments.__file__).parents[2] / "requirements" / f"{name}.txt").is_file()


def test_a_database_that_keeps_the_locks_of_the_dead(fresh):
    from sqlalchemy import create_engine

    url = fresh("locks")
    (found,) = airflow.locks(url)
    assert (found.colour, found.subject) == (Colour.YELLOW, "Airflow's database")
    with create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text(found.what_to_do))  # it does what it says
    assert not list(airflow.locks(url))
    assert not list(airflow.locks("sqlite://"))
    (found,) = airflow.locks(url.replace("/locks", "/no_such_database"))
    assert found.colour == Colour.RED
