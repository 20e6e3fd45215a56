"""What people decide on the pages: who may, what is noted, and what is refused."""

from __future__ import annotations

import json
import re

import pytest
from fastapi.testclient import TestClient
from people import logged_in
from stereo_portal.app import create_app

from stereo_tasks.catalog.holds import open_holds
from stereo_tasks.catalog.overrules import open_overrules
from stereo_tasks.catalog.sign_offs import sign_offs
from stereo_tasks.catalog.withdrawals import open_withdrawals
from stereo_tasks.processing.withdrawing import note_publication

ORIGIN = {"Origin": "http://testserver"}
pytestmark = pytest.mark.usefixtures("output")


class Person:
    """Somebody who opens a form, fills it in and sends it."""

    def __init__(self, role: str, name: str = "ana") -> None:
        self.client = TestClient(logged_in(create_app(), role, name), follow_redirects=False)

    def token(self, address: str) -> str:
        return re.search(r'name="token" value="([^"]+)"', self.client.get(address).text)[1]

    def send(self, address: str, headers=ORIGIN, **values: str):
        values = {"token": self.token(address), **values}
        return self.client.post(address, data=values, headers=headers)

    def done(self, address: str, **values: str) -> str:
        """Send a form; return what the page of the night says, once."""
        answer = self.send(address, **values)
        assert answer.status_code == 303, answer.text
        night = address.rsplit("/", 1)[0]
        assert answer.headers["Location"] == f"../{night.rsplit('/', 1)[1]}"
        text = self.client.get(night).text
        said = re.search(r'role="status">(.*?)</div>', text)[1]
        assert 'role="status"' not in self.client.get(night).text
        return said


@pytest.fixture
def operator() -> Person:
    return Person("op")


@pytest.fixture(scope="module")
def judged(scene, nights):
    """The night that is done, with three runs that QA has judged."""
    scene.judged(nights["done"], "good", "warning", "bad")
    return nights["done"]


def _address(night, name: str) -> str:
    return f"/mcp062/{night.lst_date}/{name}"


# --- who may


def test_links_are_for_those_who_may(nights, judged):
    for path in ("/", f"/mcp062/{judged.lst_date}", "/runs"):
        assert re.search('href="[^"]*(hold|overrule)', Person("viewer").client.get(path).text) is None
        assert re.search('href="[^"]*(hold|overrule)', Person("op").client.get(path).text)
        assert re.search('href="[^"]*(hold|overrule)', Person("admin").client.get(path).text)


# --- what is noted


@pytest.mark.parametrize("role", ["op", "admin"])
def test_a_night_is_held_and_released(scene, nights, role):
    night, person = nights["partial"], Person(role, f"{role}-ana")
    text = person.client.get(_address(night, "hold")).text
    assert "What is published stays" in text
    said = person.done(_address(night, "hold"), source="", until="", reason="clouds & <b>more</b>")
    assert "is held, by" in said
    assert "<b>" not in said
    (row,) = open_holds(scene.catalog, "mcp062", night=night)
    assert (row.held_by, row.reason, row.source) == (f"{role}-ana", "clouds & <b>more</b>", "")
    again = person.send(_address(night, "hold"), source="", reason="again")
    assert again.status_code == 422
    assert "is held already, by" in again.text
    assert "give a reason" in person.send(_address(night, "release"), source="").text
    assert "is released" in person.done(_address(night, "release"), source="", reason="the sky was clear")
    assert open_holds(scene.catalog, "mcp062", night=night) == ()
    assert f"by {role}-ana: the sky was clear" in person.client.get(f"/mcp062/{night.lst_date}").text


def test_a_verdict_is_overruled_and_that_is_lifted(scene, nights, judged, operator):
    run = f"{judged}/CrabNebula/3"
    form = operator.client.get(_address(judged, "overrule"), params={"run": run}).text
    assert f'value="{run}" selected' in form
    said = operator.done(_address(judged, "overrule"), run=run, level="good", reason="the metric is wrong")
    assert "good instead of bad, the metric is wrong" in said
    with scene.catalog.transaction() as session:
        (row,) = open_overrules(session, "mcp062", first=judged, last=judged)
        assert (row.run, row.level, row.decided_by, row.reason) == (3, "good", "ana", "the metric is wrong")
    assert "is bad again" in operator.done(_address(judged, "lift-overrule"), run=run, reason="it was right")
    with scene.catalog.transaction() as session:
        assert open_overrules(session, "mcp062", first=judged, last=judged) == ()


