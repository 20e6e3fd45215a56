"""Listing a night: exact names, each subrun once, everything else named with its reason."""

from __future__ import annotations

import os
import random

import pytest

from stereo_tasks.inventory import InventoryError, content_of, gaps
from stereo_tasks.nights import Night


def test_a_night_without_folders_is_empty(tree):
    files = tree.scan()
    assert files.empty
    assert (files.magic, files.lst, files.duplicates, files.odd) == ({}, {}, (), ())
    assert not files.night_finished


def test_files_are_found_by_run_and_sorted_by_subrun(tree):
    for subrun in (2, 10, 1):
        tree.magic(1, 5093711, subrun)
        tree.magic(2, 5093711, subrun)
        tree.lst(3265, subrun)
    tree.finish()
    files = tree.scan()
    assert files.night == Night("2020-12-15")
    assert list(files.magic) == [(1, 5093711), (2, 5093711)]
    assert [one.subrun for one in files.magic[1, 5093711]] == [1, 2, 10]
    assert [one.subrun for one in files.lst[3265]] == [1, 2, 10]
    first = files.magic[2, 5093711][0]
    assert (first.telescope, first.run, first.source, first.size_bytes) == (2, 5093711, "CrabNebula", 3)
    assert first.path.name == "20201216_M2_05093711.001_Y_CrabNebula-W0.40+035.root"
    assert first.modified_ns == first.path.stat().st_mtime_ns
    assert files.night_finished
    assert files.odd == ()


@pytest.mark.parametrize("source", ["1ES0647+250", "LHAASOJ2108+", "Cyg-X3", "PSRJ1402+13", "S4_0954.6", "M87-Mon"])
def test_names_of_sources_survive(tree, source):
    tree.magic(1, 5093711, 1, source)
    tree.magic(1, 5093711, 2, source, wobble="")
    assert [one.source for one in tree.scan().magic[1, 5093711]] == [source, source]


@pytest.mark.parametrize(
    "name",
    [
        "20201216_M1_5093711.001_Y_Crab-W0.40+035.root",  # no leading zero
        "20201216_M1_005093711.001_Y_Crab-W0.40+035.root",  # two of them
        "20201216_M1_05093711.01_Y_Crab-W0.40+035.root",
        "20201216_M1_05093711.0001_Y_Crab-W0.40+035.root",
        "20201216_M1_05093711_Y_Crab-W0.40+035.root",
        "20201216_M1_05093711.001_I_Crab-W0.40+035.root",
        "20201216_M1_05093711.001_Y_Crab-W0.40+035.root.part",
        "20201216_M1_05093711.001_Y_Crab Nebula-W0.40+035.root",
        "20201216_M1_05093711.000_Y_Crab-W0.40+035.root",
        "20201215_M1_05093711.001_Y_Crab-W0.40+035.root",  # the evening's date
        "20201216_M2_05093711.001_Y_Crab-W0.40+035.root",  # the other telescope
        ".20201216_M1_05093711.001_Y_Crab-W0.40+035.root.x8Qa1",  # rsync at work
    ],
)
def test_magic_names_that_are_not_exact_are_odd(tree, name):
    path = tree.put(tree.magic_folder(1) / name)
    files = tree.scan()
    assert files.magic == {}
    ((odd, reason),) = files.odd
    assert odd == path
    assert reason


@pytest.mark.parametrize(
    "name",
    [
        "dl1_LST-1.Run3265.0000.h5",
        "dl1_LST-1.Run03265.000.h5",
        "dl1_LST-1.Run03265.0000.h5~",
        "dl1_LST-2.Run03265.0000.h5",
    ],
)
def test_lst_names_that_are_not_exact_are_odd(tree, name):
    tree.put(tree.lst_folder / name)
    files = tree.scan()
    assert files.lst == {}
    assert len(files.odd) == 1


def test_what_lstosa_puts_beside_is_neither_used_nor_odd(tree):
    for name in ("dl1_LST-1.Run03265.h5", "datacheck_dl1_LST-1.Run03265.h5", "muons_LST-1.Run03265.0000.fits"):
        tree.put(tree.lst_folder / name)
    (tree.lst_folder / "interleaved").mkdir()
    files = tree.scan()
    assert files.empty
    assert files.odd == ()


