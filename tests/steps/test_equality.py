"""What counts as a difference between two products."""

import numpy as np
import pytest
import tables
from astropy.io import fits

from stereo_tasks.steps.equality import RELATIVE, difference

ROWS = np.array([(1, 2.5, 0.0), (2, np.nan, 1e-13), (3, -4.0, 7.0)], [("id", "i8"), ("width", "f8"), ("slope", "f8")])


def hdf(path, rows=ROWS, *, attribute="v1", extra=False):
    with tables.open_file(str(path), "w") as file:
        table = file.create_table("/events", "parameters", rows, createparents=True)
        table.attrs["VERSION"] = attribute
        if extra:
            file.create_array("/", "extra", [1])
    return path


def changed(name, row, value):
    rows = ROWS.copy()
    rows[name][row] = value
    return rows


@pytest.fixture
def theirs(tmp_path):
    return hdf(tmp_path / "theirs.h5")


def test_equal_tables_are_equal(tmp_path, theirs):
    assert difference(hdf(tmp_path / "ours.h5"), theirs) == ""


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"rows": changed("width", 2, np.nextafter(-4.0, 0))}, "column width, row 2"),
        ({"rows": changed("slope", 0, -0.0)}, "column slope, row 0: np.float64(-0.0), not np.float64(0.0)"),
        ({"rows": changed("id", 1, 7)}, "column id, row 1"),
        ({"rows": ROWS[:2]}, "NROWS is np.int64(2), not"),
        ({"rows": ROWS.astype([("id", "i8"), ("width", "f4"), ("slope", "f8")])}, "<f4"),
        ({"rows": ROWS[["id", "slope", "width"]].astype([("id", "i8"), ("slope", "f8"), ("width", "f8")])}, "slope"),
        ({"attribute": "v2"}, "attribute VERSION is np.str_('v2'), not np.str_('v1')"),
        ({"extra": True}, "/extra is only in ours"),
    ],
)  # fmt: skip
def test_a_difference_is_named(tmp_path, theirs, made, said):
    found = difference(hdf(tmp_path / "ours.h5", **made), theirs)
    assert said in found


def test_on_another_processor_numbers_may_differ_a_little(tmp_path, theirs):
    little = changed("width", 2, -4.0 * (1 + 1e-13))
    assert difference(hdf(tmp_path / "ours.h5", little), theirs)
    assert difference(hdf(tmp_path / "ours.h5", little), theirs, relative=RELATIVE) == ""
    # What is left of a sum that cancels has the rounding of its summands: here of some 7.
    left_over = changed("slope", 1, 2e-13)
    assert difference(hdf(tmp_path / "ours.h5", left_over), theirs, relative=RELATIVE) == ""
    assert "slope" in difference(hdf(tmp_path / "ours.h5", changed("slope", 2, 7.0001)), theirs, relative=RELATIVE)
    assert "width" in difference(hdf(tmp_path / "ours.h5", changed("width", 1, 0.0)), theirs, relative=RELATIVE)


def dl3(path, *, value=1.0, **cards):
    events = fits.BinTableHDU(np.array([(value,)], [("ENERGY", ">f8")]), name="EVENTS")
    events.header.update({"DATE": "now", "RA_PNT": 83.6, **cards})
    fits.HDUList([fits.PrimaryHDU(), events]).writeto(path)
    return path


def test_cards_count_but_for_when_and_where_they_were_written(tmp_path):
    theirs = dl3(tmp_path / "theirs.fits.gz")
    later = dl3(tmp_path / "later.fits.gz", DATE="later", CREATED="just now", BASE_DIR="/elsewhere")
    assert difference(later, theirs) == ""
    assert "card RA_PNT is 83.7, not RA_PNT 83.6" in difference(dl3(tmp_path / "other.fits.gz", RA_PNT=83.7), theirs)
    assert "column ENERGY, row 0" in difference(dl3(tmp_path / "energy.fits.gz", value=2.0), theirs)
