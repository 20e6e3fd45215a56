"""A night whose runs differ in their NSB: each run has the forests and IRFs of its level, and is held by itself."""

import pytest
import yaml

from stereo_tasks.planning.plan import Plan, blocks_all, held_runs
from stereo_tasks.stages.night import DL2, DL3, INDEX, MERGE_STEREO

RUNS, NSB = (1622, 1623), {1622: 1.42, 1623: 2.1}


@pytest.fixture
def night(tree):
    tree.magic(5093711, range(1, 4))
    for run in RUNS:
        tree.lst(run, range(2))
    return tree


def model_folders(plan, stage, role):
    """Folder of the models of each run, below the last two parts of the tree."""
    return {
        element.id: {item.path.split("/NSB")[1][:3] for item in element.inputs if item.role == role}
        for _, element in plan.of_stage(stage)
    }


def test_each_run_has_the_models_of_its_level(night):
    night.models(nsb=1.5)
    night.models(nsb=2.0)
    plan = night.plan(lst_runs=RUNS, nsb=NSB)
    assert not plan.blockers
    assert model_folders(plan, DL2, "forest") == {"dl2/01622": {"1.5"}, "dl2/01623": {"2.0"}}
    assert model_folders(plan, DL3, "irf") == {"dl3/01622": {"1.5"}, "dl3/01623": {"2.0"}}
    choices = {choice.name: (choice.value, choice.reason) for choice in plan.choices}
    assert choices["NSB level, run 1622"] == ("1.5", "median 1.42 of autoMCP's table")
    assert choices["NSB level, run 1623"] == ("2.0", "median 2.1 of autoMCP's table")
    assert choices["IRFs, NSB 2.0"][1].startswith("3 nodes")


def test_a_run_whose_level_has_no_models_is_held_alone(night):
    night.models(nsb=1.5)
    plan = night.plan(lst_runs=RUNS, nsb=NSB)
    assert {blocker.subject for blocker in plan.blockers} == {"forests", "IRFs"}
    assert held_runs(plan.blockers) == {1623}
    assert not blocks_all(plan.blockers, RUNS)
    assert all("LST-1 run 1623, NSB 2.0" in blocker.reason for blocker in plan.blockers)
    assert [element.id for _, element in plan.of_stage(DL3)] == ["dl3/01622"]
    assert len(plan.of_stage(MERGE_STEREO)) == 2  # its events wait for the forests
    ((_, index),) = plan.of_stage(INDEX)
    assert [item.path.rpartition(".Run")[2][:5] for item in index.inputs] == ["01622"]
    assert Plan.load(plan.save()) == plan


def test_without_any_models_the_whole_plan_is_held(night):
    plan = night.plan(lst_runs=RUNS, nsb=NSB)
    assert blocks_all(plan.blockers, RUNS)
    assert not plan.of_stage(DL2)


def test_a_run_that_is_too_bright_is_held_and_says_what_to_do(night):
    night.models(nsb=1.5)
    plan = night.plan(lst_runs=RUNS, nsb={1622: 1.5, 1623: 3.4})
    (blocker,) = plan.blockers
    assert (blocker.subject, blocker.runs) == ("NSB level", (1623,))
    assert "LST-1 run 1623: NSB 3.4 is above 3.25" in blocker.reason
    assert len(plan.of_stage(DL3)) == 1


def test_a_night_of_one_level_is_what_it_was(night):
    """The same elements, inputs and outputs, whether the level is the production's or each run's own."""
    night.models(nsb=1.5)
    configured, measured = night.plan(lst_runs=RUNS), night.plan(lst_runs=RUNS, nsb=dict.fromkeys(RUNS, 1.6))
    assert configured.elements == measured.elements
    assert {choice.name: choice.reason for choice in configured.choices}["NSB level, run 1623"] == (
        "of production mcp062"
    )


