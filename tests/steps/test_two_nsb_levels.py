"""A simulated night whose runs differ in their NSB, from raw files to DL3, each run with its own Monte Carlo."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.products.record import read_record
from stereo_tasks.stages import State
from stereo_tasks.stages.night import DL2, DL3, INDEX
from stereo_tasks.steps.run import run_element

NIGHT = "2024-01-10"
SMALL = """
energy_regressor: {settings: {n_estimators: 10}}
disp_regressor: {settings: {n_estimators: 10}}
event_classifier: {settings: {n_estimators: 10}}
dl2_to_dl3: {interpolation_method: nearest}
"""


def run(plan):
    plan.save()
    states = ElementStates(plan, trusts=True)
    for element in plan.elements:
        run_element(states, element)


def area_m2(path):
    """Sum of the effective areas; there is none where nothing was simulated."""
    return float(np.nansum(fits.getdata(path, "EFFECTIVE AREA")["EFFAREA"], dtype=float))


def table(path, date, nsb):
    """Write autoMCP's table of the LST-1 runs: what was measured of each run."""
    rows = [
        {
            "DATE": date, "source": "CrabNebula", "LST1_run": f"{number:05d}", "MAGIC_stereo": True,
            "MAGIC_trigger": "L3T", "MAGIC_HV": "Nominal", "perfect_match_time_min": 1.0, "nsb": value,
            "lstchain_versions": "['v0.10']", "processed_lstchain_file": "", "tailcut": "tailcut84",
            "error_code_nsb": "0",
        }
        for number, value in nsb.items()
    ]  # fmt: skip
    pd.DataFrame(rows).to_hdf(path, key="joint_obs", mode="w")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A site with two runs of NSB 1.42 and 2.1, and Monte Carlo of both levels, nothing made of it yet."""
    from stereo_tasks.simulate import (
        MonteCarloSpec,
        NightSpec,
        NodeSpec,
        RunSpec,
        demo_spec,
        simulate_monte_carlo,
        simulate_night,
    )

    root = tmp_path_factory.mktemp("levels")
    crab = demo_spec().sources[0]
    runs = tuple(RunSpec(zenith_deg=zenith, subruns=1, subrun_seconds=8.0) for zenith in (21.0, 20.0))
    spec = NightSpec(night=NIGHT, sources=(crab.model_copy(update={"runs": runs}),), proton_library=60)
    truth = json.loads(simulate_night(spec, root / "data").read_text())
    for seed, nsb in ((1, 1.5), (2, 2.0)):
        monte_carlo = MonteCarloSpec(
            seed=seed,
            nsb=nsb,
            nodes=(NodeSpec(zenith_deg=20, azimuth_deg=102.6),),
            gamma_train_showers=300,
            gamma_test_showers=400,
            proton_train_showers=1000,
        )
        simulate_monte_carlo(monte_carlo, root / "data")
    numbers = [one["lst_run"] for one in truth["sources"][0]["runs"]]
    table(root / "data" / "joint_obs.h5", "20240110", dict(zip(numbers, (1.42, 2.1), strict=True)))
    (root / "config").mkdir()
    (root / "config" / "policy.yaml").write_text("min_same_wobble_min: 0.0\n")
    (root / "config" / "mcp.yaml").write_text(SMALL)
    (root / "config" / "site.yaml").write_text("paths: {automcp: data/joint_obs.h5}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEREO_SITE", str(root))
        yield root


@pytest.fixture(scope="module")
def processed(site):
    """The plan of the night after the Monte Carlo of both levels was prepared."""
    from stereo_tasks.processing.night_plans import plan_monte_carlo, plan_night

    plans = plan_monte_carlo()
    assert [plan.name for plan in plans] == [f"mc/ST0320A/NSB{nsb}/v01/dec_2276" for nsb in (1.5, 2.0)]
    run(plans[0])
    (half,) = plan_night(NIGHT).plans
    assert len(half.of_stage(DL3)) == 1
    run(half)
    before = {element.id: read_record(element.record_path) for element in half.elements}
    run(plans[1])
    (plan,) = plan_night(NIGHT).plans
    run(plan)
    return half, before, plan


def test_both_runs_reach_dl3_with_the_forests_and_irfs_of_their_level(processed):
    _, _, plan = processed
    assert not plan.blockers
    for _, element in plan.of_stage(DL3):
        record = read_record(element.record_path)
        assert record.state == State.DONE, record.reason
    used = {element.id: {Path(item.path).parts[-4] for item in element.inputs if item.role == "forest"}
            for _, element in plan.of_stage(DL2)}  # fmt: skip
    assert list(used.values()) == [{"NSB1.5"}, {"NSB2.0"}]
    irfs = [next(item.path for item in element.inputs if item.role == "irf") for _, element in plan.of_stage(DL3)]
    areas_m2 = [area_m2(irf) for irf in irfs]
    assert areas_m2[0] != areas_m2[1]  # of other showers
    # Of one node, the areas are those of the IRF.
    assert [area_m2(element.outputs[0]) for _, element in plan.of_stage(DL3)] == pytest.approx(areas_m2)


def test_while_one_level_lacks_the_other_run_goes_on_and_is_not_made_again(processed):
    half, before, _ = processed
    assert {run for blocker in half.blockers for run in blocker.runs} == {half.runs[1].lst_run}
    assert before[f"dl3/{half.runs[0].lst_run:05d}"].state == State.DONE
    made_again = {
        element.id
        for element in half.elements
        if element.stage.name not in ("compare", "qa")
        and read_record(element.record_path).ended_utc != before[element.id].ended_utc
    }
    assert made_again == {INDEX.name}


def test_an_irf_that_was_made_with_other_weights_is_no_irf_of_this_night(processed, tmp_path):
    _, _, plan = processed
    (_, element), *_ = plan.of_stage(DL3)
    config = {**plan.config, "create_irf": {**plan.config["create_irf"], "weight_type_dl2": "variance"}}
    other = replace(element, outputs=(str(tmp_path / "dl3.fits.gz"),))
    elements = tuple(other if one is element else one for one in plan.elements)
    changed = replace(plan, config=config, elements=elements)
    record = run_element(ElementStates(changed), other)
    assert record.state == State.HELD
    assert "DL2_WEIG is 'intensity', wanted 'variance'" in record.reason
    assert not Path(other.outputs[0]).exists()
