"""Pages of a catalog of 2,000 nights with two sources each, all processed lately, all with something failed."""

from __future__ import annotations

import datetime as dt
import time

import many_nights
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

FIRST = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=2001)


@pytest.fixture(scope="module")
def full(scene):
    many_nights.fill(scene.catalog, FIRST + dt.timedelta(days=1999), nights=2000)
    return scene


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
    "query",
    ["", f"first={FIRST}", f"first={FIRST}&state=failed", f"first={FIRST}&state=done", f"first={FIRST}&source=Mrk421",
     f"last={FIRST + dt.timedelta(days=9)}"],
)  # fmt: skip
def test_every_page_is_quick_and_small(full, client, query, record_property):
    times = []
    for _ in range(3):
        started = time.perf_counter()
        answer = client.get(f"/?{query}")
        times.append(time.perf_counter() - started)
    print(f"/?{query}: {min(times):.3f} s, {len(answer.content) / 1000:.0f} kB")
    assert answer.status_code == 200
    assert min(times) < 1.0, times  # 0.2 s on two idle cores; four years took 2.3 s before
    assert len(answer.content) < 100_000


def test_the_page_of_a_night_is_quick(full, client):
    started = time.perf_counter()
    assert client.get(f"/mcp062/{FIRST:%Y%m%d}").status_code == 200
    assert time.perf_counter() - started < 1.0


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
