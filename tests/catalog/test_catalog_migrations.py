"""Up and down between revisions, with rows in every table."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Date, DateTime, MetaData, Table, insert, select, text
from sqlalchemy.dialects.postgresql import JSONB

from stereo_tasks.catalog import holds, schema
from stereo_tasks.catalog.database import Catalog, CatalogError
from stereo_tasks.catalog.models import Base
from stereo_tasks.catalog.readiness import read_readiness
from stereo_tasks.catalog.schema import VERSION_TABLE, downgrade, migrate, write_revision
from stereo_tasks.nights import Night

NIGHTS = Night("2020-12-15"), Night("2020-12-16")
HEAD = "0007"
THEN = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


def _tables(catalog: Catalog) -> dict[str, Table]:
    metadata = MetaData()
    metadata.reflect(catalog.engine)
    return {table.name: table for table in metadata.sorted_tables if table.name != VERSION_TABLE}


def _some(column: Any, number: int) -> Any:
    """A value for a column; of two rows, different ones."""
    if column.foreign_keys:
        (key,) = column.foreign_keys
        return _some(key.column, number)
    if isinstance(column.type, Date):
        return dt.date(2020, 12, 15 + number)
    if isinstance(column.type, DateTime):
        return None if column.name == "released_utc" else THEN
    if isinstance(column.type, JSONB):
        return {"order": []} if column.name in ("stages", "content") else []
    kind = column.type.python_type
    return kind(number) if kind is not str else f"{column.name} {number}"


def _fill(catalog: Catalog) -> None:
    with catalog.engine.begin() as connection:
        for table in _tables(catalog).values():
            columns = [column for column in table.columns if column.identity is None]
            rows = [{column.name: _some(column, number) for column in columns} for number in (0, 1)]
            connection.execute(insert(table), rows)


def _rows(catalog: Catalog, columns: dict[str, list[str]]) -> dict[str, list[tuple[Any, ...]]]:
    tables = _tables(catalog)
    with catalog.engine.connect() as connection:
        return {
            name: [
                tuple(row)
                for row in connection.execute(
                    select(*(tables[name].c[one] for one in names)).order_by(*tables[name].primary_key.columns)
                )
            ]
            for name, names in columns.items()
        }


@pytest.fixture
def first(fresh) -> Catalog:
    """A catalog of the first revision, with two rows in every table."""
    url = fresh("upgraded")
    migrate(Catalog(url), revision="0001")
    made = Catalog(url)
    _fill(made)
    return made


def test_upgrading_keeps_every_row_and_downgrading_what_the_older_knows(first):
    columns = {name: [column.name for column in table.columns] for name, table in _tables(first).items()}
    assert len(columns) == 10
    before = _rows(first, columns)
    assert all(len(rows) == 2 for rows in before.values())
    migrate(first)
    assert _rows_by_old_names(first, columns) == _without_column(before, columns, "made_for_plan")
    _fill_new(first, {NEW_NAMES.get(name, name) for name in columns})
    downgrade(first, "0001")
    assert {name: sorted(column.name for column in table.columns) for name, table in _tables(first).items()} == {
        name: sorted(names) for name, names in columns.items()
    }
    kept = _without_column(before, columns, "made_for_plan")
    assert _without_column(_rows(first, columns), columns, "made_for_plan") == kept
    assert schema.revisions(first) == schema.Revisions("0001", HEAD)
    migrate(first)
    assert _rows_by_old_names(first, columns) == kept
    assert schema.revisions(first).up_to_date


def _fill_new(catalog: Catalog, old: set[str]) -> None:
    with catalog.engine.begin() as connection:
        for name, table in _tables(catalog).items():
            if name not in old:
                columns = [column for column in table.columns if column.identity is None]
                connection.execute(insert(table), [{column.name: _some(column, 0) for column in columns}])


NEW_NAMES = {
    "requests": "dispatches", "asks": "requests", "night_runs": "processing_runs", "runs": "telescope_runs",
    "log_readings": "log_versions", "published": "publications", "signature": "content",
    "emitted_utc": "dispatched_utc", "asked_by": "requested_by", "asked_utc": "requested_utc",
}  # fmt: skip
"""Of tables and columns in revision 0003, by those before."""


def _rows_by_old_names(catalog: Catalog, columns: dict[str, list[str]]) -> dict[str, list[tuple[Any, ...]]]:
    renamed = {
        NEW_NAMES.get(table, table): [NEW_NAMES.get(name, name) for name in names if name != "made_for_plan"]
        for table, names in columns.items()
    }
    found = _rows(catalog, renamed)
    return {table: found[NEW_NAMES.get(table, table)] for table in columns}


def _without_column(
    rows: dict[str, list[tuple[Any, ...]]], columns: dict[str, list[str]], left_out: str
) -> dict[str, list[tuple[Any, ...]]]:
    return {
        table: [tuple(v for v, name in zip(row, columns[table], strict=True) if name != left_out) for row in found]
        for table, found in rows.items()
    }


def test_what_was_handed_on_counts_as_taken_and_what_no_run_took_is_handed_on_again_after_a_downgrade(first):
    migrate(first)
    with first.engine.begin() as connection:
        assert connection.scalars(text("SELECT taken_utc = dispatched_utc FROM dispatches")).all() == [True, True]
        connection.execute(text("UPDATE dispatches SET taken_utc = NULL WHERE content = 'signature 0'"))
    downgrade(first, "0002")
    with first.engine.connect() as connection:
        assert connection.scalars(text("SELECT signature FROM requests")).all() == ["signature 1"]


def test_up_and_down_leave_exactly_the_models(first):
    for _ in range(2):
        migrate(first)
        with first.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
            assert compare_metadata(context, Base.metadata) == []
        downgrade(first, "base")
        assert _tables(first) == {}


def test_what_was_not_ready_waits_at_least_since_the_last_look(first):
    with first.engine.begin() as connection:
        connection.execute(text("UPDATE readiness SET ready = (source = 'source 1')"))
    migrate(first)
    found = {
        entry.source: entry.waiting_since_utc
        for number in (0, 1)
        for entry in read_readiness(first, f"production {number}", first=NIGHTS[0], last=NIGHTS[1])
    }
    assert found == {"source 0": THEN, "source 1": None}


def test_a_hold_that_is_over_does_not_hold_again_after_a_downgrade(first, tmp_path):
    migrate(first)
    with first.engine.begin() as connection:
        connection.execute(
            text("UPDATE holds SET until_utc = clock_timestamp() - interval '1 s' WHERE night = '2020-12-15'")
        )
    holds.hold(first, NIGHTS[1], "v1", "wait", by="me", until=THEN.replace(year=2099))
    downgrade(first, "0001")
    with first.engine.connect() as connection:
        found = connection.execute(text("SELECT production, released_by FROM holds ORDER BY id")).all()
    assert [tuple(row) for row in found] == [
        ("production 0", "its end was reached"), ("production 1", "released_by 1"), ("v1", None),
    ]  # fmt: skip


def test_a_revision_that_is_not_known_is_an_error_that_says_so(first):
    with pytest.raises(CatalogError, match="cannot be brought"):
        downgrade(first, "4711")
    with first.engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(CatalogError, match="newer"):
        migrate(first)
    assert schema.revisions(first).current == "9999"


def test_a_database_without_tables_has_no_revision(fresh):
    found = schema.revisions(Catalog(fresh("bare")))
    assert (found.current, found.head, found.up_to_date) == ("", HEAD, False)


def test_a_new_revision_is_written_with_what_changed(first, monkeypatch, tmp_path):
    """The migrations are copied, so that the test leaves nothing in the project."""
    migrate(first)
    folder = tmp_path / "migrations"
    shutil.copytree(Path(schema.__file__).parent / "migrations", folder)
    monkeypatch.setattr(schema, "MIGRATIONS", folder)
    with first.engine.begin() as connection:
        connection.execute(text("ALTER TABLE requests DROP COLUMN force"))
    written = write_revision(first, "force is back")
    assert (written.parent, written.name) == (folder / "versions", f"{int(HEAD) + 1:04d}_force_is_back.py")
    compile(written.read_text(), str(written), "exec")
    assert "add_column" in written.read_text()
    assert f"down_revision = '{HEAD}'" in written.read_text()
