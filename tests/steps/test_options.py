"""Every option of a production on a simulated night: a rule sets it, and IRFs and DL3 show that it arrived."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import yaml
from astropy.io import fits
from option_checks import check

from stereo_tasks.nights import Night
from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.processing.night_plans import plan_monte_carlo, plan_night
from stereo_tasks.settings import load_settings
from stereo_tasks.simulate import (
    MonteCarloSpec,
    NightSpec,
    NodeSpec,
    RunSpec,
    SourceSpec,
    SpectrumSpec,
    simulate_monte_carlo,
    simulate_night,
)
from stereo_tasks.stages import State, stages
from stereo_tasks.steps.context import StepContext
from stereo_tasks.steps.run import run_element

NIGHT, SOURCE = "2024-01-10", "CrabNebula"
NODES = ((14, 95), (17, 115), (24, 90), (28, 110))
"""Zenith and azimuth in deg, around (20, 103): in zenith the second is the nearest, on the sky the first."""

TABLE = {"energy_bins": [0.05, 0.2, 0.5, 2.0, 20.0], "energy_unit": "TeV"}
CASES = {
    "as configured": {},
    "nearest in cosZd": {"dl2_to_dl3": {"interpolation_method": "nearest"}},
    "cubic in cosZd": {"dl2_to_dl3": {"interpolation_method": "cubic"}},
    "nearest in cosZdAz": {"dl2_to_dl3": {"interpolation_method": "nearest", "interpolation_scheme": "cosZdAz"}},
    "linear in cosZdAz": {"dl2_to_dl3": {"interpolation_scheme": "cosZdAz"}},
    "cubic in cosZdAz": {"dl2_to_dl3": {"interpolation_method": "cubic", "interpolation_scheme": "cosZdAz"}},
    "only near nodes": {"dl2_to_dl3": {"max_distance": "8 deg"}},
    "global cuts": {
        "create_irf": {
            "gammaness": {"cut_type": "global", "global_cut_value": 0.6},
            "theta": {"cut_type": "global", "global_cut_value": "0.3 deg"},
        }
    },
    "dynamic cuts": {
        "create_irf": {
            "gammaness": {"cut_type": "dynamic", "efficiency": 0.7, "min_cut": 0.1, "max_cut": 0.8},
            "theta": {"cut_type": "dynamic", "efficiency": 0.8, "min_cut": "0.05 deg", "max_cut": "0.4 deg"},
        }
    },
    "custom cuts": {
        "create_irf": {
            "gammaness": {
                "cut_type": "custom", "interpolate_kind": "nearest",
                "custom_cuts": {**TABLE, "cut": [0.3, 0.4, 0.5, 0.6], "cut_unit": ""},
            },
            "theta": {
                "cut_type": "custom", "interpolate_kind": "linear",
                "custom_cuts": {**TABLE, "cut": [0.4, 0.35, 0.3, 0.25], "cut_unit": "deg"},
            },
        }
    },
    "simple weights": {"create_irf": {"weight_type_dl2": "simple"}},
    "weights by variance": {"create_irf": {"weight_type_dl2": "variance"}},
    "three telescopes": {"create_irf": {"event_type": "software_only_3tel"}},
    "MAGIC only": {"create_irf": {"event_type": "magic_only"}},
    "hardware trigger": {"create_irf": {"event_type": "hardware"}},
    "no quality cuts": {"create_irf": {"quality_cuts": None}},
    "some combinations": {
        "create_irf": {"quality_cuts": "(disp_diff_mean < 0.22) & ((combo_type == 1) | (combo_type == 2))"}
    },
    "cuts in images": {"stereo_reco": {"quality_cuts": "(intensity > 150) & (width > 0)"}},
}  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A site with one run of six seconds of a bright source, and little Monte Carlo around it."""
    root = tmp_path_factory.mktemp("options")
    source = SourceSpec(
        name=SOURCE, ra_deg=83.633212, dec_deg=22.01446, spectrum=SpectrumSpec(amplitude_per_tev_cm2_s=8e-9),
        runs=(RunSpec(zenith_deg=20.0, subruns=1, subrun_seconds=6.0),),
    )  # fmt: skip
    spec = NightSpec(night=NIGHT, seed=3, sources=(source,), proton_library=50, lst_rate_hz=40.0)
    simulate_night(spec, root / "data")
    nodes = tuple(NodeSpec(zenith_deg=zenith, azimuth_deg=azimuth) for zenith, azimuth in NODES)
    showers = {"gamma_train_showers": 120, "gamma_test_showers": 600, "proton_train_showers": 300}
    simulate_monte_carlo(MonteCarloSpec(seed=5, nodes=nodes, **showers), root / "data")
    (root / "config").mkdir()
    (root / "config" / "policy.yaml").write_text("completeness_min: 0.6\nmin_same_wobble_min: 0.0\n")
    small = {"settings": {"n_estimators": 8, "n_jobs": 1}}
    forests = {name: small for name in ("energy_regressor", "disp_regressor", "event_classifier")}
    (root / "config" / "mcp.yaml").write_text(yaml.safe_dump(forests))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEREO_SITE", str(root))
        yield root


