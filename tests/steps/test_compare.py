"""Elements that a kernel made are made again by magic-cta-pipe, and compared: equal, or the kernel is found out."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from stereo_tasks.kernels import calibrate
from stereo_tasks.kernels.errors import NotCovered
from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.processing.chain_arrays import chain_array
from stereo_tasks.processing.completion import night_problems
from stereo_tasks.processing.night_plans import plan_night
from stereo_tasks.products.record import read_record
from stereo_tasks.simulate import NightSpec, RunSpec, SourceSpec, magic_files, simulate_night
from stereo_tasks.stages import Engine, State
from stereo_tasks.steps import validate
from stereo_tasks.steps.following import work_on
from stereo_tasks.steps.outcomes import held
from stereo_tasks.steps.run import run_element


def rounded_charges(events):
    """Charges in steps of half a photoelectron: many pixels are then at a threshold of the cleaning, and not above."""
    import awkward as ak

    def rounded(data, rng):
        columns, types = events(data, rng)
        name = "MCerPhotEvt.fPixels.fPhot"
        charge = np.asarray(ak.to_regular(columns[name]))
        columns[name] = ak.from_regular(ak.from_numpy((np.round(2 * charge) / 2).astype(np.float32)), axis=1)
        return columns, types

    return rounded


@pytest.fixture(scope="module")
def rounded_site(tmp_path_factory):
    """A site with one small night of rounded charges."""
    root = tmp_path_factory.mktemp("rounded")
    source = SourceSpec(
        name="CrabNebula", ra_deg=83.633212, dec_deg=22.01446, spectrum=None,
        runs=(RunSpec(zenith_deg=20.0, subruns=1, subrun_seconds=2.0),),
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(magic_files, "_events", rounded_charges(magic_files._events))
        simulate_night(NightSpec(night="2024-01-10", sources=(source,), proton_library=60), root / "data")
        (root / "config").mkdir()
        (root / "config" / "policy.yaml").write_text("completeness_min: 0.6\nmin_same_wobble_min: 0.0\n")
        patch.setenv("STEREO_SITE", str(root))
        yield root


@pytest.fixture
def plan(rounded_site, tmp_path, monkeypatch):
    """Its plan, with products of its own."""
    monkeypatch.setenv("STEREO_SITE", str(rounded_site))
    (rounded_site / "config" / "site.yaml").write_text(f"paths: {{output: {tmp_path}}}\n")
    (one,) = plan_night("2024-01-10").plans
    one.save()
    return one


def work(plan, chain):
    """Do what is to be done of a chain, as one job does."""
    array = chain_array(plan, chain)
    return list(work_on(plan, [plan.elements[index] for index in array.indices], array.stages))


def records_of(plan, stage):
    return [read_record(element.record_path) for _, element in plan.of_stage(stage)]


def test_one_element_of_each_stage_is_made_again_and_is_equal(plan):
    made = [*work(plan, "magic_dl1"), *work(plan, "stereo_dl3")]
    assert {record.stage for record in made} == {"calibrate", "merge", "coincide", "stereo", "merge_stereo"}
    assert {record.state for record in made} == {State.DONE}
    assert {(record.engine, record.engine_reason) for record in made} == {("fast", "")}
    compared = work(plan, "compare")
    assert sorted(record.element.split("/")[1] for record in compared) == sorted({record.stage for record in made})
    assert [(record.state, record.reason) for record in compared] == [(State.DONE, "")] * 5


@pytest.fixture
def wrong_threshold(monkeypatch):
    """A kernel whose threshold for boundary pixels is off by one unit in the last place of a float32."""
    right = calibrate.thresholds

    def wrong(cleaning):
        limits = right(cleaning)
        return limits._replace(boundary=np.nextafter(limits.boundary, np.float32(0)))

    monkeypatch.setattr(calibrate, "thresholds", wrong)


def test_a_wrong_constant_is_found_in_the_night_and_named(plan, wrong_threshold):
    work(plan, "magic_dl1")
    (found,) = [record for record in work(plan, "compare") if "/calibrate/" in record.element]
    assert found.state == State.HELD
    assert "is not what magic-cta-pipe makes of it: /events/parameters: " in found.reason
    assert "stereo engine allow calibrate" in found.reason
    (element,) = [element for _, element in plan.of_stage("compare") if element.id == found.element]
    assert ElementStates(plan).is_valid(element)  # it is not tried again: it waits for a person


def test_a_product_that_is_not_whole_from_either_is_no_difference(plan, monkeypatch):
    """As DL3 without effective area, where no IRF gives any: that is nothing to put a kernel out of use for."""
    monkeypatch.setattr(validate, "event_table", lambda stage, path: "has a flaw")
    made = work(plan, "magic_dl1")
    assert {record.state for record in made if record.stage == "calibrate"} == {State.FAILED}
    (found,) = [record for record in work(plan, "compare") if "/calibrate/" in record.element]
    assert (found.state, found.reason) == (State.DONE, "")


def test_what_a_kernel_does_not_cover_is_made_by_the_tool_and_the_record_says_why(plan, monkeypatch):
    def refuses(*arguments, **options):
        raise NotCovered("a case of its own")

    monkeypatch.setattr(calibrate, "magic_calib_to_dl1", refuses)
    (_, element), *_ = plan.of_stage("calibrate")
    record = run_element(ElementStates(plan, trusts=True), element)
    assert (record.state, record.engine, record.engine_reason) == (State.DONE, "mcp", "a case of its own")


def plan_with(rounded_site, production):
    """Plan the night with other settings of its production."""
    config = rounded_site / "config" / "productions.yaml"
    config.write_text(f"productions: {{mcp062: {{{production}}}}}\n")
    try:
        (one,) = plan_night("2024-01-10").plans
    finally:
        config.unlink()
    one.save()
    return one


@pytest.fixture
def corrected(plan, rounded_site):
    """The night in a production that asks for a correction."""
    return plan_with(rounded_site, "corrections: [time_difference]")


def test_what_is_corrected_is_said_and_not_compared(corrected, plan):
    made = work(corrected, "magic_dl1")
    assert {(record.stage, record.state, record.engine_reason) for record in made} == {
        ("calibrate", State.DONE, "corrected: time_difference"), ("merge", State.DONE, ""),
    }  # fmt: skip
    assert [element.id for _, element in plan.of_stage("compare") if "/calibrate/" in element.id]
    compared = [element.id for _, element in corrected.of_stage("compare")]
    assert compared
    assert not [name for name in compared if "/calibrate/" in name]
    assert chain_array(plan, "magic_dl1").indices  # without the correction it is another product


def test_the_tool_is_not_asked_for_what_it_cannot_make(corrected, monkeypatch):
    def refuses(*arguments, **options):
        raise NotCovered("a case of its own")

    monkeypatch.setattr(calibrate, "magic_calib_to_dl1", refuses)
    (_, element), *_ = corrected.of_stage("calibrate")
    record = run_element(ElementStates(corrected, trusts=True), element)
    assert record.state == State.HELD
    assert "time_difference" in record.reason
    assert "a case of its own" in record.reason


def test_a_night_that_is_refused_has_a_page_that_says_why(plan, rounded_site):
    refused = plan_with(rounded_site, "corrections: [time_difference], engine: mcp")
    assert [element.id for element in refused.elements] == ["qa"]
    (record,) = work(refused, "qa")
    assert record.state == State.DONE
    (page,) = [Path(path) for path in refused.elements[0].outputs if path.endswith(".html")]
    assert "which magic-cta-pipe cannot make" in page.read_text()


def test_what_no_kernel_made_is_not_compared_and_is_no_problem_of_the_night(plan, monkeypatch):
    monkeypatch.setattr("stereo_tasks.steps.merge.check_completeness", lambda *arguments: stop())

    def stop():
        raise held("too few subruns")

    work(plan, "magic_dl1")
    (element,) = [e for _, e in plan.of_stage("compare") if "/merge/" in e.id]
    record = run_element(ElementStates(plan, trusts=True), element)
    assert (record.state, "no kernel made" in record.reason) == (State.SKIPPED, True)
    assert not [problem for problem in night_problems(ElementStates(plan)) if "compare/merge" in problem]


def test_a_page_made_before_the_comparison_counts_and_is_made_again_after_it(plan, rounded_site):
    for chain in ("magic_dl1", "stereo_dl3", "compare", "qa"):
        work(plan, chain)
    config = rounded_site / "config" / "mcp.yaml"
    config.write_text("stereo_reco: {quality_cuts: (intensity > 60) & (width > 0)}\n")
    try:
        (other,) = plan_night("2024-01-10").plans
    finally:
        config.unlink()
    other.save()
    ((_, page),) = other.of_stage("qa")
    for chain in ("magic_dl1", "stereo_dl3", "qa"):
        work(other, chain)
    assert ElementStates(other).is_valid(page)  # though the record of a comparison lies there that is out of date
    assert work(other, "compare")
    assert not ElementStates(other).is_valid(page)
    work(other, "qa")
    assert ElementStates(other).is_valid(page)


def test_where_the_drawn_element_came_to_nothing_another_is_compared(plan, monkeypatch):
    (element,) = [e for _, e in plan.of_stage("compare") if "/calibrate/" in e.id]
    drawn, spare = [plan.producers[item.producer] for item in element.inputs[:2]]
    right = calibrate.magic_calib_to_dl1

    def refuses(input_file, *arguments, **options):
        if Path(input_file).name == Path(drawn.inputs[0].path).name:
            raise NotCovered("a case of its own")
        right(input_file, *arguments, **options)

    monkeypatch.setattr(calibrate, "magic_calib_to_dl1", refuses)
    work(plan, "magic_dl1")
    record = run_element(ElementStates(plan, trusts=True), element)
    assert (record.state, record.used, record.counts["equal"]) == (State.DONE, (spare.id,), 1.0)


def test_a_comparison_that_could_not_be_made_says_nothing_about_the_kernel(plan, monkeypatch):
    work(plan, "magic_dl1")

    def broken(*arguments, **options):
        raise OSError("no space left on device")

    monkeypatch.setattr(import_module("magicctapipe.scripts.lst1_magic.merge_hdf_files"), "merge_hdf_files", broken)
    (element,) = [e for _, e in plan.of_stage("compare") if "/merge/" in e.id]
    record = run_element(ElementStates(plan, trusts=True), element)
    assert (record.state, "no space left" in record.reason) == (State.FAILED, True)


def test_another_engine_makes_nothing_stale(plan, rounded_site):
    work(plan, "magic_dl1")
    config = rounded_site / "config" / "productions.yaml"
    config.write_text("productions: {mcp062: {engine: mcp}}\n")
    try:
        (other,) = plan_night("2024-01-10").plans
    finally:
        config.unlink()
    assert {choice.engine for choice in other.engines.values()} == {Engine.MCP}
    assert chain_array(other, "magic_dl1").indices == ()
    assert other.of_stage("compare") == ()


def test_a_kernel_that_is_out_of_use_is_not_asked(plan):
    (other,) = plan_night("2024-01-10", suspended={"calibrate": "width, row 3"}).plans
    assert (other.engine("calibrate").engine, other.engine("calibrate").reason) == (
        Engine.MCP, "out of use: width, row 3",
    )  # fmt: skip
    assert other.engine("merge").engine is Engine.FAST
    assert not [element.id for _, element in other.of_stage("compare") if "/calibrate/" in element.id]


def test_with_other_versions_the_tools_are_asked(plan, monkeypatch):
    from stereo_tasks.processing import night_plans

    versions = dict(plan.versions, ctapipe="0.26.0")
    monkeypatch.setattr(night_plans, "science_versions", lambda python: versions)
    (other,) = plan_night("2024-01-10").plans
    assert {choice.engine for name, choice in other.engines.items()} == {Engine.MCP}
    assert other.engine("stereo").reason == "equality was not shown for ctapipe 0.26.0 (shown for 0.25.1)"
