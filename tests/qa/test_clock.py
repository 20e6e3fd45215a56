"""The page of a night in which MAGIC's GPS was broken: the clock has a plot and a table; other nights have neither."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from stereo_tasks.planning.plan import Element
from stereo_tasks.qa.clock import clock_runs
from stereo_tasks.qa.report import make_report
from stereo_tasks.stages import State
from stereo_tasks.stages.night import SYNCHRONISE


@pytest.fixture
def broken_night(fake_night, tmp_path):
    """The night of two runs, with a clock 2.3 s ahead that drifts by 3 us/s."""
    elements = []
    for telescope in ("M1", "M2"):
        for run in (5093711, 5093712):
            name = f"synchronise/{telescope}/{run:08d}"
            output = tmp_path / "products" / f"{name}.h5"
            element = Element(name, SYNCHRONISE, (), (str(output), str(output.with_suffix(".clock.json"))))
            output.parent.mkdir(parents=True, exist_ok=True)
            times = [1_704_924_005.0 + 10 * place for place in range(3)]
            slices = {
                "unix_s": times,
                "offset_ns": [2_300_000_000.0 + 30_000 * place for place in range(3)],
                "residual_ns": [10.0, -20.0, 10.0],
            }
            Path(element.outputs[1]).write_text(json.dumps(slices))
            elements.append(element)
            counts = {
                "events_out": 12600,
                "clock_drift_us_per_s": 3.0,
                "clock_residual_ns": 14.0,
                "clock_slices_lost": 1,
            }
            old = fake_night.records["merge/M1/05093711"]
            fake_night.records[name] = replace(old, element=name, stage="synchronise", counts=counts)
    fake_night.plan = replace(fake_night.plan, elements=(*fake_night.plan.elements, *elements))
    return fake_night


def test_the_offset_that_was_used_is_on_the_page(broken_night, crab_fixed, tmp_path):
    make_report(broken_night.plan, broken_night.records, crab_fixed, tmp_path)
    html = (tmp_path / "report.html").read_text()
    assert "Offset of MAGIC&#39;s clock by time" in html
    for text in ("2.3000300", "3.000", "3, 1", "synchronise M1", "Its GPS was broken"):
        assert text in html


def test_other_nights_have_no_word_of_it(fake_night, crab_fixed, tmp_path):
    make_report(fake_night.plan, fake_night.records, crab_fixed, tmp_path)
    html = (tmp_path / "report.html").read_text()
    assert "synchronise" not in html
    assert "MAGIC's clock" not in html


def test_a_run_without_an_offset_is_left_out(broken_night):
    name = "synchronise/M1/05093711"
    broken_night.set(name, state="held", reason="no common time offset")
    found = clock_runs(broken_night.plan, broken_night.records)
    assert [(one.telescope, one.run) for one in found] == [("M1", 5093712), ("M2", 5093711), ("M2", 5093712)]
    assert found[0].offset_s == pytest.approx(2.30003)
    assert broken_night.records[name].state == State.HELD
