"""Fetching a log from an address: an unchanged one costs one small answer, a bad answer never replaces a good copy."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import logging
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from stereo_tasks.products.files import write_atomically
from stereo_tasks.stereo_log.observation import StereoLogError
from stereo_tasks.stereo_log.origin import checked_url, shown
from stereo_tasks.stereo_log.sheet import parse_sheet

if TYPE_CHECKING:
    import httpx

MAX_BYTES = 20_000_000  # the log of three years has 52 kB
_CONNECT_S = 10.0
_WHOLE_S = 60.0  # for one answer, however slowly it comes
_MAX_REDIRECTS = 8  # a sheet's export goes through two
_COPIES = 10  # contents kept of one address, so that what changed can be looked up
_AGENT = "stereo-nights"


@dataclass(frozen=True, slots=True)
class FetchedLog:
    """The copy of a log that lies at an address."""

    path: Path
    """The copy. It does not change: other content gets another name."""
    checksum: str
    """SHA-256 of the copy."""
    etag: str
    """The server's name of this content; empty if it gives none."""
    last_modified: str
    """The server's time of the last change, as it writes it; empty if it gives none."""
    changed: bool
    """Whether the content is other than at the call before."""
    checked_utc: dt.datetime
    """When the address last gave this content, or said that it is unchanged."""
    warning: str = ""
    """Why the copy may be old, and how old it is; empty when the server has just confirmed it."""


@dataclass(frozen=True, slots=True)
class _State:
    """What is remembered of an address, in a file beside the copies."""

    name: str
    checksum: str
    etag: str
    last_modified: str
    checked_utc: str
    requested_utc: str
    error: str = ""


class _BadAnswerError(Exception):
    """The server did not give a log; the text says what it gave."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a server sent."""

    content: bytes | None
    """None: unchanged (304)."""
    etag: str = ""
    last_modified: str = ""


def fetch_log(
    origin: str, cache_folder: Path, *, max_age_s: float = 0.0, timeout_s: float = _WHOLE_S, max_bytes: int = MAX_BYTES
) -> FetchedLog:
    """Bring the copy of a log up to date.

    The server is asked with what it told about the copy (ETag, Last-Modified), so that an unchanged log is not sent
    again. An answer is taken only if it is a stereo log; everything else leaves the copy as it is, with a warning.

    Parameters
    ----------
    origin : str
        Address of the CSV export, http or https. Redirects are followed.
    cache_folder : pathlib.Path
        Where the copies lie; made if missing. Several processes may use it at once.
    max_age_s : float
        When the server was asked less than so many seconds ago, successfully or not, it is not asked again.
    timeout_s : float
        Longest time for the whole answer, in seconds.
    max_bytes : int
        Longest answer.

    Raises
    ------
    StereoLogError
        If there is neither a usable answer nor a copy.
    """
    checked_url(origin)
    now = dt.datetime.now(dt.UTC)
    sidecar = cache_folder / f"{hashlib.sha256(origin.encode()).hexdigest()[:16]}.json"
    state, old = _remembered(sidecar)
    if state is not None and 0 <= (now - dt.datetime.fromisoformat(state.requested_utc)).total_seconds() < max_age_s:
        return _result(origin, cache_folder, state, now, changed=False)
    try:
        answer = _ask(origin, state, timeout_s, max_bytes)
        if answer.content is not None:
            _check(answer.content, old, origin)
    except _BadAnswerError as error:
        return _fallback(origin, cache_folder, sidecar, state, now, str(error))
    try:
        new = _kept(cache_folder, sidecar.stem, state, answer, now)
        write_atomically(sidecar, json.dumps(asdict(new), indent=1))
    except OSError as error:
        said = f"the answer cannot be kept in {cache_folder} ({error})"
        return _fallback(origin, cache_folder, sidecar, state, now, said)
    _sweep(cache_folder, sidecar.stem, new.name)
    return _result(origin, cache_folder, new, now, changed=state is None or state.checksum != new.checksum)


