"""The journal: whole lines whatever happens, and nothing in the catalog that is not in it."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import os
from pathlib import Path

import pytest

from stereo_tasks.catalog import dispatches, holds, requests
from stereo_tasks.products import journal
from stereo_tasks.products.journal import JournalError, append, read

AT = dt.datetime(2026, 11, 22, 10, 0, tzinfo=dt.UTC)


def test_what_is_appended_is_read(tmp_path):
    append(tmp_path / "j", "hold", AT, [{"night": dt.date(2020, 12, 15), "until": None, "reason": "Ein Wölkchen"}])
    append(tmp_path / "j", "ask", AT + dt.timedelta(days=30), [{"sources": ["a", "b"], "kind": "mine"}, {"n": 2}])
    append(tmp_path / "j", "ask", AT, [])
    assert sorted(path.name for path in (tmp_path / "j").iterdir()) == ["2026-11.jsonl", "2026-12.jsonl"]
    assert list(read(tmp_path / "j")) == [
        {"kind": "hold", "at": AT, "night": "2020-12-15", "until": None, "reason": "Ein Wölkchen"},
        {"kind": "ask", "at": AT + dt.timedelta(days=30), "sources": ["a", "b"]},
        {"kind": "ask", "at": AT + dt.timedelta(days=30), "n": 2},
    ]
    assert list(read(tmp_path / "nothing")) == []


def test_a_line_cut_short_is_left_out_and_spoils_no_other(tmp_path, caplog):
    append(tmp_path, "a", AT, [{"n": 1}])
    (path,) = tmp_path.iterdir()
    with path.open("a") as file:
        file.write('{"kind": "a", "at": "2026-11-2')
    assert [one["n"] for one in read(tmp_path)] == [1]
    append(tmp_path, "a", AT, [{"n": 2}])
    assert [one["n"] for one in read(tmp_path)] == [1, 2]
    assert "line 2 is left out" in caplog.text


def test_processes_append_at_once(tmp_path):
    processes = multiprocessing.get_context("fork")
    together = processes.Barrier(4)

    def write(name: str) -> None:
        together.wait(20)
        for number in range(50):
            append(tmp_path, name, AT, [{"n": number, "long": name * 5000}])
        os._exit(0)

    runs = [processes.Process(target=write, args=(name,)) for name in "abcd"]
    for run in runs:
        run.start()
    for run in runs:
        run.join(60)
    found = list(read(tmp_path))
    assert len(found) == 200
    for name in "abcd":
        assert [one["n"] for one in found if one["kind"] == name] == list(range(50))


def test_what_cannot_be_written_down_is_not_done(catalog, night, tmp_path):
    folder = tmp_path / "file"
    folder.write_text("not a folder")
    with pytest.raises(JournalError, match="cannot be written"):
        holds.hold(catalog, night, "v1", "wait", by="me", journal=folder)
    with pytest.raises(JournalError):
        dispatches.note_dispatch(catalog, night, "v1", "abc", journal=folder)
    with pytest.raises(JournalError):
        requests.note_request(catalog, night, "v1", requests.WAITING, journal=folder)
    assert holds.open_holds(catalog) == ()
    assert dispatches.dispatched(catalog, [night], "v1") == set()
    assert requests.requests_of(catalog, "v1") == ()


def test_it_is_in_the_journal_before_it_is_in_the_catalog(catalog, night, tmp_path: Path, monkeypatch):
    seen = []

    def look(*arguments: object) -> None:
        written(*arguments)
        seen.append(holds.open_holds(catalog))

    written = journal._write
    monkeypatch.setattr(journal, "_write", look)
    holds.hold(catalog, night, "v1", "wait", by="me", journal=tmp_path / "j")
    assert seen == [()]
    assert len(holds.open_holds(catalog)) == 1
    assert [one["kind"] for one in read(tmp_path / "j")] == ["hold"]


def test_what_changes_nothing_is_not_written_down(catalog, night, tmp_path):
    for _ in range(2):
        holds.hold(catalog, night, "v1", "wait", by="me", journal=tmp_path / "j")
        dispatches.note_dispatch(catalog, night, "v1", "abc", journal=tmp_path / "j")
    holds.release(catalog, night, "v2", by="me", journal=tmp_path / "j")
    assert [one["kind"] for one in read(tmp_path / "j")] == ["hold", "request"]
