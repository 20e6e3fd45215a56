"""Overrules and sign-offs: who, when, why; one at a time; and what ends them."""

from __future__ import annotations

import datetime as dt
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for test_run_verdicts, however pytest imports the tests

from test_run_verdicts import SOURCE, V, judge

from stereo_tasks.catalog import decisions, overrules, sign_offs
from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.decisions import DecisionError, NoReasonError
from stereo_tasks.catalog.models import Overrule, SignOffRow
from stereo_tasks.catalog.overrules import OverruleError
from stereo_tasks.catalog.publications import write
from stereo_tasks.catalog.run_verdicts import find_run
from stereo_tasks.catalog.sign_offs import SignOffError
from stereo_tasks.catalog.taking_over import take_over
from stereo_tasks.nights import Night


@pytest.fixture
def run(catalog, night):
    judge(catalog, night, {1: "bad", 2: "good"})
    return find_run(catalog, V, "1")


def levels(catalog: Catalog) -> dict[int, str]:
    with catalog.transaction() as session:
        return {row.run: row.level for row in overrules.open_overrules(session, V)}


def test_a_verdict_is_overruled_and_that_is_lifted(catalog, night, run):
    row = overrules.overrule(catalog, run, "good", "looked at it", by="ana")
    assert (row.verdict, row.level, row.decided_by) == ("bad", "good", "ana")
    assert levels(catalog) == {1: "good"}
    judge(catalog, night, {1: "warning", 2: "good"})  # whatever QA says later
    assert levels(catalog) == {1: "good"}
    row = overrules.lift(catalog, run, "was wrong", by="ben")
    assert (row.lifted_by, row.lift_reason) == ("ben", "was wrong")
    assert levels(catalog) == {}
    overrules.overrule(catalog, run, "warning", "once more", by="ana")
    assert levels(catalog) == {1: "warning"}
    with catalog.transaction() as session:
        assert session.query(Overrule).count() == 2  # the first is kept


def test_what_cannot_be(catalog, run):
    with pytest.raises(OverruleError, match="no level: good, warning, bad"):
        overrules.overrule(catalog, run, "fine", "x", by="ana")
    with pytest.raises(NoReasonError, match="needs a reason"):
        overrules.overrule(catalog, run, "good", " ", by="ana")
    with pytest.raises(OverruleError, match="nobody has overruled run 2020-12-15/CrabNebula/1"):
        overrules.lift(catalog, run, by="ana")
    assert levels(catalog) == {}


def test_of_two_at_once_one_is_told_of_the_other(catalog, run):
    together, said = threading.Barrier(2), []

    def decide(name: str, level: str) -> None:
        together.wait(20)
        try:
            overrules.overrule(catalog, run, level, f"{name} says so", by=name)
            said.append("")
        except OverruleError as error:
            said.append(str(error))

    people = [threading.Thread(target=decide, args=one) for one in (("ana", "good"), ("ben", "warning"))]
    for person in people:
        person.start()
    for person in people:
        person.join(60)
    done, told = sorted(said)
    (first,) = levels(catalog).values()
    assert (done, first in told, "is overruled already, by" in told) == ("", True, True)
    assert [one["kind"] for one in decisions.read(catalog.decisions)] == ["overrule"]


def test_what_cannot_be_written_down_is_not_done(catalog, night, run):
    catalog.decisions.parent.mkdir(parents=True)
    catalog.decisions.write_text("not a folder")
    with pytest.raises(DecisionError):
        overrules.overrule(catalog, run, "good", "x", by="ana")
    with pytest.raises(DecisionError):
        sign_offs.sign_off(catalog, night, V, by="ana")
    assert levels(catalog) == {}
    assert sign_offs.sign_offs(catalog, V, night, night) == {}


def test_the_files_tell_what_counts_without_the_catalog(catalog, night, run):
    of = catalog.decisions, V, night, SOURCE
    assert overrules.overruled_runs(*of) == {}
    overrules.overrule(catalog, run, "good", "one", by="ana")
    assert overrules.overruled_runs(*of)[1].level == "good"
    overrules.lift(catalog, run, by="ana")
    assert overrules.overruled_runs(*of) == {}
    overrules.overrule(catalog, run, "warning", "two", by="ana")
    overrules.overrule(catalog, find_run(catalog, V, "2"), "bad", "three", by="ana")
    assert {number: one.level for number, one in overrules.overruled_runs(*of).items()} == {1: "warning", 2: "bad"}
    assert overrules.overruled_runs(catalog.decisions, V, night, "Mrk421") == {}