def _remembered(sidecar: Path) -> tuple[_State | None, bytes]:
    """Return what is known of the copy, and the copy, if it is there and whole."""
    try:
        state = _State(**json.loads(sidecar.read_text()))
        state = replace(state, name=Path(state.name).name)
        content = (sidecar.parent / state.name).read_bytes()
        times = [dt.datetime.fromisoformat(text) for text in (state.checked_utc, state.requested_utc)]
    except (OSError, ValueError, TypeError):
        return None, b""
    sane = all(isinstance(value, str) for value in asdict(state).values()) and all(one.tzinfo for one in times)
    if not sane or hashlib.sha256(content).hexdigest() != state.checksum:
        return None, b""
    return state, content


def _kept(folder: Path, key: str, state: _State | None, answer: _Answer, now: dt.datetime) -> _State:
    if answer.content is None:
        if state is None:  # nothing was asked for by name, so nothing can be unchanged
            raise StereoLogError("the server says that the stereo log has not changed, but there is no copy of it")
        return replace(state, checked_utc=now.isoformat(), requested_utc=now.isoformat(), error="")
    checksum = hashlib.sha256(answer.content).hexdigest()
    name = f"{key}-{checksum[:16]}.csv"
    path = folder / name
    if state is None or state.name != name or not path.exists():
        write_atomically(path, answer.content)
    moment = now.isoformat()
    return _State(name, checksum, answer.etag, answer.last_modified, moment, moment)


def _fallback(
    origin: str, folder: Path, sidecar: Path, state: _State | None, now: dt.datetime, error: str
) -> FetchedLog:
    if state is None:
        raise StereoLogError(
            f"no stereo log from {shown(origin)}: {error}. There is no copy of it yet: open the address in a browser "
            "that is not logged in and see whether it gives CSV, or export the log to a file and use its path "
            "(--log, or paths.stereo_log in config/site.yaml)"
        )
    state = replace(state, requested_utc=now.isoformat(), error=error)
    with contextlib.suppress(OSError):  # the copy is what matters
        write_atomically(sidecar, json.dumps(asdict(state), indent=1))
    return _result(origin, folder, state, now, changed=False)


def _result(origin: str, folder: Path, state: _State, now: dt.datetime, *, changed: bool) -> FetchedLog:
    checked = dt.datetime.fromisoformat(state.checked_utc)
    warning = ""
    if state.error:
        warning = (
            f"no stereo log from {shown(origin)}: {state.error}. The copy of {checked:%Y-%m-%d %H:%M} UTC is used, "
            f"{_age(now - checked)} old"
        )
    return FetchedLog(
        folder / state.name, state.checksum, state.etag, state.last_modified, changed, checked, warning
    )  # fmt: skip


