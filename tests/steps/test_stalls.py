"""Stalls of a readout, through all tools from raw files to DL3."""

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.steps.live_time import CLOCK_MARGIN_S, intersection

SUBRUN_S, BEGIN_S, DURATION_S = 12.0, 4.0, 3.0
REFERENCE = dt.datetime(2018, 10, 1, tzinfo=dt.UTC)
"""What times of DL3 count from."""
RUNS = ("LST-1", "MAGIC", "MAGIC-II")
"""What stalls in which run."""

SMALL_MODELS = """
energy_regressor: {settings: {n_estimators: 10}}
disp_regressor: {settings: {n_estimators: 10}}
event_classifier: {settings: {n_estimators: 10}}
dl2_to_dl3: {interpolation_method: nearest}
"""


@pytest.fixture(scope="module")
def stalled(tmp_path_factory):
    """DL3 files and the times of their stalls (s since the reference), by what stalls."""
    from stereo_tasks.processing.night_plans import plan_monte_carlo, plan_night
    from stereo_tasks.simulate import (
        Fault,
        MonteCarloSpec,
        NightSpec,
        NodeSpec,
        RunSpec,
        demo_spec,
        simulate_monte_carlo,
        simulate_night,
    )
    from stereo_tasks.stages.night import DL3
    from stereo_tasks.steps.run import run_element

    root = tmp_path_factory.mktemp("stalls")
    crab = demo_spec().sources[0]
    runs = tuple(RunSpec(zenith_deg=zenith, subruns=1, subrun_seconds=SUBRUN_S) for zenith in (21.0, 20.0, 19.0))
    stall = {"begin_s": BEGIN_S, "duration_s": DURATION_S}
    spec = NightSpec(
        night="2024-01-10",
        sources=(crab.model_copy(update={"runs": runs}),),
        proton_library=60,
        faults=(
            Fault(kind="lst_stall", run=0, **stall),
            Fault(kind="magic_stall", run=1, **stall),
            Fault(kind="magic_stall", run=2, telescope="M2", **stall),
        ),
    )
    monte_carlo = MonteCarloSpec(
        nodes=(NodeSpec(zenith_deg=20, azimuth_deg=102.6),),
        gamma_train_showers=300,
        gamma_test_showers=400,
        proton_train_showers=1000,
    )
    truth = json.loads(simulate_night(spec, root / "data").read_text())
    simulate_monte_carlo(monte_carlo, root / "data")
    (root / "config").mkdir()
    (root / "config" / "policy.yaml").write_text("min_same_wobble_min: 0.0\n")
    (root / "config" / "mcp.yaml").write_text(SMALL_MODELS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEREO_SITE", str(root))
        (mc,) = plan_monte_carlo()
        _run(mc, run_element)
        (plan,) = plan_night("2024-01-10").plans
        _run(plan, run_element)
    products = [Path(element.outputs[0]) for _, element in plan.of_stage(DL3)]
    starts = [dt.datetime.fromisoformat(run["start"]) - REFERENCE for run in truth["sources"][0]["runs"]]
    return {
        name: (path, start.total_seconds() + np.array([[BEGIN_S, BEGIN_S + DURATION_S]]))
        for name, path, start in zip(RUNS, products, starts, strict=True)
    }


def _run(plan, run_element):
    plan.save()
    states = ElementStates(plan, trusts=True)
    records = [run_element(states, element) for element in plan.elements]
    assert [f"{record.element} {record.state}: {record.reason}" for record in records if record.state != "done"] == []


def _length(intervals):
    return (intervals[:, 1] - intervals[:, 0]).sum()


@pytest.mark.parametrize("telescope", RUNS)
def test_a_stall_is_no_live_time(stalled, telescope):
    path, stall = stalled[telescope]
    with fits.open(path) as hdus:
        gti = np.stack([hdus["GTI"].data["START"], hdus["GTI"].data["STOP"]], axis=1)
        header = hdus["EVENTS"].header
    assert _length(intersection(gti, stall)) <= 2 * CLOCK_MARGIN_S
    # What is left is live, but for the mean waiting time of MAGIC (some 80 ms) at both ends of both intervals.
    assert SUBRUN_S - DURATION_S - 1.0 < header["ONTIME"] < SUBRUN_S - DURATION_S
    assert header["ONTIME"] == pytest.approx(_length(gti))
    assert header["LIVETIME"] == pytest.approx(header["ONTIME"] * header["DEADC"])
    assert (header["TSTART"], header["TSTOP"]) == (gti[0, 0], gti[-1, 1])


@pytest.mark.parametrize("telescope", RUNS)
def test_no_event_lies_outside_of_the_live_time(stalled, telescope):
    path, _ = stalled[telescope]
    with fits.open(path) as hdus:
        times, gti = hdus["EVENTS"].data["TIME"], hdus["GTI"].data
        assert len(times) > 0
        assert ((times[:, np.newaxis] >= gti["START"]) & (times[:, np.newaxis] <= gti["STOP"])).any(axis=1).all()


@pytest.mark.parametrize("telescope", RUNS)
def test_what_was_changed_in_the_file_of_the_tool_stands_in_its_history(stalled, telescope):
    path, _ = stalled[telescope]
    with fits.open(path) as hdus:
        history = {
            hdu.name: "".join(map(str, hdu.header["HISTORY"])) for hdu in hdus if hdu.header.get("HISTORY") is not None
        }
        assert not np.isnan(hdus["EFFECTIVE AREA"].data["EFFAREA"]).any()
    assert "all three telescopes recorded showers" in history["GTI"]
    assert "LIVETIME" in history["EVENTS"]
    assert "areas set to 0" in history["EFFECTIVE AREA"]
