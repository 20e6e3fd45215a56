"""A site that version 0.2.1 made, with a night and two sources, goes on with this version: see data/README.md."""

from __future__ import annotations

import json
import lzma
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from stereo_tasks.catalog import holds, publications, schema
from stereo_tasks.catalog.database import URL_VARIABLE, Catalog
from stereo_tasks.commands.catalog import catalog_app
from stereo_tasks.nights import Night
from stereo_tasks.planning.element_state import TO_DO, ElementStates
from stereo_tasks.planning.plan import Plan
from stereo_tasks.processing.night_plans import plan_night
from stereo_tasks.stages.night import COMPARE

STORED = Path(__file__).parent / "data" / "site_0_2_1"
STORED_ROOT = "/srv/stereo"
PRODUCTION = "mcp062"
TABLES = {
    "requests": "dispatches", "asks": "requests", "night_runs": "processing_runs", "runs": "telescope_runs",
    "log_readings": "log_versions", "published": "publications",
}  # fmt: skip
"""What tables are called now, by what they were called in 0.2.1."""
COLUMNS = {
    "requests": {"signature": "content", "emitted_utc": "dispatched_utc"},
    "asks": {"asked_by": "requested_by", "asked_utc": "requested_utc"},
}
"""What columns are called now, by their table and name in 0.2.1."""
DROPPED = {"element_records": {"made_for_plan"}}
REVISED = {"dl3", "index", "qa"}
"""Stages whose products are made again: the live time is another one since revision 2 of DL3."""

Rows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class OldSite:
    """A site as version 0.2.1 left it."""

    root: Path
    catalog: Catalog

    def plan_files(self) -> list[Path]:
        return sorted((self.root / "products").glob("**/plans/*/plan_*.json"))


