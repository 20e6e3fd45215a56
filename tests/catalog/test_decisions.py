"""What people decide: whole lines whatever happens, and nothing in the catalog that is not in them."""

from __future__ import annotations

import datetime as dt
import json
import multiprocessing
import os
from pathlib import Path

import pytest
from sqlalchemy import text

from stereo_tasks.catalog import decisions, holds, requests
from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.decisions import DecisionError, append, read
from stereo_tasks.catalog.models import HoldRow
from stereo_tasks.catalog.taking_over import take_over

AT = dt.datetime(2026, 11, 22, 10, 0, tzinfo=dt.UTC)
NIGHT = dt.date(2020, 12, 15)


def test_what_is_appended_is_read_in_the_order_of_time(tmp_path):
    until = AT + dt.timedelta(days=99)
    append(
        tmp_path / "d", "hold", AT + dt.timedelta(days=30), {"night": NIGHT, "until_utc": until, "reason": "Wölkchen"}
    )
    append(tmp_path / "d", "release", AT, {"night": NIGHT, "released_by": "me"})
    assert sorted(path.name for path in (tmp_path / "d").iterdir()) == ["2026-11.jsonl", "2026-12.jsonl"]
    release, hold = read(tmp_path / "d")
    assert (release["kind"], release["at"], release["night"]) == ("release", AT, NIGHT)
    assert (hold["kind"], hold["until_utc"], hold["reason"]) == ("hold", until, "Wölkchen")
    assert list(read(tmp_path / "nothing")) == []


def test_a_line_cut_short_is_left_out_and_spoils_no_other(tmp_path, caplog):
    append(tmp_path, "release", AT, {"night": NIGHT, "n": 1})
    (path,) = tmp_path.iterdir()
    with path.open("a") as file:
        file.write('{"kind": "hold", "at": "2026-11-2')
    append(tmp_path, "release", AT, {"night": NIGHT, "n": 2})
    assert [one["n"] for one in read(tmp_path)] == [1, 2]
    assert "line 2 is left out" in caplog.text


def test_processes_append_at_once(tmp_path):
    processes = multiprocessing.get_context("fork")
    together = processes.Barrier(4)

    def write(name: str) -> None:
        together.wait(20)
        for number in range(50):
            append(tmp_path, "release", AT, {"night": NIGHT, "n": number, "long": name * 5000})
        os._exit(0)

    runs = [processes.Process(target=write, args=(name,)) for name in "abcd"]
    for run in runs:
        run.start()
    for run in runs:
        run.join(60)
    found = list(read(tmp_path))
    assert len(found) == 200
    for name in "abcd":
        assert [one["n"] for one in found if one["long"][0] == name] == list(range(50))


@pytest.fixture
def kept(catalog, tmp_path) -> Catalog:
    """The catalog, with files of decisions."""
    return Catalog(catalog.url.render_as_string(hide_password=False), tmp_path / "output" / "decisions")


def test_what_cannot_be_written_down_is_not_done(kept, night):
    kept.decisions.parent.mkdir()
    kept.decisions.write_text("not a folder")
    with pytest.raises(DecisionError, match="cannot be written"):
        holds.hold(kept, night, "v1", "wait", by="me")
    with pytest.raises(DecisionError):
        requests.note_request(kept, night, "v1", requests.WAITING)
    assert holds.open_holds(kept) == ()
    assert requests.requests_of(kept, "v1") == ()


def test_it_is_in_the_file_before_it_is_in_the_catalog(kept, night, monkeypatch):
    seen = []

    def look(*arguments: object) -> None:
        written(*arguments)
        seen.append(holds.open_holds(kept))

    written = decisions._write
    monkeypatch.setattr(decisions, "_write", look)
    holds.hold(kept, night, "v1", "wait", by="me")
    assert seen == [()]
    assert len(holds.open_holds(kept)) == 1
    assert [one["kind"] for one in read(kept.decisions)] == ["hold"]


def test_what_changes_nothing_is_not_written_down(kept, night):
    for _ in range(2):
        holds.hold(kept, night, "v1", "wait", by="me")
    holds.release(kept, night, "v2", by="me")
    assert [one["kind"] for one in read(kept.decisions)] == ["hold"]


