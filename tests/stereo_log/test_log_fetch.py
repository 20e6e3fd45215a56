"""A log at an address: an unchanged one costs a 304, and no bad answer replaces the good copy."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import log_server
import pytest

from stereo_tasks.stereo_log import StereoLogError, fetch_log, read_log
from stereo_tasks.stereo_log.origin import shown


@pytest.fixture
def sheet(header, row) -> Iterator[log_server.SheetServer]:
    server = log_server.SheetServer()
    server.content = (header + row()).encode()
    yield server
    server.stop()


@pytest.fixture
def cache(tmp_path) -> Path:
    return tmp_path / "state" / "stereo_log"


def test_the_first_time_a_copy_is_made(sheet, cache):
    fetched = fetch_log(sheet.url, cache)
    assert fetched.path.read_bytes() == sheet.content
    assert (fetched.etag, fetched.last_modified) == (sheet.etag, sheet.modified)
    assert fetched.changed
    assert not fetched.warning
    assert not list(cache.glob(".tmp-*"))


def test_an_unchanged_log_is_not_sent_again(sheet, cache):
    first = fetch_log(sheet.url, cache)
    second = fetch_log(sheet.url, cache)
    assert sheet.statuses == [200, 304]
    assert not second.changed
    assert (second.path, second.checksum) == (first.path, first.checksum)
    assert second.checked_utc > first.checked_utc


@pytest.mark.parametrize("validators", [("ETag",), ("Last-Modified",)])
def test_one_validator_is_enough(sheet, cache, validators):
    sheet.validators = validators
    fetch_log(sheet.url, cache)
    assert not fetch_log(sheet.url, cache).changed
    assert sheet.statuses == [200, 304]


def test_a_server_without_validators_is_held_against_the_checksum(sheet, cache, header, row):
    sheet.validators = ()
    assert [fetch_log(sheet.url, cache).changed for _ in range(2)] == [True, False]
    sheet.content = (header + row() + row(source="Mrk421", lst="[9]")).encode()
    assert fetch_log(sheet.url, cache).changed
    assert sheet.statuses == [200, 200, 200]


def test_a_changed_log_gets_a_copy_beside_the_old_one(sheet, cache, header, row):
    old = fetch_log(sheet.url, cache)
    sheet.content, sheet.modified = (header + row(notes="clouds")).encode(), "Sun, 02 Oct 2022 12:00:00 GMT"
    new = fetch_log(sheet.url, cache)
    assert new.changed
    assert new.path != old.path
    assert old.path.exists()
    for number in range(15):
        sheet.content, sheet.modified = (header + row(notes=str(number))).encode(), f"version {number}"
        new = fetch_log(sheet.url, cache)
    assert len(list(cache.glob("*.csv"))) == 10
    assert new.path.exists()


def test_redirects_are_followed(sheet, cache):
    assert read_log(f"{sheet.base}/edit", cache).observations[0].source == "CrabNebula"
    fetch_log(f"{sheet.base}/edit", cache)
    assert sheet.statuses[-1] == 304


def test_a_zipped_answer_is_unpacked(sheet, cache):
    sheet.answer = log_server.zipped(sheet.content)
    assert fetch_log(sheet.url, cache).path.read_bytes() == sheet.content


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (log_server.status(500), "HTTP 500"),
        (log_server.status(403), "not shared"),
        (log_server.status(404), "no such sheet"),
        (log_server.status(204), "HTTP 204"),
        (log_server.body(log_server.LOGIN_PAGE), "login"),
        (log_server.body(b""), "Date,Source"),
        (log_server.body(b"\x00\xff" * 500), "Date,Source"),
        (log_server.body(b"a,b,c\n1,2,3\n"), "Date,Source"),
        (log_server.broken_off(b"Date,Source\n" * 100), "broke off"),
        (log_server.slowly(b"Date,Source\n" * 100), "within 0.4 s"),
        (log_server.silent, "no answer within 0.4 s"),
        (log_server.zipped(b"0" * 3_000_000), "more than 1 MB"),
        (lambda handler: log_server.send(handler, b"", status=304), "HTTP 304"),
        (lambda handler: log_server.redirect(handler, "/loop"), "redirected more than"),
        (lambda handler: log_server.redirect(handler, "http://127.0.0.1:1/"), "cannot be reached"),
        (lambda handler: log_server.redirect(handler, "gopher://[::"), ""),
        (lambda handler: handler.wfile.write(b"this is no HTTP\r\n\r\n"), ""),
        (
            lambda handler: log_server.send(
                handler, b"x", headers={"Content-Encoding": "gzip"},
            ),
            "",
        ),
    ],
)  # fmt: skip
def test_a_bad_answer_leaves_the_copy_and_says_how_old_it_is(sheet, cache, answer, says):
    sheet.validators = ()
    good = fetch_log(sheet.url, cache)
    sheet.answer = answer
    after = fetch_log(sheet.url, cache, timeout_s=0.4, max_bytes=1_000_000)
    assert says in after.warning
    assert "0 min old" in after.warning
    assert "secret" not in after.warning
    assert (after.path, after.checksum, after.changed) == (good.path, good.checksum, False)
    assert after.checked_utc == good.checked_utc
    assert after.path.read_bytes() == sheet.content
    sheet.answer = None
    assert not fetch_log(sheet.url, cache).warning


def test_a_transfer_that_ends_within_a_row_is_noticed_without_a_length(sheet, cache, header, row):
    sheet.content = (header + row() + row(source="Mrk421", lst="[9]")).encode()
    good = fetch_log(sheet.url, cache)
    sheet.answer = log_server.without_length(sheet.content[:-20])
    after = fetch_log(sheet.url, cache)
    assert "within a row" in after.warning
    assert after.checksum == good.checksum


def test_a_last_row_that_was_deleted_is_a_change(sheet, cache, header, row):
    fetch_log(sheet.url, cache)
    sheet.content, sheet.modified = (header + row() + row(source="Mrk421", lst="[9]")).encode(), "later"
    assert fetch_log(sheet.url, cache).changed
    sheet.content, sheet.modified = (header + row()).encode(), "still later"
    after = fetch_log(sheet.url, cache)
    assert after.changed
    assert not after.warning


def test_a_log_without_any_row_does_not_replace_one_with_rows(sheet, cache, header):
    good = fetch_log(sheet.url, cache)
    sheet.answer = log_server.body(header.encode())
    after = fetch_log(sheet.url, cache)
    assert "no row any more" in after.warning
    assert after.checksum == good.checksum


@pytest.mark.parametrize(
    ("answer", "says"),
    [(log_server.body(log_server.LOGIN_PAGE), "browser"), (log_server.status(500), "export the log to a file")],
)
def test_without_a_copy_a_bad_answer_says_what_to_do(sheet, cache, answer, says):
    sheet.answer = answer
    with pytest.raises(StereoLogError, match=says) as error:
        fetch_log(sheet.url, cache)
    assert "secret" not in str(error.value)
    assert not list(cache.glob("*")) if cache.exists() else True


def test_a_server_that_is_down_is_asked_once_a_minute(sheet, cache, monkeypatch, caplog):
    url = sheet.url
    read_log(url, cache, ask_again_after_s=0)
    sheet.stop()
    with caplog.at_level(logging.WARNING):
        log = read_log(url, cache, ask_again_after_s=0)
    assert log.observations[0].source == "CrabNebula"
    assert "cannot be reached" in log.warnings[0]
    assert "cannot be reached" in caplog.text
    monkeypatch.setattr("httpx.Client.stream", lambda *_, **__: pytest.fail("asked again"))
    assert read_log(url, cache).warnings == log.warnings


def test_within_a_minute_the_copy_is_read(sheet, cache):
    for _ in range(3):
        log = read_log(sheet.url, cache)
    assert sheet.statuses == [200]
    assert (log.etag, log.last_modified, log.warnings) == (sheet.etag, sheet.modified, ())
    assert log.origin == f"{sheet.base}/export"


def test_a_damaged_copy_is_fetched_again_and_never_used(sheet, cache):
    fetched = fetch_log(sheet.url, cache)
    fetched.path.write_bytes(b"half")
    again = fetch_log(sheet.url, cache)
    assert again.path.read_bytes() == sheet.content
    assert "If-None-Match" not in sheet.requests[-1]
    again.path.write_bytes(b"half")
    sheet.answer = log_server.status(500)
    with pytest.raises(StereoLogError, match="no copy"):
        fetch_log(sheet.url, cache)


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b"null", b"\xff", b'{"name": 5}'])
def test_damaged_notes_about_the_copy_are_made_again(sheet, cache, damage):
    fetch_log(sheet.url, cache)
    (notes,) = cache.glob("*.json")
    notes.write_bytes(damage)
    assert fetch_log(sheet.url, cache).changed
    assert json.loads(notes.read_text())["etag"] == sheet.etag


def test_the_notes_cannot_lead_out_of_the_folder(sheet, cache, tmp_path):
    fetched = fetch_log(sheet.url, cache)
    (notes,) = cache.glob("*.json")
    outside = tmp_path / "outside.csv"
    outside.write_bytes(sheet.content)
    notes.write_text(json.dumps(json.loads(notes.read_text()) | {"name": str(outside)}))
    assert fetch_log(sheet.url, cache).path == fetched.path


def test_many_at_once_get_the_same_copy(sheet, cache):
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(read_log(sheet.url, cache, ask_again_after_s=0)))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({log.checksum for log in results}) == 1
    assert len(results) == 12
    assert len(list(cache.glob("*.csv"))) == 1


def test_two_addresses_do_not_mix(sheet, cache):
    read_log(sheet.url, cache)
    assert len(read_log(f"{sheet.base}/export?other", cache).observations) == 1
    assert len(list(cache.glob("*.json"))) == 2


def test_a_name_of_the_content_that_cannot_be_sent_back_is_left_out(sheet, cache):
    sheet.answer = lambda handler: log_server.send(handler, sheet.content, headers={"ETag": '"\xe9t\xe9"'})
    assert fetch_log(sheet.url, cache).etag == ""
    assert not fetch_log(sheet.url, cache).warning


def test_a_full_disk_leaves_the_copy(sheet, cache, header, row, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    good = fetch_log(sheet.url, cache)
    sheet.content, sheet.modified = (header + row(notes="new")).encode(), "later"
    monkeypatch.setattr("stereo_tasks.stereo_log.fetch.write_atomically", full)
    after = fetch_log(sheet.url, cache)
    assert "No space left" in after.warning
    assert after.checksum == good.checksum


def test_a_folder_that_cannot_be_written_says_so(sheet, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StereoLogError, match="cannot be kept in"):
        fetch_log(sheet.url, tmp_path / "file" / "stereo_log")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/log.csv",
        "https://",
        "http://[::1/log",
        "http://host:99999999/",
        "https://a b/",
        "http://a\n/",
    ],
)
def test_an_address_that_cannot_be_asked_is_an_error(url, cache):
    with pytest.raises(StereoLogError):
        read_log(url, cache)


def test_what_is_logged_holds_no_secret(sheet, cache, caplog):
    with caplog.at_level(logging.DEBUG, logger=""):
        fetch_log(sheet.url.replace("//", "//somebody:word@"), cache)
        sheet.answer = log_server.status(500)
        read_log(sheet.url.replace("//", "//somebody:word@"), cache, ask_again_after_s=0)
    said = [record.getMessage() for record in caplog.records if not record.name.startswith("httpcore")]
    assert any("HTTP 500" in text for text in said)
    assert not any("secret" in text or "word" in text for text in said)


def test_user_password_and_query_are_never_shown():
    assert shown("https://user:word@example.org:8443/sheets/log?key=abc#x") == "https://example.org:8443/sheets/log"
    assert shown("http://[::1]:80/a?b") == "http://[::1]:80/a"
    assert "word" not in shown("https://user:word@[::1/log")
    assert shown(Path("/data/log.csv")) == "/data/log.csv"