def _age(age: dt.timedelta) -> str:
    minutes = max(0, int(age.total_seconds() // 60))
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days"


def _sweep(folder: Path, key: str, current: str) -> None:
    """Remove all but the newest copies of an address; a reader of an old one has long finished."""
    found = []
    for path in folder.glob(f"{key}-*.csv"):
        try:
            found.append((path.stat().st_mtime, path))
        except OSError:  # another process swept it
            continue
    for _, path in sorted(found, reverse=True)[_COPIES:]:
        if path.name != current:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def _ask(origin: str, state: _State | None, timeout_s: float, max_bytes: int) -> _Answer:
    import httpx

    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs whole addresses, with their secrets
    headers = {"User-Agent": _AGENT, "Accept": "text/csv, text/plain;q=0.9, */*;q=0.1"}
    if state is not None and state.etag:
        headers["If-None-Match"] = state.etag
    if state is not None and state.last_modified:
        headers["If-Modified-Since"] = state.last_modified
    wait = httpx.Timeout(min(timeout_s, 30.0), connect=min(timeout_s, _CONNECT_S))
    deadline = time.monotonic() + timeout_s
    try:
        with httpx.Client(follow_redirects=False, timeout=wait) as client:
            request: httpx.Request | None = client.build_request("GET", origin, headers=headers)
            for _ in range(_MAX_REDIRECTS + 1):
                with contextlib.closing(client.send(cast("httpx.Request", request), stream=True)) as response:
                    request = response.next_request
                    if request is None:
                        return _taken(response, deadline, timeout_s, max_bytes, conditional=len(headers) > 2)
                    _check_redirect(response, request, deadline, timeout_s)
            raise _BadAnswerError(f"redirected more than {_MAX_REDIRECTS} times")
    except httpx.TimeoutException:
        raise _BadAnswerError(f"no answer within {timeout_s:g} s") from None
    except httpx.RemoteProtocolError as error:
        raise _BadAnswerError(f"the transfer broke off ({_plain(error)})") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _BadAnswerError(f"the server cannot be reached ({_plain(error)})") from None
    except (OSError, ValueError) as error:  # names that cannot be encoded, and the like
        raise _BadAnswerError(f"the server cannot be asked ({_plain(error)})") from None


def _plain(error: Exception) -> str:
    # Texts of the library may repeat the address with its password.
    text = str(error)
    return type(error).__name__ if "://" in text or not text else text


def _header(response: httpx.Response, name: str) -> str:
    value = response.headers.get(name, "")
    # It is sent back, and only plain characters can be sent.
    return value if len(value) <= 500 and value.isascii() and value.isprintable() else ""


def _check_redirect(response: httpx.Response, to: httpx.Request, deadline: float, timeout_s: float) -> None:
    if response.request.url.scheme == "https" and to.url.scheme != "https":
        raise _BadAnswerError("redirected from https to http, where anybody could change the log")
    if time.monotonic() > deadline:
        raise _BadAnswerError(f"no whole answer within {timeout_s:g} s")


def _taken(
    response: httpx.Response, deadline: float, timeout_s: float, max_bytes: int, *, conditional: bool
) -> _Answer:
    status = response.status_code
    if status == 304 and conditional:
        return _Answer(None)
    if status in {401, 403}:
        raise _BadAnswerError(f"HTTP {status}: the sheet is not shared with those who have the link")
    if status in {404, 410}:
        raise _BadAnswerError(f"HTTP {status}: there is no such sheet, or not any more")
    if status != 200:
        raise _BadAnswerError(f"HTTP {status}")
    content = _body(response, deadline, timeout_s, max_bytes)
    return _Answer(content, _header(response, "ETag"), _header(response, "Last-Modified"))


def _body(response: httpx.Response, deadline: float, timeout_s: float, max_bytes: int) -> bytes:
    content = bytearray()
    for chunk in response.iter_bytes():  # as it comes: a slow server must not hide behind a full buffer
        content += chunk
        if len(content) > max_bytes:
            raise _BadAnswerError(f"more than {max_bytes / 1e6:g} MB: that is no stereo log")
        if time.monotonic() > deadline:
            raise _BadAnswerError(f"no whole answer within {timeout_s:g} s")
    return bytes(content)


def _check(new: bytes, old: bytes, origin: str) -> None:
    """Check that an answer is a log, and a whole one as far as that can be seen."""
    start = new[:2000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise _BadAnswerError("a web page came instead of CSV, perhaps a login: is the sheet shared, is it the export?")
    try:
        observations, problems = parse_sheet(new, "the answer")
    except StereoLogError as error:
        raise _BadAnswerError(str(error)) from None
    if not old or new == old:
        return
    cut_within_a_row = old.startswith(new) and not new.endswith(b"\n") and old[len(new) : len(new) + 1] not in b"\r\n"
    if cut_within_a_row:
        raise _BadAnswerError(f"the log ends within a row, after {len(new)} of {len(old)} bytes: a broken transfer")
    if not observations and not problems and parse_sheet(old, shown(origin))[0]:
        raise _BadAnswerError("the log has no row any more")
