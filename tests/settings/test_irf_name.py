"""Different IRFs have different names; those of magic-cta-pipe's own configuration are autoMCP's."""

import copy
from itertools import combinations

import pytest

from stereo_tasks.settings import load_settings
from stereo_tasks.settings.irf_name import irf_name
from stereo_tasks.settings.layers import overlay

CUSTOM = {"energy_bins": [0.1, 1, 10], "energy_unit": "TeV", "cut": [0.4, 0.5], "cut_unit": ""}


@pytest.fixture
def base(tmp_path):
    return load_settings(tmp_path).production().mcp["create_irf"]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({}, "g_dyn_0.9_th_glo_0.2"),
        ({"gammaness": {"efficiency": 0.7}}, "g_dyn_0.7_th_glo_0.2"),
        ({"gammaness": {"cut_type": "global", "global_cut_value": 0.5}}, "g_glo_0.5_th_glo_0.2"),
        ({"theta": {"cut_type": "dynamic"}}, "g_dyn_0.9_th_dyn_0.75"),
        ({"theta": {"global_cut_value": "12 arcmin"}}, "g_dyn_0.9_th_glo_0.2"),
        ({"theta": {"global_cut_value": "0.2deg"}}, "g_dyn_0.9_th_glo_0.2"),
        ({"event_type": "magic_only"}, "g_dyn_0.9_th_glo_0.2_magic_only"),
        ({"weight_type_dl2": "variance"}, "g_dyn_0.9_th_glo_0.2_variance"),
        ({"theta": {"efficiency": 0.5, "max_cut": "0.4 deg"}}, "g_dyn_0.9_th_glo_0.2"),  # a global cut reads neither
        (
            {"obs_time_irf": "10 h", "source_offset_bins": {"n_edges": 11}},
            "g_dyn_0.9_th_glo_0.2",
        ),  # nor point-like IRFs
    ],
)
def test_a_name_tells_the_cuts_and_what_is_unusual(base, change, name):
    assert irf_name(overlay(base, change)) == name


def test_irfs_that_differ_have_names_that_differ(base):
    custom = {"cut_type": "custom", "custom_cuts": CUSTOM, "interpolate_kind": "nearest"}
    changes = [
        {},
        {"event_type": "software_only_3tel"},
        {"event_type": "hardware"},
        {"weight_type_dl2": "simple"},
        {"event_type": "hardware", "weight_type_dl2": "simple"},
        {"quality_cuts": None},
        {"quality_cuts": "disp_diff_mean < 0.3"},
        {"gammaness": {"min_cut": 0.1}},
        {"gammaness": {"max_cut": 0.9}},
        {"gammaness": custom},
        {"gammaness": {**custom, "interpolate_kind": "linear"}},
        {"gammaness": {**custom, "custom_cuts": {**CUSTOM, "cut": [0.4, 0.6]}}},
        {"theta": {"cut_type": "dynamic", "max_cut": "0.4 deg"}},
        {"energy_bins": {"n_edges": 51}},
        {"migration_bins": {"stop": 6}},
        {"fov_offset_bins": {"n_edges": 3}},
    ]
    names = [irf_name(overlay(copy.deepcopy(base), change, nulls=True)) for change in changes]
    for (one, name), (other, other_name) in combinations(zip(changes, names, strict=True), 2):
        assert name != other_name, (one, other)