@pytest.mark.parametrize(
    ("zenith_deg", "held", "told"),
    [
        ((10.0, 38.0), False, False),
        # cos 38 deg - 0.02 = 0.768 = cos 39.83 deg; cos 10 deg + 0.02 is above 1: nothing is too high in the sky.
        ((0.0, 39.8), False, False),
        ((30.0, 39.9), False, True),
        ((39.8, 45.0), False, True),
        ((39.9, 45.0), True, False),
    ],
)
def test_zenith_distances_are_compared_with_the_nodes_before_processing(night, zenith_deg, held, told):
    night.models(zeniths=(10.0, 24.0, 38.0))
    plan = night.plan(lst_runs=RUNS, zenith_deg=zenith_deg)
    assert [blocker.subject for blocker in plan.blockers] == ["IRFs"] * held
    assert [notice.subject for notice in plan.notices] == ["zenith"] * told
    assert bool(plan.of_stage(DL3)) is not held
    if held:
        assert "39.9-45 deg in the log" in plan.blockers[0].reason
        assert "at 10-38 deg" in plan.blockers[0].reason


def test_the_nearest_node_is_taken_however_far_it_is(night):
    (night.root / "config").mkdir(exist_ok=True)
    (night.root / "config" / "mcp.yaml").write_text(yaml.safe_dump({"dl2_to_dl3": {"interpolation_method": "nearest"}}))
    night.models(zeniths=(10.0, 24.0, 38.0))
    assert not night.plan(lst_runs=RUNS, zenith_deg=(50.0, 55.0)).blockers


def test_what_automcp_s_tables_do_not_know_is_not_compared(night):
    night.models(zeniths=(10.0, 24.0, 38.0))
    assert not night.plan(lst_runs=RUNS, zenith_deg=(None, None)).blockers


def test_the_high_density_variant_is_taken_where_it_is_and_is_asked_for(night):
    night.models()
    folder = night.settings.site.paths.models / "ST0320A" / "NSB1.5" / "v01"
    irfs = night.settings.site.paths.irfs / "ST0320A/NSB1.5/GammaTest/v01/g_dyn_0.9_th_glo_0.2"
    (night.root / "config").mkdir(exist_ok=True)
    settings = {"productions": {"mcp062": {"high_density": True}}}
    (night.root / "config" / "productions.yaml").write_text(yaml.safe_dump(settings))

    def forests():
        return {choice.name: choice.value for choice in night.plan(lst_runs=RUNS).choices}["forests"]

    assert forests() == str(folder / "dec_2276")
    for below in (folder, irfs):
        (below / "dec_2276").rename(below / "dec_2276_high_density")
    night.models()
    assert forests() == str(folder / "dec_2276_high_density")
    (night.root / "config" / "productions.yaml").unlink()
    assert forests() == str(folder / "dec_2276")


@pytest.mark.parametrize(
    ("coincidence", "held"),
    [
        # The offset of 2024-01-10 is -3.2 us.
        ({"pre_offset_search": True}, False),
        ({"pre_offset_search": False}, False),  # -10 to 0 us
        ({"pre_offset_search": False, "time_offset": {"start": "-3200 ns", "stop": "0 us"}}, False),
        ({"pre_offset_search": False, "time_offset": {"start": "-3 us", "stop": "0 us"}}, True),
        ({"pre_offset_search": False, "time_offset": {"start": "-10 us", "stop": "-3.3 us"}}, True),
    ],
)
def test_a_fixed_window_must_hold_the_offset_of_the_night(night, coincidence, held):
    night.models()
    (night.root / "config").mkdir(exist_ok=True)
    (night.root / "config" / "mcp.yaml").write_text(yaml.safe_dump({"event_coincidence": coincidence}))
    blockers = night.plan(lst_runs=RUNS).blockers
    assert [blocker.subject for blocker in blockers] == ["time-offset window"] * held
    if held:
        assert "the offset of the night, -3.2 us, is outside of the window" in blockers[0].reason
