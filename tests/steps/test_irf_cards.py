"""The header of an IRF against the configuration that it was asked for."""

import copy

import numpy as np
import pytest
import yaml
from astropy.io import fits

from stereo_tasks.settings.load import base_folder
from stereo_tasks.steps.irf_cards import difference

CARDS = {
    "EVT_TYPE": "software", "DL2_WEIG": "intensity", "QUAL_CUT": "disp_diff_mean < 0.22", "GH_EFF": 0.9, "GH_MIN": 0.05,
    "GH_MAX": 0.85, "RAD_MAX": (0.2, "deg"),
}  # fmt: skip
DYNAMIC_THETA = {"TH_EFF": 0.75, "TH_MIN": (0.1, "deg"), "TH_MAX": (0.25, "deg")}


@pytest.fixture
def wanted():
    """create_irf of config/mcp.yaml."""
    return copy.deepcopy(yaml.safe_load((base_folder() / "mcp.yaml").read_text())["create_irf"])


@pytest.fixture
def irf(tmp_path):
    def write(without=(), **cards):
        column = fits.Column("EFFAREA", "E", array=np.ones(1))
        hdu = fits.BinTableHDU.from_columns([column], name="EFFECTIVE AREA")
        for card, value in {**CARDS, **cards}.items():
            if card not in without:
                hdu.header[card] = value
        path = tmp_path / "irf_zd_24.0deg_az_100.0deg.fits.gz"
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path, overwrite=True)
        return path

    return write


def test_an_irf_of_this_configuration_passes(irf, wanted):
    assert difference(irf(), wanted) == ""
    wanted["theta"]["cut_type"] = "dynamic"
    assert difference(irf(without=["RAD_MAX"], **DYNAMIC_THETA), wanted) == ""
    wanted["theta"]["min_cut"] = "6 arcmin"  # 0.1 deg in another unit
    assert difference(irf(without=["RAD_MAX"], **DYNAMIC_THETA), wanted) == ""
    wanted["gammaness"]["cut_type"] = "custom"
    assert difference(irf(**DYNAMIC_THETA, GH_CUTS="Custom energy-dependent"), wanted) == ""
    wanted["quality_cuts"] = None
    assert difference(irf(["QUAL_CUT"], **DYNAMIC_THETA, GH_CUTS="Custom energy-dependent"), wanted) == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"event_type": "magic_only"}, "EVT_TYPE is 'software', wanted 'magic_only'"),
        ({"weight_type_dl2": "variance"}, "DL2_WEIG is 'intensity', wanted 'variance'"),
        (
            {"quality_cuts": "disp_diff_mean < 0.3"},
            "QUAL_CUT is 'disp_diff_mean < 0.22', wanted 'disp_diff_mean < 0.3'",
        ),
        ({"quality_cuts": None}, "QUAL_CUT is 'disp_diff_mean < 0.22', wanted None"),
        ({"gammaness": {"efficiency": 0.8}}, "GH_EFF is 0.9, wanted 0.8"),
        ({"gammaness": {"max_cut": 0.9}}, "GH_MAX is 0.85, wanted 0.9"),
        ({"gammaness": {"cut_type": "global"}}, "GH_CUT is None, wanted 0.8"),
        ({"gammaness": {"cut_type": "custom"}}, "GH_CUTS is None, wanted 'Custom energy-dependent'"),
        ({"theta": {"global_cut_value": "0.1 deg"}}, "RAD_MAX is 0.2, wanted 0.1"),
        ({"theta": {"cut_type": "dynamic"}}, "TH_EFF is None, wanted 0.75"),
    ],
)
def test_a_difference_is_named_with_card_found_and_wanted(irf, wanted, change, said):
    for key, value in change.items():
        wanted[key] = {**wanted[key], **value} if isinstance(value, dict) else value
    path = irf()
    text = difference(path, wanted)
    assert text.startswith(f"{path} is not the IRF that is asked for: {said}")
    assert "stereo prepare-mc" in text
