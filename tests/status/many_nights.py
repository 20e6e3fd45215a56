"""A catalog of years, written by the database itself."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import text

from stereo_tasks.catalog.database import Catalog

SOURCES = ("CrabNebula", "Mrk421")

_STATEMENTS = (
    "INSERT INTO productions (name, versions) VALUES ('mcp062', '{}') ON CONFLICT DO NOTHING",
    """
    INSERT INTO observations (night, source, content, checksum, line, accepted, reason, in_log)
    SELECT :last - n, s, '{"lst_runs": [1, 2, 3, 4], "observation_min": 80, "same_wobble_min": 75}', 'c', 1, true, '',
    true
    FROM generate_series(0, :nights - 1) n, unnest(CAST(:sources AS text[])) s
    """,
    """
    INSERT INTO readiness (night, source, production, ready, partial, present, missing, remarks)
    SELECT night, source, 'mcp062', true, false, '["LST-1 4 of 4 runs, 12 subruns", "M1 9 of 9 runs"]', '[]', '[]'
    FROM observations
    """,
    """
    INSERT INTO dispatches (night, production, content, reason, dispatched_utc)
    SELECT DISTINCT night, 'mcp062', 'c', 'complete', now() - interval '3 days' FROM observations
    """,
    """
    INSERT INTO requests (night, production, backfill, outcome, reason, sources, force, requested_by, requested_utc)
    SELECT DISTINCT night, 'mcp062', 'b', 'requested', '', CAST('[]' AS jsonb), false, 'ana', now() - interval '3 days'
    FROM observations
    """,
    """
    INSERT INTO processing_runs (night, production, run_id, state, lines, started_utc, ended_utc)
    SELECT DISTINCT night, 'mcp062', 'r' || night, 'failed', CAST('["failed: 4 of 4 runs"]' AS jsonb),
    now() - interval '3 days' + interval '1 minute', now() - interval '2 days' FROM observations
    """,
    """
    INSERT INTO plans (path, digest, production, name, night, source, stages, holds, ingested_utc)
    SELECT '/out/mcp062/' || source || '/plans/' || night || '.json', 'd', 'mcp062', night || source, night, source,
    '{"order": [["calibrate", 6], ["merge", 2], ["coincide", 4], ["dl2", 4], ["dl3", 4], ["index", 1], ["qa", 1]]}',
    '[]', now() - interval '2 days' FROM observations
    """,
    """
    INSERT INTO element_records (record_path, plan_path, production, night, source, element, stage, state, reason,
    fingerprint, lost, counts, versions, host, job, attempt, started_utc, ended_utc, elapsed_s, cpu_s,
    peak_memory_mb, log)
    SELECT p.path || stage || number, p.path, 'mcp062', p.night, p.source, stage || '/' || number, stage,
    CASE WHEN stage = 'dl2' AND number = 1 THEN 'failed' ELSE 'done' END,
    CASE WHEN stage = 'dl2' AND number = 1 THEN 'exit code 1' ELSE '' END,
    'f', '[]', '{}', '{}', 'node1', 'slurm 4711_1', 1, '', '', 1, 1, 100, '/logs/one.log'
    FROM plans p, (VALUES ('calibrate', :elements), ('merge', 2), ('coincide', 4), ('dl2', 4), ('dl3', 4), ('index', 1),
    ('qa', 1)) AS stages (stage, total), generate_series(1, total) number
    """,
    """
    INSERT INTO publications (production, night, source, cuts, path, plan, verdict)
    SELECT 'mcp062', night, source, 'g_dyn', '/out/mcp062/' || source || '/DL3/g_dyn/' || night, 'p', 'good'
    FROM observations
    """,
    """
    INSERT INTO run_verdicts (production, night, source, run, level, reasons, metrics, zenith_deg, live_time_s, plan,
    judged_utc)
    SELECT 'mcp062', night, source, (night - DATE '2000-01-01') * 10 + n,
    (ARRAY['good', 'good', 'warning', 'bad'])[n % 4 + 1], '["the rate is low"]',
    '{"stereo_rate_hz": {"value": 52.5, "unit": "Hz", "level": "good", "limit": {"good": [40, 60]}}}',
    10 + 5 * n, 1100, 'p', now()
    FROM observations, generate_series(1, 10) n
    """,
    """
    INSERT INTO qa (production, night, source, verdict, reason, metrics, runs, page)
    SELECT 'mcp062', night, source, 'good', 'rates are steady', '{"significance_sigma": 22.7}', '{}', '/report.html'
    FROM observations
    """,
)


def fill(catalog: Catalog, last: dt.date, *, nights: int, elements: int = 6) -> None:
    """Write nights of two sources, all processed in the last days, each with an element that failed.

    `elements` is how many each has to calibrate.
    """
    values = {"last": last, "nights": nights, "sources": list(SOURCES), "elements": elements}
    with catalog.engine.begin() as connection:
        for statement in _STATEMENTS:
            connection.execute(text(statement), values)
        connection.execute(text("ANALYZE"))
