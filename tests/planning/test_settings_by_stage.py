"""Which stages a setting concerns: exactly those are made again when it changes, and what follows from them.

The tools' side of it, that they read nothing else, is in `tests/steps/test_options.py`.
"""

from pathlib import Path

import pytest
import yaml

from stereo_tasks.kernels.coverage import SHOWN_EQUAL
from stereo_tasks.planning.choices import choose
from stereo_tasks.planning.fingerprint import configuration_of
from stereo_tasks.planning.monte_carlo import SAMPLES, plan_monte_carlo
from stereo_tasks.products.models import ModelFile
from stereo_tasks.settings import load_settings
from stereo_tasks.settings.layers import leaves
from stereo_tasks.settings.qa import QaSettings

MCP_FILE = Path(__file__).parents[2] / "config" / "mcp.yaml"
DL1 = {"calibrate", "coincide", "stereo", "mc_stereo"}
SECTIONS = {
    "mc_tel_ids": DL1,
    "save_images": DL1,
    "MAGIC": {"calibrate"},
    "event_coincidence": {"coincide"},
    "stereo_reco": {"stereo", "mc_stereo"},
    "energy_regressor": {"mc_forests"},
    "disp_regressor": {"mc_forests"},
    "event_classifier": {"mc_forests"},
    "create_irf": {"mc_irf", "dl3"},  # with which the IRFs that it takes are compared
    "dl2_to_dl3": {"dl3"},
}
SETTINGS = sorted(key for key, _ in leaves(yaml.safe_load(MCP_FILE.read_text())))
OTHER = {
    "timestamp_type_lst": "tib_time", "pedestal_type": "fundamental", "event_type": "hardware",
    "weight_type_dl2": "simple", "quality_cuts": "intensity > 60", "cut_type": None, "interpolation_method": "nearest",
    "interpolation_scheme": "cosZdAz", "criterion": "absolute_error", "max_features": "log2",
    "max_leaf_nodes": 10, "max_samples": 0.5, "class_weight": "balanced", "min": "0.1 deg", "max": "1 deg",
    "stop": None,
}  # fmt: skip
"""Other values that are possible, where they cannot be made from the usual one."""


def another(key, value):
    """Return another possible value of a setting."""
    name = key.rpartition(".")[2]
    if name == "cut_type":
        return "global" if value == "dynamic" else "dynamic"
    if OTHER.get(name) is not None:
        return OTHER[name]
    if isinstance(value, bool):
        return not value
    if isinstance(value, list):
        return value[:-1]
    if isinstance(value, str):
        number, unit = value.split()
        return f"{another('', float(number))} {unit}"
    return 0.01 if value == 0 and isinstance(value, float) else value + 1 if isinstance(value, int) else value * 0.9


class Plans:
    """The plans of a night and of its Monte Carlo, under the site's configuration as it is now."""

    def __init__(self, tree):
        self.tree = tree
        tree.versions |= {name: versions[-1] for name, versions in SHOWN_EQUAL.items()}
        tree.magic(5093711, range(1, 4))
        tree.lst(1622, range(2))
        (tree.root / "config").mkdir()

    def write(self, file, content):
        (self.tree.root / "config" / file).write_text(yaml.safe_dump(content))

    def depends(self):
        """What the products of each stage depend on, besides those of other stages."""
        tree = self.tree
        tree.settings = load_settings(tree.root)
        production, row = tree.settings.production(), tree.row()
        tree.models(nsb=production.effective(row.night, "CrabNebula").nsb)
        night = tree.plan()
        assert not night.blockers
        (mc_tree,) = choose(row.night, "CrabNebula", tree.settings, production, [row]).trees.values()
        samples = {}
        for sample in SAMPLES:
            path = tree.touch(mc_tree.dl1_folder(sample) / "dl1_gamma_zd_20.0deg_az_100.0deg_run1.h5")
            samples[sample] = (ModelFile(path, 1, 1),)
        mc = plan_monte_carlo(mc_tree, samples, tree.settings, production, tree.versions)
        found = {}
        for plan in (night, mc):
            for stage in plan.stages:
                elements = [
                    (one.id, one.parameters, [item for item in one.inputs if item.producer is None])
                    for _, one in plan.of_stage(stage)
                ]
                found[stage.name] = (configuration_of(plan, stage), elements)
        return found


