"""A folder that keeps its format has no problem; each way to break it is told by file, HDU and card."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from dl3_folder import write_folder
from typer.testing import CliRunner

from stereo_tasks.gadf.amend import judge_index
from stereo_tasks.gadf.check import check_folder
from stereo_tasks.gadf.format import EVENTS_CARDS
from stereo_tasks.gadf.judgement import Judgement

RUN = "dl3_MAGIC_LST-1.Run00007.fits.gz"


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "dl3", [7, 8])


def change(path: Path, hdu: str, change_hdu, *, sums: bool = True) -> None:
    """Change an HDU; with new check sums, as by somebody who meant it."""
    with fits.open(path, memmap=False) as hdus:
        change_hdu(hdus[hdu])
        hdus.writeto(path, overwrite=True, checksum=sums)


def found(folder: Path) -> set[tuple[str, str, str]]:
    return {(problem.file, problem.hdu, problem.card) for problem in check_folder(folder)}


def test_what_keeps_the_format_has_no_problem(folder):
    assert check_folder(folder) == []


@pytest.mark.parametrize("card", sorted(EVENTS_CARDS))
def test_each_card_that_is_missing_is_named(folder, card):
    change(folder / RUN, "EVENTS", lambda hdu: hdu.header.remove(card))
    assert (RUN, "EVENTS", card) in found(folder)


@pytest.mark.parametrize(
    ("hdu", "card", "value"),
    [
        ("EVENTS", "OBS_MODE", "WOBBLE"),
        ("EVENTS", "DEADC", 1.2),
        ("EVENTS", "EQUINOX", "J2000"),
        ("EVENTS", "ONTIME", 50.0),
        ("EVENTS", "LIVETIME", 99.0),
        ("GTI", "HDUCLAS1", "GOOD"),
        ("EFFECTIVE AREA", "HDUVERS", "0.2"),
        ("EFFECTIVE AREA", "HDUCLAS3", "POINTLIKE"),
    ],
)
def test_a_wrong_value_is_named(folder, hdu, card, value):
    change(folder / RUN, hdu, lambda one: one.header.set(card, value))
    assert (RUN, hdu, card) in found(folder)


def set_first(name, value):
    def change_data(hdu):
        hdu.data[name].flat[0] = value

    return change_data


@pytest.mark.parametrize(
    ("hdu", "name", "value"),
    [
        ("EFFECTIVE AREA", "EFFAREA", -1.0),
        ("ENERGY DISPERSION", "MATRIX", np.nan),
        ("ENERGY DISPERSION", "ENERG_LO", 99.0),
        ("EVENTS", "ENERGY", -0.3),
        ("EVENTS", "RA", np.inf),
        ("EVENTS", "TIME", 1.0),
        ("GTI", "STOP", 5.0),
    ],
)
def test_impossible_data_are_named(folder, hdu, name, value):
    change(folder / RUN, hdu, set_first(name, value))
    assert (RUN, hdu, name) in found(folder)


def test_a_unit_of_another_dimension_is_named_and_one_of_the_same_is_not(folder):
    change(folder / RUN, "EVENTS", lambda hdu: hdu.header.set("TUNIT5", "GeV"))
    assert found(folder) == set()
    change(folder / RUN, "EVENTS", lambda hdu: hdu.header.set("TUNIT5", "m"))
    assert (RUN, "EVENTS", "ENERGY") in found(folder)


def test_a_changed_byte_is_found_by_the_sums(folder):
    change(folder / RUN, "EVENTS", lambda hdu: None, sums=False)
    path = folder / RUN
    content = bytearray(gzip.decompress(path.read_bytes()))
    place = content.index(b"XTENSION", content.index(b"XTENSION") + 80) - 2880  # in the last block of the events
    content[place] ^= 1
    path.write_bytes(gzip.compress(bytes(content)))
    assert (RUN, "EVENTS", "DATASUM") in found(folder)


def test_a_file_that_is_cut_off_is_named(folder):
    path = folder / RUN
    path.write_bytes(path.read_bytes()[:2000])
    (problem,) = [one for one in check_folder(folder) if one.file == RUN]
    assert "cannot be read" in problem.text
    assert "EOFError" in problem.text


def test_an_index_that_lists_a_missing_file_is_named(folder):
    (folder / RUN).unlink()
    texts = [str(problem) for problem in check_folder(folder)]
    assert f"{RUN}: is missing, though the index lists it" in texts
    assert any(text.startswith("obs-index.fits.gz [OBS INDEX] OBS_ID: lists the observation 7") for text in texts)


def test_an_index_that_leads_elsewhere_is_named(folder):
    change(folder / "hdu-index.fits.gz", "HDU INDEX", lambda hdu: hdu.header.set("BASE_DIR", "/somewhere"))
    assert ("hdu-index.fits.gz", "HDU INDEX", "BASE_DIR") in found(folder)


def test_an_index_that_contradicts_its_events_is_named(folder):
    change(folder / "obs-index.fits.gz", "OBS INDEX", set_first("RA_PNT", 80.0))
    assert found(folder) == {("obs-index.fits.gz", "OBS INDEX", "RA_PNT")}


def test_a_missing_index_or_folder_is_told(folder):
    (folder / "obs-index.fits.gz").unlink()
    assert found(folder) == {("obs-index.fits.gz", "", "")}
    with pytest.raises(NotADirectoryError, match="is no folder"):
        check_folder(folder / "nowhere")


def test_point_like_responses_must_tell_their_radius(folder):
    for hdu in ("EFFECTIVE AREA", "ENERGY DISPERSION"):
        change(folder / RUN, hdu, lambda one: one.header.remove("RAD_MAX"))
    assert any("RAD_MAX" in problem.text for problem in check_folder(folder))


def test_the_pointing_is_told_as_a_wobble(folder):
    with fits.open(folder / "obs-index.fits.gz") as hdus:
        (row, _) = hdus[1].data
        assert row["OBS_MODE"] == "POINTING"
        # 0.2482 deg in right ascension at declination 22.2 deg, and 0.3274 deg in declination.
        assert row["WOBOFF"] == pytest.approx(np.hypot(0.2482 * np.cos(np.radians(22.18)), 0.3274), abs=1e-4)
        assert row["WOBPA"] == pytest.approx(
            np.degrees(np.arctan2(0.2482 * np.cos(np.radians(22.18)), 0.3274)), abs=0.1
        )


def test_what_quality_assurance_says_stands_in_the_index(folder):
    judge_index(folder / "obs-index.fits.gz", {8: Judgement(1, 12.5, "LST-1: 1 of 30 subruns")})
    assert check_folder(folder) == []
    with fits.open(folder / "obs-index.fits.gz") as hdus:
        seven, eight = hdus[1].data
        assert (seven["QUALITY"], seven["LOST_CAUSE"]) == (-1, "")
        assert np.isnan(seven["LOST_TIME"])
        assert (eight["QUALITY"], eight["LOST_TIME"], eight["LOST_CAUSE"]) == (1, 12.5, "LST-1: 1 of 30 subruns")


def test_the_command_says_it_card_by_card_and_ends_with_1(folder):
    import typer

    from stereo_tasks.commands.check_dl3 import check_dl3_command

    app = typer.Typer()
    app.command()(check_dl3_command)
    assert CliRunner().invoke(app, [str(folder)]).exit_code == 0
    change(folder / RUN, "EVENTS", lambda hdu: hdu.header.remove("ORIGIN"))
    result = CliRunner().invoke(app, [str(folder)])
    assert result.exit_code == 1
    assert f"{RUN} [EVENTS] ORIGIN: is missing" in result.output


def test_magics_public_runs_lack_sums_and_version_and_a_clear_reference_of_times():
    public = Path(__file__).parents[3] / "shared" / "data" / "magic_dl3"
    if not public.exists():
        pytest.skip("MAGIC's public runs are not here")
    cards = {problem.card for problem in check_folder(public) if problem.file.endswith(".fits")}
    # Their times count from 2003, in UTC: 3 leap seconds before they were taken.
    assert cards == {"DATASUM", "CHECKSUM", "HDUVERS", "MJDREFI"}
