"""What rules make of plans: choices with their reasons, IRFs of their own, forests of their own."""

from pathlib import Path

import pytest
import yaml

from stereo_tasks.nights import Night
from stereo_tasks.planning.choices import choose
from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.planning.lacking import lacking_models
from stereo_tasks.processing import night_plans
from stereo_tasks.products.models import IrfNode, ModelFile, Models
from stereo_tasks.settings import load_settings
from stereo_tasks.stages.monte_carlo import MC_FORESTS, MC_IRF

LINE = "ST0320A/NSB1.5/v01/dec_2276"
NODES = ("zd_10.0deg_az_100.0deg", "zd_24.0deg_az_100.0deg", "zd_38.0deg_az_100.0deg")


@pytest.fixture
def whole(tree):
    tree.magic(5093711, range(1, 4))
    tree.lst(1622, range(2))
    (tree.root / "config").mkdir()
    return tree


def set_rules(tree, *rules):
    content = {"productions": {"mcp062": {"overrides": list(rules)}}}
    (tree.root / "config" / "productions.yaml").write_text(yaml.safe_dump(content))
    tree.settings = load_settings(tree.root)


@pytest.fixture
def monte_carlo(whole, monkeypatch):
    """Plans of the Monte Carlo that lies on one declination line (or two), under the rules of now."""
    monkeypatch.setattr(night_plans, "science_versions", lambda python: whole.versions)

    def plans(*lines):
        for line in lines or (LINE,):
            for sample in ("GammaTrain", "ProtonTrain", "GammaTest"):
                for node in NODES:
                    path = whole.settings.site.paths.monte_carlo / line / sample / f"dl1_gamma_{node}_run1.h5"
                    whole.touch(path)
        return {plan.root.partition("/mc/")[2]: plan for plan in night_plans.plan_monte_carlo(settings=whole.settings)}

    return plans


def irf_folders(plan):
    return {Path(element.outputs[0]).parent.parent.name for _, element in plan.of_stage(MC_IRF)}


def test_each_option_is_a_choice_with_its_reason(whole):
    set_rules(whole, {"source": "CrabNebula", "set": {"mcp": {"create_irf": {"event_type": "magic_only"}}}})
    whole.models()
    choices = {choice.name: choice for choice in whole.plan().choices}
    assert choices["event type"].value == "magic_only"
    assert choices["event type"].reason.endswith("config/productions.yaml, rule 1 of overrides")
    assert choices["weights"].value == "intensity"
    assert choices["weights"].reason.endswith("config/mcp.yaml")
    assert choices["gammaness cut"].value == "efficiency 0.9 in each energy bin, within 0.05 to 0.85"
    assert choices["theta cut"].value == "global 0.2 deg"
    assert choices["quality cuts of images"].value == "(intensity > 50) & (width > 0)"
    assert choices["quality cuts of events"].value == "disp_diff_mean < 0.22"
    assert choices["IRF interpolation"].value == "linear in cosZd, nodes up to 45 deg away"
    assert choices["cuts"].value == "g_dyn_0.9_th_glo_0.2_magic_only"


def test_a_night_under_a_rule_takes_the_irfs_that_monte_carlo_makes_for_it(whole, monte_carlo):
    set_rules(whole, {"source": "CrabNebula", "set": {"mcp": {"create_irf": {"weight_type_dl2": "simple"}}}})
    (plan,) = monte_carlo().values()
    assert irf_folders(plan) == {"g_dyn_0.9_th_glo_0.2", "g_dyn_0.9_th_glo_0.2_simple"}
    whole.models()
    (_, dl3) = whole.plan().of_stage("dl3")[0]
    taken = {Path(item.path).parent for item in dl3.inputs if item.role == "irf"}
    made = {Path(one.outputs[0]).parent for _, one in plan.of_stage(MC_IRF)}
    assert taken < made
    simple = next(one for _, one in plan.of_stage(MC_IRF) if "simple" in one.id)
    usual = next(one for _, one in plan.of_stage(MC_IRF) if "simple" not in one.id)
    assert plan.config_of(simple)["create_irf"]["weight_type_dl2"] == "simple"
    assert plan.config_of(usual) == plan.config


def test_forests_are_trained_once_for_all_sets_of_irfs(whole, monte_carlo):
    set_rules(
        whole,
        {"set": {"mcp": {"create_irf": {"event_type": "hardware"}}}},
        {"source": "CrabNebula", "last": "2024-01-10", "set": {"mcp": {"create_irf": {"event_type": "magic_only"}}}},
    )
    (plan,) = monte_carlo().values()
    assert len(plan.of_stage(MC_FORESTS)) == 3
    # No night has the production's own event type: its IRFs are not made.
    assert irf_folders(plan) == {"g_dyn_0.9_th_glo_0.2_hardware", "g_dyn_0.9_th_glo_0.2_magic_only"}


