"""Files grow by what is new, and tell what is in them."""

import numpy as np
import pandas as pd
import pytest
from dl2_tables import profile

from stereo_tasks.datasets import files
from stereo_tasks.datasets.combinations import of_combination
from stereo_tasks.datasets.errors import DatasetError
from stereo_tasks.datasets.files import Part, TableWriter


@pytest.fixture
def parts(tmp_path, images):
    """Five nights of a hundred images each."""
    made = []
    for i in range(5):
        path = tmp_path / f"{i}.h5"
        with TableWriter(path) as writer:
            writer.append(images.iloc[100 * i : 100 * i + 100].assign(event_id=np.arange(100) + 1000 * i))
        made.append(Part(f"2024011{i}", f"sum{i}", path))
    return made


def read(path):
    return pd.read_hdf(path, "events/parameters")


def test_one_more_night_reads_no_other_again(tmp_path, parts):
    target = tmp_path / "season.h5"
    assert files.put_together(target, parts[:4]) == (4, 400)
    for part in parts[:4]:
        part.path.unlink()  # reading one of them again would be an error
    assert files.put_together(target, parts) == (1, 500)
    assert read(target)["event_id"].tolist() == [1000 * i + j for i in range(5) for j in range(100)]
    assert files.parts_of(target) == [(part.name, 100) for part in parts]


@pytest.mark.parametrize(("changed", "read_again"), [(4, 1), (2, 3), (0, 5)])
def test_a_changed_night_is_read_again_with_those_after_it(tmp_path, parts, changed, read_again):
    target, whole = tmp_path / "season.h5", tmp_path / "whole.h5"
    files.put_together(target, parts)
    parts[changed] = Part(parts[changed].name, "other", parts[changed].path)
    assert files.put_together(target, parts)[0] == read_again
    files.put_together(whole, parts)
    pd.testing.assert_frame_equal(read(target), read(whole))
    assert files.wrong_with(target) == ""


@pytest.mark.parametrize("gone", [0, 2, 4])
def test_a_night_that_is_gone_is_gone_from_the_file(tmp_path, parts, gone):
    target = tmp_path / "season.h5"
    files.put_together(target, parts)
    rest = [part for i, part in enumerate(parts) if i != gone]
    files.put_together(target, rest)
    assert files.parts_of(target) == [(part.name, 100) for part in rest]
    assert 1000 * gone not in set(read(target)["event_id"])


def test_what_is_not_wanted_is_left_out_also_of_what_comes_later(tmp_path, parts):
    target = tmp_path / "season.h5"
    files.put_together(target, parts[:2], of_combination("3tel"))
    files.put_together(target, parts, of_combination("3tel"))
    assert set(read(target)["combo_type"]) == {1}
    assert len(read(target)) == sum((read(part.path)["combo_type"] == 1).sum() for part in parts)


def test_blocks_are_all_rows_once(tmp_path, parts, monkeypatch):
    monkeypatch.setattr(files, "ROWS_A_BLOCK", 7)
    files.put_together(tmp_path / "season.h5", parts)
    assert len(read(tmp_path / "season.h5")) == 500


def test_nothing_of_a_combination_is_a_whole_file_without_rows(tmp_path, parts):
    target = tmp_path / "season.h5"
    files.put_together(target, parts, lambda rows: np.zeros(len(rows), dtype=bool))
    assert read(target).empty
    assert list(read(target)) == list(read(parts[0].path))
    assert files.wrong_with(target) == ""


def test_columns_that_do_not_go_together_are_told(tmp_path, parts, images):
    with TableWriter(tmp_path / "odd.h5") as writer:
        writer.append(images.drop(columns="gammaness"))
    odd = Part("20240115", "odd", tmp_path / "odd.h5")
    with pytest.raises(DatasetError, match=r"odd\.h5 .*only one of them has: gammaness.*process the night again"):
        files.put_together(tmp_path / "season.h5", [*parts, odd])


def test_a_column_that_all_nights_have_got_is_in_the_file(tmp_path, parts):
    target = tmp_path / "season.h5"
    files.put_together(target, parts)
    more = []
    for part in parts[:2]:
        with TableWriter(tmp_path / f"more_{part.name}.h5") as writer:
            writer.append(read(part.path).assign(theta2_off4=np.nan))
        more.append(Part(part.name, f"more {part.name}", tmp_path / f"more_{part.name}.h5"))
    assert files.put_together(target, more) == (2, 200)
    assert "theta2_off4" in read(target)


def test_units_and_meanings_are_in_the_file(tmp_path, parts):
    from ctapipe.io import read_table

    target = tmp_path / "season.h5"
    files.put_together(target, parts)
    told = pd.read_hdf(target, "README").set_index("column")
    assert told.loc["reco_energy", "unit"] == "TeV"
    assert told.loc["pointing_alt", "unit"] == "rad"
    assert told.loc["pointing_zd", "unit"] == "deg"
    assert set(told.index) == set(read(target))
    assert (told["meaning"].str.len() > 10).all()
    table = read_table(target, "/events/parameters")
    assert str(table["theta2_on"].unit) == "deg2"
    assert "90 deg" in table["reco_zd"].description


def test_equal_tables_are_equal_files(tmp_path, images):
    for name in "ab":
        with TableWriter(tmp_path / name) as writer:
            writer.append(images)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_file_that_lost_rows_is_found(tmp_path, parts):
    import tables

    target = tmp_path / "season.h5"
    files.put_together(target, parts)
    with tables.open_file(str(target), mode="a") as file:
        file.get_node("/events/parameters").remove_rows(10, 20)
    assert "another number of rows" in files.wrong_with(target)


def test_sums_grow_by_what_is_new_and_begin_anew_if_a_night_changed(tmp_path):
    made = []
    for i in range(3):
        with TableWriter(tmp_path / f"p{i}.h5") as writer:
            writer.append(profile(np.arange(-4, -2, 0.1) + 0.2 * i, -3.2), "/events/profile")
        made.append(Part(str(i), str(i), tmp_path / f"p{i}.h5", "/events/profile"))
    whole = tmp_path / "whole.h5"
    assert files.sum_up(whole, made)[0] == 3
    target = tmp_path / "sum.h5"
    assert files.sum_up(target, made[:2])[0] == 2
    assert files.sum_up(target, made)[0] == 1
    pd.testing.assert_frame_equal(read(target), read(whole))
    made[0] = Part("0", "other", made[0].path, made[0].table)
    assert files.sum_up(target, made)[0] == 3
    pd.testing.assert_frame_equal(read(target), read(whole))
    assert files.wrong_with(target) == ""
    assert files.parts_of(target)[-1][1] == len(read(target))


def test_memory_does_not_grow_with_the_nights(tmp_path, images):
    import tracemalloc

    rows = pd.concat([images] * 20)
    with TableWriter(tmp_path / "night.h5") as writer:
        writer.append(rows)

    def peak(nights):
        made = [Part(str(i), str(i), tmp_path / "night.h5") for i in range(nights)]
        tracemalloc.start()
        files.put_together(tmp_path / f"{nights}.h5", made)
        try:
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few, many = peak(2), peak(12)
    assert many < 1.2 * few
    assert many < 12 * rows.memory_usage().sum() / 4
