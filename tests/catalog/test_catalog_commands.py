"""``stereo catalog``, as a person calls it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from stereo_tasks.catalog import holds, schema
from stereo_tasks.catalog.database import URL_FILE_VARIABLE, URL_VARIABLE, Catalog, CatalogError
from stereo_tasks.commands.catalog import catalog_app
from stereo_tasks.nights import Night


@pytest.fixture
def stereo(fresh, tmp_path, monkeypatch):
    """Call ``stereo catalog`` on a new database, which is named by a file."""
    (tmp_path / "url").write_text(fresh("commanded") + "\n")
    (tmp_path / "log.csv").write_text(
        "Date,Source,Conditions,Trigger (MAGIC),Stereo,HV,Min Zd [deg],Max Zd [deg],LST,MAGIC,,,,Notes\n"
        ",,,,,,,,Data runs,First run,Last run,Obs. time (min),Same wobble (min),\n"
    )
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "site.yaml").write_text("paths: {stereo_log: log.csv}")
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    monkeypatch.setenv(URL_FILE_VARIABLE, str(tmp_path / "url"))
    monkeypatch.setenv("STEREO_SITE", str(tmp_path))

    def call(*words: str) -> Result:
        return CliRunner().invoke(catalog_app, words)

    return call


def test_up_rebuild_and_down(stereo, tmp_path: Path):
    catalog = Catalog.of_site()
    assert "at revision 0007, it was at none" in stereo("upgrade").output
    assert "as before" in stereo("upgrade").output
    holds.hold(catalog, Night("2020-12-15"), "v1", "wait", by="me")
    done = stereo("rebuild")
    assert done.exit_code == 0, done.output
    assert "0 decisions that it lacked" in done.output
    assert [one.reason for one in holds.open_holds(catalog, "v1")] == ["wait"]
    refused = stereo("downgrade", "0001")
    assert isinstance(refused.exception, CatalogError)
    assert "--yes" in str(refused.exception)
    assert schema.revisions(catalog).up_to_date
    assert "at revision 0001, it was at 0007" in stereo("downgrade", "0001", "--yes").output
    assert isinstance(stereo("downgrade", "0815", "--yes").exception, CatalogError)
    with catalog.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM holds")
    assert "1 decisions of people that it lacked were taken over" in stereo("upgrade").output
    assert [one.reason for one in holds.open_holds(catalog, "v1")] == ["wait"]


def test_a_backup_comes_back(stereo, tmp_path: Path):
    stereo("upgrade")
    catalog = Catalog.of_site()
    holds.hold(catalog, Night("2020-12-15"), "v1", "wait", by="me")
    done = stereo("backup", "--keep", "3")
    assert done.exit_code == 0, done.output
    (path,) = (tmp_path / "state" / "backups").iterdir()
    assert str(path) in done.output
    assert "--yes" in str(stereo("restore", str(path)).exception)
    done = stereo("restore", str(path), "--yes")
    assert done.exit_code == 0, done.output
    assert "what it was before is in" in done.output
    assert [one.reason for one in holds.open_holds(catalog, "v1")] == ["wait"]