class Watched(dict):
    """A configuration that notes which of its keys are read."""

    def __init__(self, content, read):
        super().__init__(content)
        self.read = read

    def __getitem__(self, key):
        self.read.add(key)
        return super().__getitem__(key)

    def get(self, key, default=None):
        self.read.add(key)
        return super().get(key, default)


@pytest.fixture(scope="module", autouse=True)
def keys_read(site):
    """Which keys of the configuration were read in each stage, when all was made for the first time."""
    real, read = StepContext.config, defaultdict(set)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StepContext, "config", lambda context: Watched(real(context), read[context.element.stage.name]))
        set_by_rule(site)
        processed()
    return dict(read)


def set_by_rule(root, **values):
    """Write a rule for the night and source, and one that must not hold."""
    rules = [
        {"source": SOURCE, "first": NIGHT, "last": NIGHT, "set": values},
        {"last": "2024-01-09", "set": {"nsb": 3.0, "mcp": {"create_irf": {"event_type": "hardware"}}}},
    ]
    content = {"productions": {"mcp062": {"overrides": rules if values else rules[1:]}}}
    (root / "config" / "productions.yaml").write_text(yaml.safe_dump(content))
    return load_settings(root).production().effective(Night(NIGHT), SOURCE)


def work(plan):
    """Do what is to be done of a plan; return the records of that."""
    plan.save()
    states = ElementStates(plan, trusts=True)
    todo = [one for one in plan.elements if one.stage.name != "qa" and not states.is_valid(one)]
    records = {element.id: run_element(states, element) for element in todo}
    assert {record.state for record in records.values()} <= {State.DONE}, [
        (name, record.reason) for name, record in records.items() if record.state != State.DONE
    ]
    return records


def processed():
    """Make what lacks of Monte Carlo and night; return the night's plan and what was made now."""
    made = {}
    for plan in plan_monte_carlo():
        made |= work(plan)
    (night,) = plan_night(NIGHT).plans
    return night, made | work(night)


@pytest.mark.parametrize("name", CASES)
def test_an_option_arrives_in_irfs_and_dl3_with_both_engines(site, name):
    values = CASES[name]
    effective = set_by_rule(site, **({"mcp": values} if values else {}))
    plan, _ = processed()
    (_, dl3), (_, dl2) = plan.of_stage("dl3")[0], plan.of_stage("dl2")[0]
    irfs = [item.path for item in dl3.inputs if item.role == "irf"]
    assert len(irfs) == len(NODES)
    assert plan.config["create_irf"] == effective.mcp["create_irf"]
    check(Path(dl3.outputs[0]), Path(dl2.outputs[0]), irfs, effective.mcp)
    # The kernel made it, and the comparison has found that magic-cta-pipe makes the same.
    record = ElementStates(plan).record(dl3)
    assert (record.engine, record.engine_reason) == ("fast", "")
    comparison = next(element for element in plan.elements if element.id == f"compare/{dl3.id}")
    assert ElementStates(plan).state(comparison) == State.DONE


def test_the_position_of_a_rule_is_that_of_the_dl3(site):
    set_by_rule(site, position={"ra_deg": 83.5, "dec_deg": 22.25})
    plan, _ = processed()
    header = fits.getheader(plan.of_stage("dl3")[0][1].outputs[0], "EVENTS")
    assert (header["OBJECT"], header["RA_OBJ"], header["DEC_OBJ"]) == (SOURCE, 83.5, 22.25)
    position = next(choice for choice in plan.choices if choice.name == "position")
    assert "rule 1 of overrides" in position.reason


def test_irfs_of_different_options_lie_side_by_side(site):
    """Going back to what was is not made again: nothing was overwritten."""
    set_by_rule(site)
    plan, _ = processed()
    before = np.sort([item.path for item in plan.of_stage("dl3")[0][1].inputs if item.role == "irf"])
    set_by_rule(site, mcp={"create_irf": {"weight_type_dl2": "simple"}})
    other, _ = processed()
    after = [item.path for item in other.of_stage("dl3")[0][1].inputs if item.role == "irf"]
    assert not {*before} & {*after}
    assert {Path(path).name for path in before} == {Path(path).name for path in after}  # autoMCP's names do not tell
    set_by_rule(site)
    plan, made = processed()
    assert not [name for name in made if name.startswith("mc_")]
    assert sorted(item.path for item in plan.of_stage("dl3")[0][1].inputs if item.role == "irf") == before.tolist()


def test_no_tool_and_no_kernel_reads_more_of_the_configuration_than_its_stage_declares(site, keys_read):
    """A key that is read and not declared would leave stale products. Tools of magic-cta-pipe ran in comparisons."""
    declared = {stage.name: set(stage.mcp_keys) for stage in stages() if stage.mcp_keys}
    declared.pop("synchronise")  # MAGIC's clock was right
    assert keys_read == declared
