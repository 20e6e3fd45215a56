"""Pages of a catalog of 2,000 nights with two sources each, all processed lately, all with something failed."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from statistics import median

import many_nights
import psutil
import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import Engine

FIRST = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=2001)


@pytest.fixture(scope="module")
def full(scene):
    many_nights.fill(scene.catalog, FIRST + dt.timedelta(days=1999), nights=2000)
    return scene


@pytest.fixture(scope="module")
def database_cpu_s(full):
    """Processor time that the database's processes have used, in s."""
    with full.catalog.engine.connect() as connection:
        folder = connection.scalar(text("SHOW data_directory"))
    server = psutil.Process(int(Path(folder, "postmaster.pid").read_text().split()[0]))

    def used() -> float:
        times, ended = [process.cpu_times() for process in server.children()], server.cpu_times()
        return sum(one.user + one.system for one in times) + ended.children_user + ended.children_system

    return used


@pytest.fixture
def queries():
    """Statements that the database got."""
    found: list[str] = []

    def note(connection, cursor, statement, *_):
        found.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield found
    event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.parametrize(
    "address",
    ["", f"?first={FIRST}", f"?first={FIRST}&state=failed", f"?first={FIRST}&state=done",
     f"?first={FIRST}&source=Mrk421", f"?last={FIRST + dt.timedelta(days=9)}", f"mcp062/{FIRST:%Y%m%d}",
     f"calendar?year={FIRST.year + 1}", f"calendar?year={FIRST.year + 1}&source=Mrk421", "runs",
     f"runs?first={FIRST}", "runs?source=Mrk421", f"runs?first={FIRST}&level=bad", f"runs?first={FIRST}&zenith_min=80",
     f"mcp062/{FIRST:%Y%m%d}/elements?source=CrabNebula", "trends", f"trends?first={FIRST}",
     f"trends?first={FIRST}&source=Mrk421", "seasons", "seasons/mcp062/CrabNebula", "digest"],
)  # fmt: skip
def test_every_page_is_quick_and_small(full, client, database_cpu_s, address):
    """By processor time, of ours and the database's: the other tests at work beside this one do not count.

    The median of three, the first of which has to compile its queries.
    """
    took = []
    for _ in range(3):
        started = time.process_time() + database_cpu_s()
        answer = client.get(f"/{address}")
        took.append(time.process_time() + database_cpu_s() - started)
    print(f"/{address}: {median(took):.3f} s, {len(answer.content) / 1000:.0f} kB")
    assert answer.status_code == 200
    assert median(took) < 0.3, took
    assert len(answer.content) < 250_000


def test_the_table_of_all_runs_comes_part_by_part(full, database_cpu_s):
    """Its length grows with the nights: neither its begin nor what is in memory does."""
    from stereo_portal.run_table import csv_parts

    from stereo_tasks.settings import load_settings
    from stereo_tasks.status.run_page import RunFilter

    begun = time.process_time() + database_cpu_s()
    parts = csv_parts(load_settings(), "mcp062", RunFilter())
    text = [next(parts)]
    assert time.process_time() + database_cpu_s() - begun < 0.3
    text += parts
    assert max(map(len, text)) < 250_000
    rows = "".join(text).splitlines()
    assert len(rows) == 1 + 2000 * 2 * 10
    nights = [row.split(",")[1] for row in rows[1:]]
    assert nights == sorted(nights)


def test_four_years_take_as_many_queries_as_a_night(full, client, queries):
    def count(**params):
        queries.clear()
        client.get("/", params=params)
        return len(queries)

    assert count(first=FIRST) == count(first=FIRST, last=FIRST)
    assert count(first=FIRST, state="done") <= 2 * count(first=FIRST)


def test_page_by_page_to_the_oldest_night(full, client):
    import re

    address, nights, pages = f"/?first={FIRST}", [], 0
    while address:
        text = client.get(address).text
        nights += re.findall(r'<a href="mcp062/(\d{8})">', text)[::2]
        pages += 1
        older = re.search(r'<a href="\./(\?[^"]*)">Older nights', text)
        address = older and "/" + older[1].replace("&amp;", "&")
    assert pages == 40
    assert len(nights) == len(set(nights)) == 2000
    assert nights == sorted(nights, reverse=True)
    assert "Newest nights" in text


def test_what_is_rare_is_found_by_going_on(full, client):
    full.hold(_night(1000), "Mrk421", reason="clouds")
    text = client.get("/", params={"first": FIRST, "state": "held"}).text
    assert "None of these among the newest nights" in text
    assert "Older nights" in text
    until = FIRST + dt.timedelta(days=1100)
    assert "clouds" in client.get("/", params={"first": FIRST, "state": "held", "until": until}).text


def test_alarms_of_a_backfill_of_years_are_those_of_its_newest_nights(full, client):
    text = client.get("/").text
    assert "1950 older nights were requested or processed lately" in text
    assert "100 sources of nights failed or are held" in text


def _night(day: int):
    from stereo_tasks.nights import Night

    return Night(FIRST + dt.timedelta(days=day))