def _decide(catalog: Catalog, night) -> None:
    holds.hold(catalog, night, "v1", "moon", by="me")
    holds.release(catalog, night, "v1", by="boss", reason="the sky was clear")
    holds.hold(catalog, night, "v1", "clouds", by="me", until=dt.datetime(2099, 1, 1, tzinfo=dt.UTC))
    holds.hold(catalog, night, "v1", "odd", by="me", source="Mrk421")
    requests.note_request(catalog, night, "v1", requests.WAITING, "no files", sources=["Crab"], force=True, by="me")
    requests.note_request(catalog, night, "v1", requests.REQUESTED, by="you", backfill="7")


def _rows(catalog: Catalog) -> list[list[tuple]]:
    names = "night, production, source, reason, held_by, held_utc, until_utc, released_by, release_reason, released_utc"
    with catalog.transaction() as session:
        return [
            [tuple(row) for row in session.execute(text(statement))]
            for statement in (
                f"SELECT {names} FROM holds ORDER BY held_utc",
                "SELECT night, production, outcome, reason, sources, force, requested_by, backfill, requested_utc "
                "FROM requests ORDER BY id",
            )
        ]


def test_a_lost_database_has_them_again(kept, night):
    _decide(kept, night)
    before = _rows(kept)
    with kept.transaction() as session:
        session.execute(text("TRUNCATE holds, requests"))
    assert take_over(kept) == 5
    assert _rows(kept) == before
    assert take_over(kept) == 0
    assert _rows(kept) == before
    assert [one.reason for one in holds.open_holds(kept)] == ["clouds", "odd"]


def test_the_files_get_what_an_older_program_wrote_into_the_catalog_alone(kept, catalog, night):
    _decide(Catalog(catalog.url.render_as_string(hide_password=False)), night)  # keeps no files
    assert list(read(kept.decisions)) == []
    assert take_over(kept) == 0
    assert [one["kind"] for one in read(kept.decisions)] == ["hold", "release", "hold", "hold", "request", "request"]
    before = _rows(kept)
    with kept.transaction() as session:
        session.execute(text("TRUNCATE holds, requests"))
    take_over(kept)
    assert _rows(kept) == before


def test_a_journal_of_version_0_2_is_taken_over_and_stays(kept, night):
    journal = kept.decisions.parent / "journal"
    journal.mkdir(parents=True)
    common = {"night": str(night), "production": "v1"}
    lines = (
        {**common, "kind": "hold", "at": "2026-11-20T10:00:00+00:00", "source": "", "reason": "moon", "held_by": "me",
         "until_utc": None},
        {**common, "kind": "release", "at": "2026-11-21T10:00:00+00:00", "source": "", "released_by": "boss"},
        {**common, "kind": "hold", "at": "2026-11-22T10:00:00+00:00", "source": "", "reason": "clouds",
         "held_by": "me", "until_utc": "2099-01-01T00:00:00+00:00"},
        {**common, "kind": "request", "at": "2026-11-22T10:30:00+00:00", "signature": "abc", "reason": "complete"},
        {**common, "kind": "ask", "at": "2026-11-22T11:00:00+00:00", "backfill": "7", "outcome": "waiting",
         "reason": "no files", "sources": ["Crab"], "force": True, "asked_by": "me"},
        {"kind": "job", "at": "2026-11-22T12:00:00+00:00", "token": "t"},
    )  # fmt: skip
    content = "".join(json.dumps(line) + "\n" for line in lines)
    Path(journal / "2026-11.jsonl").write_text(content)
    assert take_over(kept) == 3
    assert take_over(kept) == 0
    assert [one.reason for one in holds.open_holds(kept)] == ["clouds"]
    (waiting,) = requests.waiting_requests(kept, "v1")
    assert (waiting.sources, waiting.force, waiting.requested_by) == (["Crab"], True, "me")
    with kept.transaction() as session:
        assert [one.released_by for one in session.query(HoldRow).order_by(HoldRow.held_utc)] == ["boss", None]
    assert (journal / "2026-11.jsonl").read_text() == content
    assert [one["kind"] for one in read(kept.decisions)] == ["hold", "release", "hold", "request"]