def _rows(catalog: Catalog) -> list[str]:
    with catalog.transaction() as session:
        return [
            str({key: value for key, value in vars(row).items() if key not in ("id", "_sa_instance_state")})
            for table in (Overrule, SignOffRow)
            for row in session.query(table).order_by(table.decided_utc)
        ]


def test_a_lost_database_has_them_again_and_the_files_what_they_lack(catalog, night, run):
    def decide(one: Catalog) -> None:
        overrules.overrule(one, run, "good", "one", by="ana")
        overrules.lift(one, run, by="ben")
        overrules.overrule(one, run, "warning", "two", by="ana")
        sign_offs.sign_off(one, night, V, "fine", by="ana")
        sign_offs.lift(one, night, V, by="ben")
        sign_offs.sign_off(one, night, V, by="cleo")

    def forget() -> None:
        with catalog.transaction() as session:
            session.query(Overrule).delete()
            session.query(SignOffRow).delete()

    decide(Catalog(catalog.url.render_as_string(hide_password=False)))  # keeps no files
    before = _rows(catalog)
    assert take_over(catalog) == 0
    forget()
    assert take_over(catalog) == 4
    assert _rows(catalog) == before
    assert take_over(catalog) == 0
    assert _rows(catalog) == before


def publish(catalog: Catalog, night: Night, version: str, source: str = SOURCE) -> None:
    row = {"production": V, "night": night.evening, "source": source, "cuts": "g", "path": f"/a/.versions/{version}"}
    with catalog.transaction() as session:
        write(session, [{**row, "plan": "p", "verdict": "good", "published_utc": dt.datetime.now(dt.UTC)}])


def changes(catalog: Catalog, night: Night) -> tuple[str, ...]:
    return sign_offs.sign_offs(catalog, V, night, night)[night].changes


def test_a_night_is_signed_off_until_something_of_it_changes(catalog, night, run):
    publish(catalog, night, "20201215.a")
    signed = sign_offs.sign_off(catalog, night, V, "fine", by="ana")
    assert signed.holds
    assert str(signed).startswith("by ana, ")
    judge(catalog, night, {1: "bad", 2: "good"}, plan="another")
    publish(catalog, night, "20201215.a")
    publish(catalog, Night("2020-12-16"), "20201216.a")  # another night
    assert changes(catalog, night) == ()
    with pytest.raises(SignOffError, match=r"signed off already, by ana, .* UTC: fine; nothing changed"):
        sign_offs.sign_off(catalog, night, V, by="ben")

    judge(catalog, night, {1: "bad", 2: "warning"})
    overrules.overrule(catalog, run, "good", "x", by="ana")
    publish(catalog, night, "20201215.b")
    publish(catalog, night, "20201215.c", "Mrk421")
    assert changes(catalog, night) == (
        "run 1 of CrabNebula was bad (rate 50 % low), is good by overrule",
        "run 2 of CrabNebula was good, is warning (rate 50 % low)",
        "CrabNebula was published anew",
        "Mrk421 was published anew",
    )
    sign_offs.sign_off(catalog, night, V, by="ben")
    assert changes(catalog, night) == ()
    overrules.lift(catalog, run, by="ana")
    assert changes(catalog, night) == ("run 1 of CrabNebula was good by overrule, is bad (rate 50 % low)",)
    overrules.overrule(catalog, run, "good", "as before", by="ana")
    assert changes(catalog, night) == ()  # it is again what was looked at


def test_a_sign_off_is_taken_back(catalog, night, run):
    with pytest.raises(SignOffError, match="nothing to sign off"):
        sign_offs.sign_off(catalog, Night("2020-12-16"), V, by="ana")
    sign_offs.sign_off(catalog, night, V, by="ana")
    judge(catalog, night, {1: "good"})
    sign_offs.sign_off(catalog, night, V, by="ben")
    sign_offs.lift(catalog, night, V, by="ana")
    assert sign_offs.sign_offs(catalog, V, night, night) == {}  # not the one before
    with pytest.raises(SignOffError, match="nobody has signed off"):
        sign_offs.lift(catalog, night, V, by="ana")