@pytest.fixture
def plans(tree):
    return Plans(tree)


def concerned(before, after):
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name]}


def test_every_section_of_the_configuration_is_in_the_table():
    assert SECTIONS.keys() == {key.partition(".")[0] for key in SETTINGS}


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_of_magic_cta_pipe_concerns_the_stages_that_read_it(plans, section):
    values = dict(leaves(yaml.safe_load(MCP_FILE.read_text())))
    before = plans.depends()
    for key in SETTINGS:
        if key.partition(".")[0] != section:
            continue
        content = value = another(key, values[key])
        for part in reversed(key.split(".")):
            content = {part: content}
        plans.write("mcp.yaml", content)
        assert concerned(before, plans.depends()) == SECTIONS[section], (key, values[key], value)


def production(**values):
    return {"productions": {"mcp062": values}}


def rule(**values):
    return production(overrides=[{"source": "CrabNebula", "set": values}])


@pytest.mark.parametrize(
    ("file", "content", "stages"),
    [
        ("productions.yaml", production(nsb=2.0), {"dl2", "dl3", "mc_stereo"}),  # other files
        ("productions.yaml", production(mc_version="02"), {"dl2", "dl3", "mc_stereo"}),
        ("productions.yaml", rule(nsb=2.0), {"dl2", "dl3"}),  # `plans` has the Monte Carlo of the production itself
        ("productions.yaml", rule(mcp={"dl2_to_dl3": {"max_distance": "40 deg"}}), {"dl3"}),
        ("productions.yaml", rule(mcp={"create_irf": {"event_type": "hardware"}}), {"dl3"}),
        ("productions.yaml", rule(mcp={"stereo_reco": {"theta_uplim": "5 arcmin"}}), {"stereo", "dl2", "dl3"}),
        ("productions.yaml", rule(position={"ra_deg": 83.7, "dec_deg": 22.1}), {"dl3", "qa"}),
        ("productions.yaml", production(engine="mcp"), set()),
        ("productions.yaml", production(corrections=["time_difference"]), {"calibrate"}),
        ("productions.yaml", production(compared_min=2), set()),
        ("policy.yaml", {"completeness_min": 0.5}, {"merge", "merge_stereo", "qa"}),
        ("policy.yaml", {"settle_s": 1.0}, set()),
        ("sources.yaml", {"CrabNebula": {"ra_deg": 83.7}}, {"dl3", "qa"}),
        ("sources.yaml", {"Mrk421": {"ra_deg": 166.2}}, set()),
        ("time_offsets.yaml", [{"first": "2024-01-01", "last": "2024-02-01", "offset_us": -4.0}], {"qa"}),
        ("site.yaml", {"workers": 7}, set()),
        ("resources.yaml", {"stereo": {"memory": "9 GB"}}, set()),
        ("alarms.yaml", {"run_h": 7}, set()),
    ],
    ids=lambda value: str(value) if not isinstance(value, set) else "",
)
def test_every_setting_of_ours_concerns_the_stages_that_read_it(plans, file, content, stages):
    before = plans.depends()
    plans.write(file, content)
    after = plans.depends()
    # Which elements are compared is no property of a product.
    before, after = ({k: v for k, v in one.items() if k != "compare"} for one in (before, after))
    assert concerned(before, after) == stages


@pytest.mark.parametrize(
    ("field", "content"),
    {
        "detection_sigma": 4.0,
        "background_gammaness_max": 0.4,
        "images_min": 50,
        "limits": {"zenith": {"mean": [{"good": [1, 50], "source": "test"}]}},
        "references": [{"source": "test", "deciles": {"m1_width": [1, 2, 3, 4, 5, 6, 7, 8, 9]}}],
        "theta2": {"off_regions": 1},
        "spectrum": {"bins_per_decade": 4},
    }.items(),
)
def test_what_pages_are_judged_by_concerns_the_page_alone(plans, field, content):
    before = plans.depends()
    plans.write("qa.yaml", {field: content})
    assert concerned(before, plans.depends()) == {"qa"}


def test_every_part_of_the_page_s_settings_is_in_that_table():
    tried = test_what_pages_are_judged_by_concerns_the_page_alone.pytestmark[0].args[1]
    assert set(QaSettings.model_fields) == {field for field, _ in tried}