def test_a_night_is_signed_off_and_that_is_taken_back(scene, judged, operator):
    assert "CrabNebula 3: bad the rate is low" in operator.client.get(_address(judged, "sign-off")).text
    assert "is signed off by ana" in operator.done(_address(judged, "sign-off"), reason="looked at")
    signed = sign_offs(scene.catalog, "mcp062", judged, judged)[judged]
    assert (signed.by, signed.remark) == ("ana", "looked at")
    assert "signed off already" in operator.send(_address(judged, "sign-off"), reason="").text
    assert "not signed off any more" in operator.done(_address(judged, "lift-sign-off"), reason="too early")
    assert sign_offs(scene.catalog, "mcp062", judged, judged) == {}


def test_a_run_is_withdrawn_and_published_again(root, scene, operator):
    from published_site import PublishedSite

    from stereo_tasks.products.versions import MANIFEST

    night, site = scene.night(40), PublishedSite(root)
    site.publish(str(night), [11, 12])
    note_publication(scene.catalog, site.root, "mcp062", night)
    scene.judged(night, "good", "good", first_run=11)

    def published() -> set[str]:
        story = json.loads((site.link(str(night)) / MANIFEST).read_text())
        return {name.rpartition("/")[2] for name in story["runs"]}

    assert published() == {"00011", "00012"}
    said = operator.done(_address(night, "withdraw"), what="CrabNebula/12", reason="the mirrors were dewy")
    assert "run 12 of CrabNebula" in said
    assert "is withdrawn" in said
    assert published() == {"00011"}
    (row,) = open_withdrawals(scene.catalog, "mcp062", night=night)
    assert (row.run, row.withdrawn_by, row.reason) == (12, "ana", "the mirrors were dewy")
    said = operator.done(_address(night, "lift-withdrawal"), what="CrabNebula/12", reason="they were not")
    assert "is published again" in said
    assert published() == {"00011", "00012"}
    assert open_withdrawals(scene.catalog, "mcp062", night=night) == ()


def test_the_cost_of_processing_again_is_told_first(root, scene, operator, monkeypatch):
    from published_site import PublishedSite

    from stereo_tasks.catalog.records import ingest
    from stereo_tasks.processing.reprocessing import NightCost, source_cost

    night = scene.night(41)
    plan = PublishedSite(root).make(str(night), [1, 2, 3])
    ingest(scene.catalog, plan.path)
    plan.elements[0].record_path.unlink()
    # To plan a night needs raw files and the science environment.
    cost = NightCost((source_cost(scene.catalog, plan),), ("Mrk421: trigger is SumT",))
    monkeypatch.setattr("stereo_tasks.processing.reprocessing.night_cost", lambda *_: cost)
    text = re.sub("<[^>]+>", " ", operator.client.get(_address(night, "reprocess")).text)
    assert "3 elements, 1.5 CPU h if only what is not valid is made, 5 elements, 2.5 CPU h for everything" in text
    assert re.search(r"index\s+0/1\s+1 elements, 0.5 CPU h\s+2 elements, 1 CPU h", text)
    assert "Not taken: Mrk421: trigger is SumT" in text


def test_there_is_no_button_for_what_cannot_be(nights, operator):
    night = nights["waiting"]
    for name, why in {
        "release": "Nobody holds it", "overrule": "QA has no verdict", "lift-overrule": "Nobody has overruled",
        "lift-sign-off": "Nobody has signed it off", "withdraw": "Nothing of it is published",
        "lift-withdrawal": "Nothing of it is withdrawn",
    }.items():  # fmt: skip
        text = operator.client.get(_address(night, name)).text
        assert why in text
        assert "<button" not in text


# --- what is refused


