"""Where the header of a calibrated file says its source is."""

import json

import numpy as np
import pytest
import uproot

from stereo_tasks.steps.source_header import main, source_in_header


@pytest.fixture
def calibrated(tmp_path):
    """Write a file with the header only: hours and degrees x 3600, as whole numbers."""

    def write(ra_hours_3600, dec_deg_3600, name="run.root"):
        path = tmp_path / name
        with uproot.recreate(path) as file:
            tree = file.mktree(
                "RunHeaders", {"MRawRunHeader.fSourceRA": np.int32, "MRawRunHeader.fSourceDEC": np.int32}
            )
            tree.extend(
                {
                    "MRawRunHeader.fSourceRA": np.array([ra_hours_3600], dtype=np.int32),
                    "MRawRunHeader.fSourceDEC": np.array([dec_deg_3600], dtype=np.int32),
                }
            )
        return path

    return write


def test_hours_become_degrees(calibrated):
    """GRB 201216C: 01 05 29 +16 31 00."""
    ra_deg, dec_deg = source_in_header(calibrated(3600 + 5 * 60 + 29, 16 * 3600 + 31 * 60))
    assert (ra_deg, dec_deg) == (pytest.approx(16.37083, abs=1e-5), pytest.approx(16.51667, abs=1e-5))


def test_south(calibrated):
    assert source_in_header(calibrated(7200, -1800))[1] == -0.5


@pytest.mark.parametrize("values", [(0, 0), (25 * 3600, 0), (3600, 91 * 3600), (-3600, 0)])
def test_what_is_no_position_is_refused(calibrated, values):
    with pytest.raises(ValueError, match="no position on the sky"):
        source_in_header(calibrated(*values))


def test_the_first_readable_file_counts(calibrated, capsys):
    good = calibrated(7200, 3600, "good.root")
    cut = good.with_name("cut.root")
    cut.write_bytes(good.read_bytes()[:300])
    assert main([str(cut), str(good)]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == {"file": "good.root", "ra_deg": 30.0, "dec_deg": 1.0}
    assert "cut.root has no readable RunHeaders" in said.err


def test_without_a_readable_file_it_says_why(tmp_path, capsys):
    assert main([str(tmp_path / "nothing.root")]) == 1
    assert "nothing.root has no readable RunHeaders (FileNotFoundError)" in capsys.readouterr().err
