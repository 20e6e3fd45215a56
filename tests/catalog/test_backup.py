"""Backups by PostgreSQL's own tools: everything comes back, and what people decided since."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import select, text

from stereo_tasks.catalog import backup, holds, processing_runs, schema
from stereo_tasks.catalog.backup import back_up, backups, restore
from stereo_tasks.catalog.database import Catalog, CatalogError
from stereo_tasks.catalog.models import Base
from stereo_tasks.catalog.schema import migrate


@pytest.fixture
def filled(fresh, tmp_path, night) -> Catalog:
    """A catalog with a hold and a run."""
    made = Catalog(fresh("backed_up"), tmp_path / "decisions")
    migrate(made)
    holds.hold(made, night, "v1", "clouds", by="me")
    processing_runs.begin_run(made, night, "v1", "run-1")
    return made


def _dump(catalog: Catalog) -> dict[str, list[tuple]]:
    with catalog.transaction() as session:
        return {
            name: [tuple(row) for row in session.execute(select(table).order_by(*table.primary_key.columns))]
            for name, table in Base.metadata.tables.items()
        }


def test_a_backup_is_restored_with_what_people_decided_since(filled, fresh, tmp_path, night):
    before = _dump(filled)
    path = back_up(filled, tmp_path / "backups")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    holds.release(filled, night, "v1", by="boss")
    holds.hold(filled, night, "v1", "moon", by="me", source="Mrk421")
    lost = Catalog(fresh("lost"), filled.decisions)
    done = restore(lost, path, tmp_path / "backups")
    assert (done.before, done.decisions) == (None, 2)
    after = _dump(lost)
    assert {name for name in after if after[name] != before[name]} == {"holds"}
    assert [one.reason for one in holds.open_holds(lost)] == ["moon"]


def test_a_catalog_that_is_not_empty_is_replaced_only_if_told_so_and_backed_up_first(filled, tmp_path, night):
    path = back_up(filled, tmp_path / "backups")
    processing_runs.end_run(filled, night, "v1", "run-1", "done")
    now = _dump(filled)
    with pytest.raises(CatalogError, match="--yes"):
        restore(filled, path, tmp_path / "backups")
    assert _dump(filled) == now
    path = path.rename(tmp_path / "old.dump")
    done = restore(filled, path, tmp_path / "backups", yes=True)
    assert _dump(filled)["processing_runs"] != now["processing_runs"]
    restore(filled, done.before, tmp_path / "other", yes=True)
    assert _dump(filled) == now


def test_a_backup_of_an_older_program_is_brought_up_to_date(fresh, tmp_path):
    old = Catalog(fresh("older"))
    migrate(old, revision="0002")
    with old.engine.begin() as connection:
        connection.execute(
            text("INSERT INTO requests (night, production, signature, reason) VALUES ('2020-12-15', 'v1', 'abc', '')")
        )
    path = back_up(old, tmp_path)
    new = Catalog(fresh("newer"))
    restore(new, path, tmp_path)
    assert schema.revisions(new).up_to_date
    assert [row[2] for row in _dump(new)["dispatches"]] == ["abc"]


def test_what_is_no_backup_or_of_a_newer_program_is_refused(filled, tmp_path):
    before = _dump(filled)
    (tmp_path / "text").write_text("not a backup")
    for path, said in ((tmp_path / "text", "not a backup"), (tmp_path / "nothing", "no file")):
        with pytest.raises(CatalogError, match=said):
            restore(filled, path, tmp_path, yes=True)
    with filled.engine.begin() as connection:
        connection.execute(text(f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'"))
    newer = back_up(filled, tmp_path)
    with filled.engine.begin() as connection:
        connection.execute(text(f"UPDATE {schema.VERSION_TABLE} SET version_num = '0003'"))
    with pytest.raises(CatalogError, match="9999"):
        restore(filled, newer, tmp_path, yes=True)
    assert _dump(filled) == before


def test_the_oldest_go_and_nothing_half_made_stays(filled, tmp_path, monkeypatch):
    for second in range(4):
        (tmp_path / f"catalog_2020-01-01T00000{second}Z.dump").touch()
    path = back_up(filled, tmp_path, keep=2)
    assert [one.name for one in backups(tmp_path)] == ["catalog_2020-01-01T000003Z.dump", path.name]
    monkeypatch.setattr(backup, "_NAME", "no/such/%Y.dump")
    with pytest.raises(OSError, match="No such file"):
        back_up(filled, tmp_path)
    assert len(list(tmp_path.glob("catalog_*"))) == 2


def test_passwords_stand_on_no_command_line(filled, tmp_path, monkeypatch):
    seen = []

    def look(command, **options):
        seen.append((command, options["env"]))
        return run(command, **options)

    run = subprocess.run
    monkeypatch.setattr(backup.subprocess, "run", look)
    back_up(Catalog(f"{filled.url.render_as_string()}&sslmode=prefer"), Path(tmp_path))
    (command, environment) = seen[0]
    assert not [word for word in command if "pgpass" in word or "@" in word]
    assert environment["PGPASSFILE"].endswith("pgpass")
    assert environment["PGSSLMODE"] == "prefer"


def test_programs_are_as_new_as_the_server_or_newer(filled, tmp_path, monkeypatch):
    """Older ones refuse a server; so does the error, if there is nothing else."""
    versions = backup._in_wheel()
    (server,) = {version for version, folder in versions.items() if folder == backup._program(filled, "pg_dump").parent}
    newer = {server + 1: versions[server], server - 1: tmp_path}
    (tmp_path / "pg_dump").touch()
    monkeypatch.setattr(backup, "_in_wheel", lambda: newer)
    assert backup._program(filled, "pg_dump").parent == versions[server]
    monkeypatch.setattr(backup, "_in_wheel", lambda: {server - 1: tmp_path})
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(CatalogError, match=f"there is no pg_dump: .* {server} or newer"):
        back_up(filled, tmp_path / "backups")
