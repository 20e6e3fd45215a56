"""A catalog of ten years: what is asked of a few nights looks at a few nights."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from sqlalchemy import Select, text
from sqlalchemy.dialects import postgresql

from stereo_tasks.catalog import night_queries
from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.nights import night_overview
from stereo_tasks.catalog.schema import migrate
from stereo_tasks.nights import Night

NIGHTS = 4000
FIRST, LAST = Night("2024-01-01"), Night("2024-01-30")

_NIGHT = "DATE '2018-10-10' + n"
_PATH = "'/fefs/aswg/output/' || p || '/CrabNebula/plans/' || n || '/plan_0123456789ab.json'"
_OF = "FROM generate_series(1, :nights) n, unnest(ARRAY['v1', 'v2']) p"
_ELEMENT = "'/fefs/aswg/output/' || p || '/CrabNebula/DL1/M1/' || n || '/dl1_M1.Run05093711.' || e || '.h5'"
FILLED = (
    "observations", "readiness", "dispatches", "requests", "processing_runs", "plans", "element_records", "qa",
)  # fmt: skip
FILL = (
    f"""INSERT INTO observations (night, source, content, checksum, line, accepted, reason, in_log)
        SELECT {_NIGHT}, 'CrabNebula', '{{"lst_runs": [3265, 3266], "observation_min": 59.25}}', n, n, true, '', true
        FROM generate_series(1, :nights) n""",
    f"""INSERT INTO readiness (night, source, production, ready, partial, present, missing, remarks)
        SELECT {_NIGHT}, 'CrabNebula', p, true, false, '["LST-1 2 of 2 runs, 200 subruns"]', '[]', '[]' {_OF}""",
    f"""INSERT INTO dispatches (night, production, content, reason)
        SELECT {_NIGHT}, p, md5(n || p), 'complete' {_OF}""",
    f"""INSERT INTO requests (night, production, backfill, outcome, reason, sources, force, requested_by)
        SELECT {_NIGHT}, p, 'b' || n / 100, 'requested', '', '[]', false, 'me' {_OF}""",
    f"""INSERT INTO processing_runs (night, production, run_id, state, lines)
        SELECT {_NIGHT}, p, 'run' || n, 'done', '["all of it"]' {_OF}""",
    "INSERT INTO productions (name, versions) VALUES ('v1', '{}'), ('v2', '{}')",
    f"""INSERT INTO plans (path, digest, production, name, night, source, stages, holds)
        SELECT {_PATH}, 'd', p, n || '/CrabNebula', {_NIGHT}, 'CrabNebula',
        '{{"order": [["calibrate", 15], ["dl2", 5]]}}', '[]' {_OF}""",
    f"""INSERT INTO element_records (record_path, plan_path, production, night, source, element, stage, state, reason,
        fingerprint, lost, counts, versions, host, job, attempt, started_utc, ended_utc, elapsed_s,
        cpu_s, peak_memory_mb, log)
        SELECT {_ELEMENT} || '.record.json', {_PATH}, p, {_NIGHT}, 'CrabNebula', 'calibrate/M1/' || e,
        CASE WHEN e <= 15 THEN 'calibrate' ELSE 'dl2' END, CASE WHEN n % 50 = 0 AND e = 3 THEN 'failed' ELSE 'done' END,
        '', md5(n || p || e), '[]', '{{"events_in": 12000, "events_out": 11000}}',
        '{{"mcp": "0.6.2", "ctapipe": "0.25.1"}}', 'node1', 'slurm 12_3', 1, '2026-01-01', '2026-01-01', 12.5, 11.0,
        800.0, '/logs/x.log' {_OF}, generate_series(1, 20) e""",
    f"""INSERT INTO publications (production, night, source, cuts, path, plan, verdict)
        SELECT p, {_NIGHT}, 'CrabNebula', 'g_dyn_0.9', {_PATH} || v, {_PATH}, 'good' {_OF}, generate_series(1, 2) v""",
    f"""INSERT INTO qa (production, night, source, verdict, reason, metrics, runs, page)
        SELECT p, {_NIGHT}, 'CrabNebula', 'good', '', '{{"significance_sigma": 12.5, "runs": 2}}', '{{"3265": "good"}}',
        {_PATH} {_OF}""",
    f"""INSERT INTO holds (production, night, source, reason, held_by, released_by, released_utc)
        SELECT p, {_NIGHT}, '', 'look', 'me', 'me', clock_timestamp() {_OF}""",
)


def _filled(url: str, nights: int) -> Catalog:
    migrate(Catalog(url))
    made = Catalog(url)
    with made.engine.begin() as connection:
        for statement in FILL:
            connection.execute(text(statement), {"nights": nights})
    with made.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    return made


@pytest.fixture(scope="module")
def ten_years(fresh: Callable[[str], str]) -> Catalog:
    return _filled(fresh("ten_years"), NIGHTS)


@pytest.fixture(scope="module")
def one_year(fresh: Callable[[str], str]) -> Catalog:
    """A tenth of it, with the same last nights."""
    made = _filled(fresh("one_year"), NIGHTS // 10)
    with made.engine.begin() as connection:
        shift = FIRST.evening.toordinal() - Night("2018-11-01").evening.toordinal()
        for table in (
            "observations",
            "readiness",
            "dispatches",
            "requests",
            "processing_runs",
            "plans",
            "element_records",
            "qa",
        ):
            connection.execute(text(f"UPDATE {table} SET night = night + {shift}"))
    return made


QUERIES = {
    "observations": night_queries.observations, "readiness": night_queries.readiness,
    "plans": night_queries.latest_plans, "element_records": night_queries.element_states,
    "publications": night_queries.published, "qa": night_queries.quality,
    "dispatches": night_queries.latest_dispatches, "requests": night_queries.latest_requests,
    "processing_runs": night_queries.latest_processing_runs, "holds": night_queries.open_holds,
}  # fmt: skip


@pytest.mark.parametrize("table", QUERIES)
def test_a_range_of_nights_is_found_by_an_index(ten_years, table):
    query: Select[tuple[object]] = QUERIES[table](night_queries.Range("v1", FIRST.evening, LAST.evening))
    sql = query.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})
    with ten_years.engine.connect() as connection:
        (plan,) = connection.execute(
            text(f"EXPLAIN (ANALYZE, FORMAT JSON) {str(sql).replace(':', chr(92) + ':')}")
        ).scalar_one()
    looked_at = 0
    nodes = [plan["Plan"]]
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        assert node["Node Type"] != "Seq Scan", node
        if "Relation Name" in node:
            looked_at += (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
    nights = 30
    assert looked_at <= 2 * nights * (20 if table == "element_records" else 2)


def _time_s(catalog: Catalog) -> float:
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        assert len(night_overview(catalog, "v1", FIRST, LAST)) == 30
        times.append(time.perf_counter() - begin)
    return min(times)


def test_an_overview_of_a_month_takes_as_long_in_ten_years_as_in_one(ten_years, one_year):
    assert _time_s(ten_years) < 3 * _time_s(one_year)


def test_an_overview_has_the_numbers(ten_years):
    (row,) = night_overview(ten_years, "v2", Night("2018-10-10"), Night("2018-11-29"))[49:]
    assert (row.night, row.source) == (Night("2018-11-29"), "CrabNebula")
    assert [(one.stage, one.total, one.done, one.failed, one.open) for one in row.planned.stages] == [
        ("calibrate", 15, 14, 1, 0), ("dl2", 5, 5, 0, 0),
    ]  # fmt: skip
    assert (row.observed.lst_runs, row.quality.verdict, row.published.verdict) == ((3265, 3266), "good", "good")
    assert (row.run.state, row.request.outcome, row.dispatch.reason, row.held) == ("done", "requested", "complete", ())
