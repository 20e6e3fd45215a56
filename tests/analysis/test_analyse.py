"""An analysis from a folder to its files; and what is said where it cannot be made."""

from __future__ import annotations

import shutil

import pytest
import yaml
from astropy.table import QTable
from simulated_dl3 import NAME

from stereo_tasks.analysis.__main__ import main
from stereo_tasks.analysis.analyse import analyse
from stereo_tasks.analysis.observations import find_observations
from stereo_tasks.analysis.settings import read_settings
from stereo_tasks.products.season_tree import FILES as SEASON_FILES

SETTINGS, FILES = read_settings(), set(SEASON_FILES)


def test_an_analysis_leaves_its_files_and_is_the_same_each_time(strong, tmp_path):
    first, second = (analyse([strong], "mrk 421", tmp_path / name, settings=SETTINGS) for name in ("first", "second"))
    assert {path.name for path in (tmp_path / "first").iterdir()} == FILES
    assert first == second
    for name in FILES:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes(), name
    written = yaml.safe_load((tmp_path / "first" / "results.yaml").read_text())
    assert written == first
    assert written["observations"] == [100, 101, 102, 103]
    assert written["significance_sigma"] > 50
    assert written["spectrum"]["model"] == "log-parabola"
    assert written["versions"]["gammapy"].startswith("2.")
    assert abs(written["map_away_from_source"]["mean_sigma"]) < 0.2
    assert written["map_away_from_source"]["width_sigma"] == pytest.approx(1, abs=0.15)
    curve = QTable.read(tmp_path / "first" / "lightcurve.ecsv")
    assert str(curve["flux"].unit) == "1 / (s cm2)"
    assert len(QTable.read(tmp_path / "first" / "sed.ecsv")) > 8


def test_a_source_without_flux_has_no_spectrum_but_upper_limits(empty, tmp_path, capsys):
    assert main(["--dl3", str(empty), "--source", NAME, "--out", str(tmp_path)]) == 0
    results = yaml.safe_load((tmp_path / "results.yaml").read_text())
    assert abs(results["significance_sigma"]) < 3
    assert results["spectrum"] is None
    assert "sigma" in results["reason"]
    assert results["flux"]["is_upper_limit"]
    assert results["flux"]["upper_limit_per_cm2_s"] > 0
    assert QTable.read(tmp_path / "sed.ecsv")["is_ul"].sum() > 0
    assert {path.name for path in tmp_path.iterdir()} == FILES
    assert "no spectrum: the excess has" in capsys.readouterr().out


def test_bad_runs_are_left_out_unless_asked_for(make_folder, tmp_path):
    folder = make_folder(runs=3, amplitude=1e-10, quality=[0, 2, 1], seed=51)
    results = analyse([folder], NAME, tmp_path / "good", settings=SETTINGS)
    assert results["observations"] == [100, 102]
    assert results["left_out"] == {101: "QUALITY 2: bad"}
    everything = find_observations([folder], NAME, None, offset_max_deg=1.5, use_bad=True)
    assert [one.obs_id for one in everything.observations] == [100, 101, 102]
    assert everything.left_out == {}


def _message(capsys, *arguments):
    assert main([str(argument) for argument in arguments]) == 1
    return capsys.readouterr().err


def test_errors_say_what_to_do_and_leave_nothing(strong, tmp_path, capsys):
    out = tmp_path / "out"
    assert "no folder" in _message(capsys, "--dl3", tmp_path / "x", "--source", NAME, "--out", out)
    assert "has no hdu-index.fits.gz" in _message(capsys, "--dl3", tmp_path, "--source", NAME, "--out", out)
    text = _message(capsys, "--dl3", strong, "--source", "BL Lac", "--out", out)
    assert "the 4 observations are of Mrk421" in text
    elsewhere = ("--ra", "10", "--dec", "10")
    assert "no observation of BL Lac" in _message(
        capsys, "--dl3", strong, "--source", "BL Lac", *elsewhere, "--out", out
    )
    assert not out.exists()


@pytest.mark.parametrize("kept", [0, 3000, 0.6])
def test_a_truncated_file_is_named(strong, tmp_path, capsys, kept):
    folder = shutil.copytree(strong, tmp_path / "dl3")
    path = folder / "run101.fits"
    path.write_bytes(path.read_bytes()[: kept if isinstance(kept, int) else int(kept * path.stat().st_size)])
    text = _message(capsys, "--dl3", folder, "--source", NAME, "--out", tmp_path / "out")
    assert "run101.fits cannot be read" in text
    assert "stereo check-dl3" in text
    assert not (tmp_path / "out").exists()


def test_an_index_that_is_no_index_is_named(strong, tmp_path, capsys):
    folder = shutil.copytree(strong, tmp_path / "dl3")
    (folder / "hdu-index.fits.gz").write_bytes(b"")
    assert "the index" in _message(capsys, "--dl3", folder, "--source", NAME, "--out", tmp_path / "out")


def test_a_folder_that_cannot_be_written_is_named(empty, tmp_path, capsys):
    (tmp_path / "file").touch()
    text = _message(capsys, "--dl3", empty, "--source", NAME, "--out", tmp_path / "file" / "crab")
    assert f"{tmp_path / 'file'} cannot be written" in text