def test_a_set_of_irfs_is_right_whatever_other_sets_there_are(whole, monte_carlo):
    """Its elements depend on nothing of the others: a rule more, or less, makes none of them stale."""
    rules = [
        {"source": "CrabNebula", "set": {"mcp": {"create_irf": {"event_type": "hardware"}}}},
        {"source": "1A-0535+262", "set": {"mcp": {"create_irf": {"event_type": "magic_only"}}}},
    ]

    def marks(plan):
        states = ElementStates(plan)
        return {one.outputs[0]: states.fingerprint(one, {}) for _, one in plan.of_stage(MC_IRF)}

    set_rules(whole, *rules)
    (both,) = monte_carlo().values()
    found = marks(both)
    set_rules(whole, rules[1])
    (one,) = monte_carlo().values()
    assert marks(one).items() < found.items()
    set_rules(whole)
    (none,) = monte_carlo().values()
    assert marks(none).items() < found.items()
    (whole.root / "config" / "mcp.yaml").write_text("create_irf: {weight_type_dl2: simple}\n")
    set_rules(whole, {"set": {"mcp": {"create_irf": {"event_type": "hardware", "weight_type_dl2": "intensity"}}}})
    (other,) = monte_carlo().values()
    assert marks(other).items() < found.items()


def test_a_rule_on_how_forests_are_trained_gives_forests_of_their_own(whole, monte_carlo):
    cuts = {"stereo_reco": {"quality_cuts": "(intensity > 80) & (width > 0)"}}
    set_rules(whole, {"source": "CrabNebula", "set": {"mcp": cuts}})
    plans = monte_carlo()
    (usual, own) = sorted(plans)
    assert usual == LINE
    assert Path(own).parent == Path(LINE)
    assert plans[own].config["stereo_reco"] == plans[usual].config["stereo_reco"] | cuts["stereo_reco"]
    outputs = [{path for one in plans[key].elements for path in one.outputs} for key in (usual, own)]
    assert not outputs[0] & outputs[1]
    whole.models()
    night = whole.plan()
    forests = {item.path for _, one in night.of_stage("dl2") for item in one.inputs if item.role == "forest"}
    assert forests < outputs[1]


def test_irfs_are_made_for_the_lines_and_periods_of_the_rule_only(whole, monte_carlo):
    other = LINE.replace("2276", "3476")
    set_rules(
        whole, {"source": "Mrk421", "first": "2023-05-01", "set": {"mcp": {"create_irf": {"event_type": "hardware"}}}}
    )
    plans = monte_carlo(LINE, other, other.replace("ST0320A", "ST0319A"))
    assert irf_folders(plans[LINE]) == {"g_dyn_0.9_th_glo_0.2"}
    assert irf_folders(plans[other]) == {"g_dyn_0.9_th_glo_0.2", "g_dyn_0.9_th_glo_0.2_hardware"}
    assert irf_folders(plans[other.replace("ST0320A", "ST0319A")]) == {"g_dyn_0.9_th_glo_0.2"}  # it ended in March


def test_a_rule_can_take_lst_files_of_another_version(whole):
    set_rules(whole, {"source": "CrabNebula", "set": {"lst_version": "v0.11"}})
    assert not whole.plan().of_stage("coincide")
    folder = whole.settings.site.paths.lst_dl1 / "20240110/v0.11/tailcut84"
    whole.touch(folder / "dl1_LST-1.Run01622.0000.h5")
    assert len(whole.plan().of_stage("coincide")) == 1


def test_a_source_without_an_entry_lies_where_its_rule_says(whole):
    set_rules(whole, {"source": "GRB240110A", "set": {"position": {"ra_deg": 80.0, "dec_deg": 22.0}}})
    whole.models()
    plan = whole.plan(source="GRB240110A")
    assert not [blocker for blocker in plan.blockers if blocker.subject == "source"]
    assert plan.config["dl2_to_dl3"]["source_ra"] == "80.0 deg"


@pytest.mark.parametrize(("nodes", "held"), [(3, True), (4, False)])
def test_cubic_interpolation_in_zenith_needs_four_nodes(whole, nodes, held):
    set_rules(whole, {"set": {"mcp": {"dl2_to_dl3": {"interpolation_method": "cubic"}}}})
    whole.models(zeniths=(10.0, 24.0, 38.0, 50.0)[:nodes])
    blockers = [blocker.reason for blocker in whole.plan().blockers if blocker.subject == "IRFs"]
    assert [("needs 4 or more" in reason) for reason in blockers] == ([True] if held else [])


def test_models_are_judged_by_the_effective_production(whole):
    set_rules(whole, {"source": "Mrk421", "set": {"mcp": {"dl2_to_dl3": {"interpolation_method": "nearest"}}}})
    models = Models(Path("f"), Path("i"), (), (IrfNode(ModelFile(Path("irf"), 1, 1), 20.0, 100.0),))
    lacks = {}
    for source in ("Mrk421", "CrabNebula"):
        production, row = whole.settings.production().effective(Night("2024-01-10"), source), whole.row(source)
        chosen = choose(row.night, source, whole.settings, production, [row])
        lacks[source] = [one.subject for one in lacking_models({1.5: models}, chosen, production, [])]
    assert lacks == {"Mrk421": ["forests"], "CrabNebula": ["forests", "IRFs"]}
