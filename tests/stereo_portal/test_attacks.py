"""Every route and every form under attack: refused, or answered with nothing in it, and always with the headers."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import quote

import pytest
from attacks import OTHERS, PATHS, SCRIPT, TEXTS
from fastapi.testclient import TestClient
from people import logged_in
from routes import OPERATOR, ROLES, WHO, every_route
from sqlalchemy import func, select
from stereo_portal.app import create_app
from stereo_portal.headers import FRAME_POLICY, HEADERS, PAGE_POLICY

from stereo_tasks.catalog.models import HoldRow, Overrule, Request, SignOffRow, WithdrawalRow

ROUTES = every_route()
FORMS = [route for route in ROUTES if route.method == "POST"]
READ = [route for route in ROUTES if route.method == "GET"]
POLICY = "Content-Security-Policy"
ORIGIN = {"Origin": "http://testserver"}


@pytest.fixture(scope="module")
def fitting(output, nights, scene):
    """A value for each gap of an address, of which the portal has a page."""
    done = nights["done"]
    scene.judged(done, "good", "warning", "bad")
    season = output / "mcp062" / "CrabNebula" / "Season" / "all"
    season.mkdir(parents=True)
    (season / "season.html").write_text("<html>the season</html>")
    return {
        "production": "mcp062", "source": "CrabNebula", "night": done.lst_date, "of": "all", "name": "dl2/00001",
        "id": "asset_triggered__1",
    }  # fmt: skip


@pytest.fixture(scope="module")
def people():
    """Somebody of each role, and a stranger."""
    apps = {role: logged_in(create_app(), role, role) for role in ROLES} | {"stranger": create_app()}
    clients = {
        role: TestClient(app, raise_server_exceptions=False, follow_redirects=False) for role, app in apps.items()
    }
    for client in clients.values():
        client.__enter__()  # one thread for all that it asks
    yield clients
    for client in clients.values():
        client.__exit__()


@pytest.fixture(scope="module")
def decided(scene):
    """How much people have decided: a function."""

    def count() -> list[int]:
        with scene.catalog.transaction() as session:
            return [
                session.scalar(select(func.count()).select_from(table))
                for table in (HoldRow, Overrule, SignOffRow, WithdrawalRow, Request)
            ]

    return count


def _check(route, answer, *statuses):
    """Say what is wrong with an answer to an attack: nothing of it may be there as markup, nothing of ours either."""
    text = answer.text
    assert answer.status_code in statuses, answer.status_code
    policy = answer.headers[POLICY]
    framing = route.is_frame and policy == FRAME_POLICY
    assert policy == PAGE_POLICY or framing or (route.is_page_of_files and policy.startswith("sandbox")), policy
    for name, value in HEADERS.items():
        assert name == POLICY or answer.headers[name] == value, name
    for markup in ("<script>", "<img src=x", "' onmouseover='", "1337", "root:x:", ">secret<"):
        assert markup not in text, markup
    assert text != "secret"
    assert "thief" not in answer.headers.get("Set-Cookie", "")
    assert re.match(r"\.{1,2}/|http://testserver/(?!/)", answer.headers.get("Location", "./")), answer.headers


def _token(client, address: str) -> str:
    found = re.search(r'name="token" value="([^"]+)"', client.get(address).text)
    return found[1] if found else ""


# --- every route is known


def test_every_route_is_known():
    assert {str(route) for route in ROUTES} == set(WHO), "say in routes.py who may use a new route"
    assert {str(route) for route in FORMS} == {f"POST {route.path}" for route in READ if WHO[str(route)] == OPERATOR}, (
        "a form is shown where it is sent to"
    )


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_every_route_is_for_those_who_may(people, fitting, route):
    address = route.address(fitting)
    for role, client in people.items():
        answer = client.request(route.method, address, data={"reason": "x"} if route.method == "POST" else None)
        if role == "stranger":
            _check(route, answer, 401)
            login = client.request(route.method, address, headers={"Accept": "text/html"})
            _check(route, login, 303)
            assert login.headers["Location"].endswith(f"auth/login?next={quote(address, safe='')}")
        elif route.method == "POST" or (role == "viewer" and WHO[str(route)] == OPERATOR):
            _check(route, answer, 403)  # those who may have no token
        else:
            # The database of Airflow knows no runs here.
            _check(route, answer, 404 if route.path == "/run" else 200)


# --- addresses


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_no_text_in_an_address_does_anything(people, fitting, decided, route):
    before = decided()
    for gap in (*route.in_path, *route.in_query):
        # All forms read their paths by the same function: that of one of them is enough.
        is_path = gap in route.in_path and (WHO[str(route)] != OPERATOR or route.path.endswith("/hold"))
        for name, text in (TEXTS | PATHS if is_path else TEXTS).items():
            answer = people["op"].request(route.method, route.address(fitting, {gap: text}))
            try:
                # A text may be a source of which there is nothing.
                _check(route, answer, *((200,) if route.method == "GET" else ()), 303, 307, 400, 403, 404, 405, 414)
            except AssertionError as error:
                raise AssertionError(f"{gap}, {name}: {error}") from None
    assert decided() == before


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_what_there_is_not_is_no_page(people, fitting, route):
    for gap in (*route.in_path, *route.needed):
        if gap in OTHERS:
            answer = people["op"].request(route.method, route.address(fitting, {gap: quote(OTHERS[gap])}))
            _check(
                route, answer, 403 if route.method == "POST" else 404, *((200,) if gap in ("night", "source") else ())
            )


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_an_address_that_is_long_or_has_nul_is_refused(people, fitting, route):
    for client in (people["stranger"], people["op"]):
        for field in ("source=%00", "x=%00", "%00=x"):
            _check(route, client.request(route.method, f"{route.address(fitting)}?{field}"), 404)
        for long in (f"source={'a' * 30_000}", "&".join(f"source={n}" for n in range(3_000))):
            address = route.address(fitting)
            answer = client.request(route.method, f"{address}{'&' if '?' in address else '?'}{long}")
            _check(route, answer, 414)
            assert len(answer.content) < 20_000
    if route.in_path:
        _check(route, people["op"].request(route.method, route.address(fitting, {route.in_path[0]: "a" * 30_000})), 414)


@pytest.mark.parametrize("route", READ, ids=str)
def test_ranges_are_turned_round_and_the_last_of_two_fields_counts(people, fitting, route):
    for fields in ({"first": "2024-02-01", "last": "2024-01-01"}, {"zenith_min": "60", "zenith_max": "10"},
                   {"until": "2018-10-10"}, {"first": "2099-12-31"}, {"last": "2018-10-10"}, {"year": "2099"},
                   {"first": "2018-10-10", "last": "2099-12-31"}):  # fmt: skip
        if set(fields) <= set(route.in_query):
            _check(route, people["viewer"].get(route.address(fitting, fields)), 200)
    if route.in_query:
        name = route.in_query[0]
        twice = f"{name}={PATHS['script']}&{name}={quote(fitting.get(name, ''))}"
        address = route.address({name: "" for name in route.needed} | fitting)
        _check(route, people["viewer"].get(f"{address}{'&' if '?' in address else '?'}{twice}"), 200, 404)


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_no_other_method_does_anything(people, fitting, decided, route):
    before, address = decided(), route.address(fitting)
    allowed = {one.method for one in ROUTES if one.path == route.path}
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "NONSENSE"} - allowed:
        _check(route, people["admin"].request(method, address, data={"reason": "x"}, headers=ORIGIN), 405)
    assert decided() == before


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_what_breaks_tells_nothing(people, fitting, route, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("hunter2")

    monkeypatch.setattr("stereo_tasks.settings.load_settings", broken)
    monkeypatch.setattr("stereo_portal.run_notes.night_of_run", broken)
    address = route.address(fitting)
    form = {"token": _signed(route, address), "reason": "x"} if route.method == "POST" else None
    answer = people["op"].request(route.method, address, data=form, headers=ORIGIN)
    _check(route, answer, 200 if route.path == "/open.js" else 500)
    assert "hunter2" not in answer.text


def _signed(route, address: str) -> str:
    from stereo_portal.sent_form import signer

    return signer("form").dumps(["op", address])


# --- forms


@pytest.mark.parametrize("route", FORMS, ids=str)
def test_a_form_from_elsewhere_or_without_its_token_does_nothing(people, fitting, decided, route):
    before, address = decided(), route.address(fitting)
    token, others = _signed(route, address), _token(people["admin"], FORMS[0].address(fitting))
    for headers in ({}, {"Origin": "null"}, {"Origin": "https://elsewhere.example"}, {"Origin": "http://testserver:81"},
                    {**ORIGIN, "Sec-Fetch-Site": "cross-site"}, {**ORIGIN, "Sec-Fetch-Site": "same-site"},
                    {"Host": "elsewhere.example", **ORIGIN}):  # fmt: skip
        answer = people["op"].post(address, data={"token": token, "reason": "x"}, headers=headers)
        _check(route, answer, 403)
        assert "does not come from a page of this site" in answer.text
    for forged in ("", "x.y.z", others, _signed(route, f"{address}x"), token[:-1], token + "x", SCRIPT):
        answer = people["op"].post(address, data={"token": forged, "reason": "x"}, headers=ORIGIN)
        _check(route, answer, 403)
        assert "no form of yours" in answer.text
    answer = people["viewer"].post(address, data={"token": token, "reason": "x"}, headers=ORIGIN)
    _check(route, answer, 403)
    # What a link could send.
    _check(route, people["op"].get(address, params={"token": token, "reason": "x", "source": ""}, headers=ORIGIN), 200)
    assert decided() == before


@pytest.mark.parametrize("route", FORMS, ids=str)
def test_what_is_no_small_form_of_known_fields_does_nothing(people, fitting, decided, route):
    before, address = decided(), route.address(fitting)
    token = _signed(route, address)
    fields = f"token={token}&reason=x"
    for content, kind in {
        f'{{"token": "{token}", "reason": "x"}}': "application/json",
        f"{fields}&reason=y": "application/x-www-form-urlencoded",
        fields + "x" * 30_000: "application/x-www-form-urlencoded; charset=utf-8",
    }.items():
        answer = people["op"].post(address, content=content, headers={**ORIGIN, "Content-Type": kind})
        _check(route, answer, 422)
        assert "Nothing was done" in answer.text, kind
    assert decided() == before


def test_no_other_way_to_send_a_form_does_anything(people, fitting, decided):
    """All forms are read by the same function: one of them is enough."""
    before, route = decided(), FORMS[0]
    address = route.address(fitting)
    token = _signed(route, address)
    fields = f"token={token}&reason=x&source="
    for content, kind in {
        fields: "text/plain",
        f"{fields}&": "multipart/form-data; boundary=x",
        f"{fields}&x=": "",
        f"{fields}&token={token}": "application/x-www-form-urlencoded",
        f"{fields}%00": "application/x-www-form-urlencoded",
        f"{fields}%ff": "application/x-www-form-urlencoded",
        fields + "&x=" * 1000: "application/x-www-form-urlencoded",
    }.items():
        answer = people["op"].post(address, content=content, headers={**ORIGIN, "Content-Type": kind})
        _check(route, answer, 422)
        assert "Nothing was done" in answer.text, kind
    assert decided() == before


def test_what_stands_in_a_form_comes_back_as_text_there_and_everywhere(people, fitting):
    client, done = people["op"], 0
    for route in FORMS:
        address = route.address(fitting)
        fields = set(re.findall(r'<(?:select|textarea|input type="text") name="(\w+)"', client.get(address).text))
        for text in (SCRIPT, "' onmouseover='alert(1)' {{7*191}} ../../etc/passwd", "9" * 999):
            form = {"token": _signed(route, address), **dict.fromkeys(fields, text)}
            answer = client.post(address, data=form, headers=ORIGIN)
            _check(route, answer, 303, 422)
            done += answer.status_code == 303
    assert done, "not one was noted"
    for page in READ:
        if not page.is_page_of_files:
            _check(page, client.get(page.address(fitting)), 200, 404)


def test_a_form_without_an_end_is_not_kept(fitting):
    """As much is read as a form may have, however much is sent."""
    route, sent, said = FORMS[0], [0], []

    async def receive():
        sent[0] += 64_000
        assert sent[0] < 1_000_000
        return {"type": "http.request", "body": b"a" * 64_000, "more_body": True}

    async def send(message):
        said.append(message)

    address = route.address(fitting)
    scope = {
        "type": "http", "method": "POST", "path": address, "raw_path": address.encode(), "root_path": "",
        "query_string": b"", "scheme": "http", "server": ("testserver", 80), "http_version": "1.1",
        "headers": [(b"host", b"testserver"), (b"origin", b"http://testserver"),
                    (b"content-type", b"application/x-www-form-urlencoded")],
    }  # fmt: skip
    asyncio.run(logged_in(create_app(), "op")(scope, receive, send))
    assert said[0]["status"] == 422