@pytest.fixture
def old_site(fresh: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OldSite:
    """The stored copy, which is also the site that commands find."""
    _restore_files(tmp_path)
    catalog = Catalog(fresh("of_0_2_1"))
    statements = lzma.decompress((STORED / "catalog.sql.xz").read_bytes()).decode()
    with catalog.engine.connect().execution_options(no_parameters=True) as connection:
        connection.exec_driver_sql(statements.replace(STORED_ROOT, str(tmp_path)))
        connection.commit()
    monkeypatch.setenv("STEREO_SITE", str(tmp_path))
    monkeypatch.setenv(URL_VARIABLE, catalog.url.render_as_string(hide_password=False))
    return OldSite(tmp_path, catalog)


def _restore_files(root: Path) -> None:
    with lzma.open(STORED / "site.jsonl.xz", "rt") as file:
        for entry in map(json.loads, file):
            path = root / entry["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            if "link" in entry:
                path.symlink_to(entry["link"])
            elif "text" in entry:
                path.write_text(entry["text"].replace(STORED_ROOT, str(root)))
            else:
                with path.open("wb") as product:
                    product.truncate(entry["size_bytes"])
            os.utime(path, ns=(entry["modified_ns"],) * 2, follow_symlinks=False)


def _stereo_catalog(*words: str) -> str:
    done = CliRunner().invoke(catalog_app, words)
    assert done.exit_code == 0, done.output
    return done.output


def _rows(catalog: Catalog) -> Rows:
    """All rows of all tables, in an order of their own."""
    with catalog.engine.connect() as connection:
        names = connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
        return {
            name: list(connection.scalars(text(f"SELECT to_jsonb({name}) FROM {name} ORDER BY {name}::text")))
            for name in names
            if name != schema.VERSION_TABLE
        }


def _by_new_names(old: Rows) -> Rows:
    return {
        TABLES.get(table, table): [
            {
                COLUMNS.get(table, {}).get(name, name): value
                for name, value in row.items()
                if name not in DROPPED.get(table, ())
            }
            for row in rows
        ]
        for table, rows in old.items()
    }


def _files(root: Path) -> dict[str, tuple[int, int, str]]:
    """Size, time stamp in ns and target of whatever is in the output tree."""
    return {
        str(path.relative_to(root)): (status.st_size, status.st_mtime_ns, str(path.readlink()) if is_link else "")
        for path in (root / "products" / PRODUCTION).rglob("*")
        if (is_link := path.is_symlink()) or path.is_file()
        if (status := path.lstat())
    }


def _sorted(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


def _without_ids(rows: list[dict[str, Any]]) -> list[str]:
    return _sorted([{**row, "id": 0} for row in rows])


def test_one_command_keeps_every_row_of_every_table(old_site):
    before = _by_new_names(_rows(old_site.catalog))
    assert len(before) == 17
    assert all(before.values()), "the stored catalog has rows in every table"
    assert "it was at 0002" in _stereo_catalog("upgrade")
    after = _rows(old_site.catalog)
    assert before.keys() <= after.keys()
    for table, rows in before.items():
        known = [{name: row[name] for name in rows[0]} for row in after[table]]
        assert _sorted(known) == _sorted(rows), table
    assert schema.revisions(old_site.catalog).up_to_date


def test_what_people_held_is_held_and_what_they_asked_for_is_answered(old_site):
    _stereo_catalog("upgrade")
    held = {(str(entry.night), entry.source): entry for entry in holds.open_holds(old_site.catalog, PRODUCTION)}
    assert {key: (entry.held_by, entry.reason) for key, entry in held.items()} == {
        ("2024-01-10", "CrabNebula"): ("maria", "flat-field of LST-1 is being redone"),
        ("2024-01-11", "CrabNebula"): ("shifter", "clouds, look at the transmission"),
        ("2024-01-12", ""): ("shifter", "LST-1 camera tests"),
    }
    with old_site.catalog.engine.connect() as connection:
        released = "SELECT reason, released_by FROM holds WHERE released_utc IS NOT NULL ORDER BY id"
        assert connection.execute(text(released)).all() == [("moon", "expert"), ("dust", "tobias")]
        outcomes = "SELECT outcome, count(*) FROM requests GROUP BY outcome ORDER BY outcome"
        assert connection.execute(text(outcomes)).all() == [("nothing", 7), ("requested", 2)]
        assert connection.scalar(text("SELECT bool_and(taken_utc = dispatched_utc) FROM dispatches"))
    assert holds.hold(old_site.catalog, Night("2024-01-20"), PRODUCTION, "the first of this version", by="maria")
    assert len(holds.open_holds(old_site.catalog, PRODUCTION)) == len(held) + 1


def test_what_only_the_journal_knew_is_taken_over(old_site):
    """As after the loss of the database, when that of the day before was restored."""
    before = _by_new_names(_rows(old_site.catalog))
    journal = (old_site.root / "products" / "journal" / "2026-11.jsonl").read_bytes()
    with old_site.catalog.engine.begin() as connection:
        connection.execute(text("DELETE FROM holds"))
        connection.execute(text("DELETE FROM asks WHERE id > 5"))
    assert "9 decisions" in _stereo_catalog("upgrade")
    after = _rows(old_site.catalog)
    for table in ("holds", "requests"):
        known = [{name: row[name] for name in before[table][0]} for row in after[table]]  # newer columns were not asked
        assert _without_ids(known) == _without_ids(before[table]), table
    assert (old_site.root / "products" / "journal" / "2026-11.jsonl").read_bytes() == journal
    assert "decisions" not in _stereo_catalog("upgrade"), "once"


def test_every_record_counts_as_before_but_those_of_stages_that_were_revised(old_site):
    _stereo_catalog("upgrade")
    assert len(old_site.plan_files()) == 3
    for path in old_site.plan_files():
        plan = Plan.load(path)
        expected = {
            stage.name: {TO_DO if stage.name in REVISED else "done": len(plan.of_stage(stage))} for stage in plan.stages
        }
        assert ElementStates(plan).summary() == expected


def test_a_new_plan_of_the_night_computes_nothing_before_the_stages_that_were_revised(old_site):
    """Only what the old and the new plan are made of may differ: inputs and parameters, not what a site configures."""
    _stereo_catalog("upgrade")
    old = {plan.source: plan for plan in map(Plan.load, old_site.plan_files()) if plan.night}
    for plan in plan_night("2024-01-10").plans:
        before = old.pop(plan.source)
        same = replace(plan, config=before.config, settings=before.settings, versions=before.versions)
        states = ElementStates(same)
        # What 0.2.1 did not know: elements that are made again, to be compared.
        elements = [element.id for element in same.elements if element.stage is not COMPARE]
        assert elements == [element.id for element in before.elements]
        assert {stage.name for stage in same.stages if states.to_do(stage)} - {COMPARE.name} == REVISED
    assert not old


def test_no_product_and_no_publication_is_touched(old_site):
    before = _files(old_site.root)
    assert {suffix for name in before for suffix in (".h5", ".fits.gz", ".html") if name.endswith(suffix)} == {
        ".h5", ".fits.gz", ".html",
    }  # fmt: skip
    _stereo_catalog("upgrade")
    assert _files(old_site.root) == before
    published = publications.published(old_site.catalog, PRODUCTION)
    assert {entry.source for entry in published} == {"1A0535+262", "CrabNebula"}
    assert all(Path(entry.path, "obs-index.fits.gz").is_file() for entry in published)


def test_the_way_back_gives_the_old_tables(old_site):
    before = _rows(old_site.catalog)
    _stereo_catalog("upgrade")
    _stereo_catalog("downgrade", "0002", "--yes")
    for row in before["element_records"]:
        row["made_for_plan"] = ""  # the records have it
    assert _rows(old_site.catalog) == before
