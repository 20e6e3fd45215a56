"""Files of the standalone analyses: those of the runs wanted, and no others of the night."""

import pytest

from stereo_tasks.inventory.files import InventoryError
from stereo_tasks.inventory.standalone import lst_files, melibea_files
from stereo_tasks.nights import Night

NIGHT = Night("2020-12-19")
CHAIN = {"version": "v0.10", "tailcut": "tailcut84"}


def put(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def names(paths):
    return [path.name for path in paths]


def test_only_the_runs_of_the_source_are_taken(tmp_path):
    crab, other = "dl2_LST-1.Run03281.h5", "dl2_LST-1.Run03282.h5"
    folder = put(tmp_path / "20201219/v0.10/tailcut84", crab, other, "dl2_LST-1.Run03281.h5.part", "muons.h5")
    assert lst_files("dl2", tmp_path, NIGHT, {3281}, **CHAIN) == (folder / crab,)
    # As in the seed: whatever DL2 is in the folder.
    assert names(sorted(folder.glob("dl2_LST-1.Run*.h5"))) == [crab, other]
    melibea = [f"20201219_{run:08d}_Q_{name}-W0.40+035.root" for run, name in ((5093711, "Crab"), (5093712, "Mrk421"))]
    put(tmp_path / "2020/12/20", *(name.replace("20201219", "20201220") for name in melibea), *melibea)
    assert names(melibea_files(tmp_path, NIGHT, {5093711})) == ["20201220_05093711_Q_Crab-W0.40+035.root"]


def test_all_files_of_a_run_are_taken(tmp_path):
    subruns = [f"dl2_LST-1.Run03281.{k:04d}.h5" for k in range(3)]
    put(tmp_path / "20201219/v0.10/tailcut84", *subruns)
    assert names(lst_files("dl2", tmp_path, NIGHT, {3281}, version="0.10", tailcut="tailcut84")) == subruns
    melibea = [f"20201220_05093711_Q_Crab-W0.40+{angle}.root" for angle in ("035", "215")]
    put(tmp_path / "2020/12/20", *melibea)
    assert names(melibea_files(tmp_path, NIGHT, {5093711})) == melibea


def test_a_file_of_the_whole_run_takes_the_place_of_its_subruns(tmp_path):
    put(tmp_path / "20201219/v0.10/tailcut84", "dl2_LST-1.Run03281.h5", "dl2_LST-1.Run03281.0000.h5")
    put(tmp_path / "20201219/v0.10/tailcut84", "dl2_LST-1.Run03282.0000.h5")
    assert names(lst_files("dl2", tmp_path, NIGHT, {3281, 3282}, **CHAIN)) == [
        "dl2_LST-1.Run03281.h5",
        "dl2_LST-1.Run03282.0000.h5",
    ]


def test_of_several_versions_each_run_has_the_newest(tmp_path):
    put(tmp_path / "20201219/v0.9/tailcut84", "dl2_LST-1.Run03281.h5", "dl2_LST-1.Run03282.h5")
    put(tmp_path / "20201219/v0.10/tailcut84", "dl2_LST-1.Run03282.h5")
    found = lst_files("dl2", tmp_path, NIGHT, {3281, 3282}, version=("v0.9", "v0.10"), tailcut=None)
    assert [path.parts[-3:] for path in found] == [
        ("v0.9", "tailcut84", "dl2_LST-1.Run03281.h5"),
        ("v0.10", "tailcut84", "dl2_LST-1.Run03282.h5"),
    ]


def test_of_two_cleanings_one_must_be_chosen(tmp_path):
    for cleaning in ("tailcut84", "tailcut105"):
        put(tmp_path / "20201219/v0.10" / cleaning, "dl2_LST-1.Run03281.h5")
    with pytest.raises(InventoryError, match="has tailcut105 and tailcut84: say in"):
        lst_files("dl2", tmp_path, NIGHT, {3281}, version="v0.10", tailcut=None)
    assert len(lst_files("dl2", tmp_path, NIGHT, {3281}, **CHAIN)) == 1


def test_a_site_without_these_analyses_has_no_files(tmp_path):
    assert lst_files("dl2", None, NIGHT, {3281}, **CHAIN) == melibea_files(None, NIGHT, {5093711}) == ()
    assert lst_files("dl2", tmp_path, NIGHT, {3281}, **CHAIN) == melibea_files(tmp_path, NIGHT, {5093711}) == ()


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path):
    put(tmp_path / "2020/12", "20")
    with pytest.raises(InventoryError, match="cannot be listed"):
        melibea_files(tmp_path, NIGHT, {5093711})