def test_empty_files_and_dead_links_are_odd(tree):
    empty = [tree.magic(1, 5093711, 1, content=""), tree.lst(3265, 0, content="")]
    link = tree.lst_folder / "dl1_LST-1.Run03265.0001.h5"
    link.symlink_to(tree.lst_folder / "nowhere.h5")
    files = tree.scan()
    assert files.empty
    assert dict(files.odd) == {**dict.fromkeys(empty, "empty"), link: "a link to nothing"}


def test_links_to_files_are_files(tree):
    real = tree.put(tree.lst_root / "elsewhere.h5")
    tree.lst_folder.mkdir(parents=True)
    (tree.lst_folder / "dl1_LST-1.Run03265.0000.h5").symlink_to(real)
    assert tree.scan().lst[3265][0].size_bytes == 3


def test_of_two_equal_files_the_first_by_name_is_kept(tree):
    later, first = tree.magic(1, 5093711, 1, "Crab-W0.40"), tree.magic(1, 5093711, 1, "Crab")
    other = tree.magic(1, 5093711, 2)
    files = tree.scan()
    assert [one.path for one in files.magic[1, 5093711]] == [first, other]
    ((kept, ignored, reason),) = files.duplicates
    assert (kept, ignored) == (first, later)
    assert "both of 3 bytes" in reason


def test_of_two_unequal_files_the_larger_is_kept(tree):
    small, large = tree.magic(2, 5093711, 1, "A"), tree.magic(2, 5093711, 1, "B", content="abcdef")
    third = tree.magic(2, 5093711, 1, "C")
    files = tree.scan()
    assert [one.path for one in files.magic[2, 5093711]] == [large]
    assert [(kept, ignored) for kept, ignored, _ in files.duplicates] == [(large, small), (large, third)]
    assert "6 against 3 bytes" in files.duplicates[0][2]


def test_gaps_count_from_one_for_magic_and_from_zero_for_lst(tree):
    for subrun in (2, 3, 6):
        tree.magic(1, 5093711, subrun)
        tree.lst(3265, subrun)
    files = tree.scan()
    assert gaps(files.magic[1, 5093711]) == (1, 4, 5)
    assert gaps(files.lst[3265]) == (0, 1, 4, 5)
    assert gaps(()) == ()


def test_the_version_may_lack_its_letter(tree):
    from stereo_tasks.inventory import scan_night

    tree.lst(3265, 0)
    files = scan_night(
        Night("2020-12-15"), magic_calibrated=tree.magic_root, lst_dl1=tree.lst_root, lst_version="0.10",
        lst_tailcut="tailcut84",
    )  # fmt: skip
    assert list(files.lst) == [3265]


def test_the_content_follows_the_files_not_their_place_or_order(tree, tmp_path, observed):
    tree.fill()
    before = content_of(observed(), tree.scan())
    tree.put(tree.lst_folder / "muons_LST-1.Run03265.0000.fits")  # no input
    assert content_of(observed(), tree.scan()) == before
    moved = type(tree)(tmp_path / "elsewhere")
    paths = [*tree.magic_root.rglob("*.root"), *tree.lst_root.rglob("dl1*.h5")]
    random.Random(1).shuffle(paths)
    for path in paths:
        moved.put(tmp_path / "elsewhere" / path.relative_to(tmp_path))
    assert content_of(observed(), moved.scan()) == before


def test_the_content_changes_with_name_size_and_time(tree, observed):
    def content():
        return content_of(observed(), tree.scan())

    path = tree.magic(1, 5093711, 1)
    seen = {content()}
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    seen.add(content())
    tree.magic(1, 5093711, 1, content="abcd")
    seen.add(content())
    tree.magic(1, 5093711, 2)
    seen.add(content())
    tree.lst(3265, 0)
    seen.add(content())
    path.rename(tree.magic(1, 5093711, 1, content="abcd", wobble="-W0.40+215"))
    seen.add(content())
    assert len(seen) == 6


def test_a_folder_that_cannot_be_listed_is_no_empty_night(tree):
    tree.put(tree.magic_folder(1))  # a file where a folder should be
    with pytest.raises(InventoryError, match="cannot be listed"):
        tree.scan()


def test_each_folder_is_listed_once(tree, monkeypatch):
    tree.fill()
    listed = []
    real = os.scandir
    monkeypatch.setattr("os.scandir", lambda path: listed.append(str(path)) or real(path))
    tree.scan()
    assert len(listed) == len(set(listed)) == 3