def _nothing_held(scene, night) -> bool:
    return open_holds(scene.catalog, "mcp062", night=night) == ()


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"reason": "  "}, "give a reason"),
        ({}, "give a reason"),
        ({"reason": "x", "source": "Crab"}, "is none of CrabNebula"),
        ({"reason": "x", "source": '"><script>'}, "is none of CrabNebula"),
        ({"reason": "x" * 1001}, "at most 1000 letters"),
        ({"reason": "x", "until": "soon"}, "is no date"),
        ({"reason": "x", "until": "2020-01-01"}, "has passed"),
        ({"reason": "x" * 30_000}, "more than 20 kB"),
        ({f"f{number}": "x" for number in range(40)}, "cannot be read"),
    ],
)
def test_a_form_that_cannot_be_says_why_and_does_nothing(scene, nights, operator, values, why):
    night = nights["ready"]
    answer = operator.send(_address(night, "hold"), **values)
    assert answer.status_code in (403, 422)
    assert why in answer.text
    assert "<script>" not in answer.text
    assert _nothing_held(scene, night)


def test_what_is_no_form_does_nothing(scene, nights, operator):
    night = nights["ready"]
    address = _address(night, "hold")
    values = {"token": operator.token(address), "reason": "x", "source": ""}
    for answer in (
        operator.client.post(address, json=values, headers=ORIGIN),
        operator.client.post(address, data=values, files={"file": b"x"}, headers=ORIGIN),
        operator.client.post(address, content=b"reason=%ff%fe", headers={
            "Content-Type": "application/x-www-form-urlencoded", **ORIGIN}),
    ):  # fmt: skip
        assert answer.status_code == 422
        assert "Nothing was done" in answer.text
    assert _nothing_held(scene, night)


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "null"}, {"Origin": "http://elsewhere.example"}, {"Origin": "http://testserver.elsewhere.example"},
     {**ORIGIN, "Sec-Fetch-Site": "cross-site"}, {**ORIGIN, "Sec-Fetch-Site": "same-site"},
     {**ORIGIN, "Sec-Fetch-Site": "none"}],
)  # fmt: skip
def test_a_form_from_elsewhere_does_nothing(scene, nights, operator, headers):
    night = nights["ready"]
    answer = operator.send(_address(night, "hold"), headers=headers, source="", reason="x")
    assert answer.status_code == 403
    assert "does not come from a page of this site" in answer.text
    assert _nothing_held(scene, night)


def test_a_form_without_the_token_that_is_its_own_does_nothing(scene, nights, operator, monkeypatch):
    night = nights["ready"]
    address = _address(night, "hold")
    others = {
        "none": "", "odd": "x.y.z", "another person's": Person("op", "eve").token(address),
        "another form's": operator.token(_address(night, "sign-off")),
        "another night's": operator.token(_address(nights["done"], "hold")),
    }  # fmt: skip
    for whose, token in others.items():
        answer = operator.send(address, token=token, source="", reason="x")
        assert answer.status_code == 403, whose
        assert "no form of yours" in answer.text
    token = operator.token(address)
    monkeypatch.setattr("stereo_portal.sent_form._AGE_S", -1)
    assert operator.send(address, token=token, source="", reason="x").status_code == 403
    assert _nothing_held(scene, night)


def test_what_was_done_is_said_by_this_site_alone(nights, operator):
    night = f"/mcp062/{nights['ready'].lst_date}"
    operator.client.cookies.set("stereo_done", '["all is well"]')
    assert "all is well" not in operator.client.get(night).text


def test_no_night_or_production_of_such_a_name(operator):
    for address in ("/mcp062/yesterday/hold", "/nope/20240110/hold", "/mcp062/99991231/hold"):
        answer = operator.client.get(address)
        assert answer.status_code == 404
        assert "All nights" in answer.text


def test_the_digest_is_a_page(client, nights):
    answer = client.get("/digest")
    assert answer.status_code == 200
    assert "dl2/00001: exit code 1" in answer.text
    assert "<h2>Disks</h2>" in answer.text
    assert 'href="./digest" aria-current="page"' in answer.text
    assert client.get("/digest", params={"production": "<i>"}).status_code == 404
