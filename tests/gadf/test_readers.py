"""What is published is read by others: both versions of gammapy, with equal numbers, and CTAO's data model."""

from __future__ import annotations

import shutil

import pytest
from astropy.io import fits
from dl3_folder import write_folder
from readers import GAMMAPY, assert_alike, check_with_ctao, read_with_gammapy

from stereo_tasks.gadf.check import check_folder
from stereo_tasks.gadf.judgement import Judgement
from stereo_tasks.products.publication import publish

RA_DEG, DEC_DEG = 83.6331, 22.0145


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """A small published night."""
    root = tmp_path_factory.mktemp("readers")
    dl3 = write_folder(root / "dl3", [7, 8], events=2000)
    link = root / "published" / "20240110"
    judgements = {7: Judgement(0, 1.5, "LST-1: 1 of 30 subruns"), 8: Judgement(2)}
    publish(link, sorted(dl3.glob("dl3_*")), sorted(dl3.glob("*index*")), {}, judgements)
    assert check_folder(link) == []
    return link


def test_both_versions_of_gammapy_read_reduce_and_fit_it_alike(night):
    old, new = (read_with_gammapy(version, night, RA_DEG, DEC_DEG) for version in GAMMAPY)
    assert set(old["runs"]) == {"7", "8"}
    for number, run in old["runs"].items():
        assert run["events"] == 2000
        assert run["on"] > 100
        # The clocks of the files, which begin at 21:43:07, 1000 s later for each number.
        assert run["start"] == {"7": "2024-01-10T23:39:47.000", "8": "2024-01-10T23:56:27.000"}[number]
        assert run["live_time_s"] == pytest.approx(95)
    assert_alike(old, new)


def test_every_hdu_is_as_ctao_has_it(night):
    found = check_with_ctao(night)
    responses = {"EFFECTIVE AREA": 2, "ENERGY DISPERSION": 2}
    assert found == {
        "checked": {"EVENTS": 2, "GTI": 2, **responses, "HDU INDEX": 1, "OBS INDEX": 1},
        "problems": [],
    }


def test_ctaos_data_model_finds_what_is_missing(night, tmp_path):
    folder = shutil.copytree(night, tmp_path / "broken")
    path = folder / "dl3_MAGIC_LST-1.Run00007.fits.gz"
    with fits.open(path, memmap=False) as hdus:
        hdus["EVENTS"].header.remove("RADESYS")
        hdus["GTI"].header["HDUVERS"] = "0.2"
        hdus.writeto(path, overwrite=True, checksum=True)
    events, gti = check_with_ctao(folder)["problems"]
    assert "[EVENTS]" in events
    assert "observation.frame" in events
    assert "[GTI]" in gti
    assert "hdu.version" in gti
