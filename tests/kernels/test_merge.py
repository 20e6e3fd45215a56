"""Merged files of the kernel and of magic-cta-pipe's own tool."""

import logging
import shutil

import numpy as np
import pytest
import tables

pytest.importorskip("magicctapipe", reason="the kernels are compared in the science environment")

import pandas as pd
from ctapipe.instrument import SubarrayDescription
from hdf5_files import differences
from magicctapipe.io import save_pandas_data_in_table
from magicctapipe.scripts.lst1_magic.merge_hdf_files import merge_hdf_files as mcp_tool

from stereo_tasks.kernels.dl1_file import columns, write_dl1
from stereo_tasks.kernels.errors import NotCovered
from stereo_tasks.kernels.merge import merge_hdf_files


def dl1(folder, name, n, seed=1):
    """Write a DL1 file with made-up numbers."""
    rng = np.random.default_rng(seed)
    rows = np.zeros(n, dtype=columns())
    for column in rows.dtype.names:
        rows[column] = rng.normal(0, 100, n)
    folder.mkdir(parents=True, exist_ok=True)
    write_dl1(folder / name, rows, 50, np.float64(1.64))
    return folder / name


def stereo(folder, name, n, seed=1, images=False, simulation=False):
    """Write a file as stereo_reco does: a table of pandas and a description of the subarray."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"obs_id": rng.integers(0, 9, n), "alt": rng.normal(size=n), "size": np.float32(rng.random(n))}
    )
    layout = dl1(folder / "layout", "dl1_M1.Run05114600.001.h5", 1)
    path = folder / name
    save_pandas_data_in_table(frame, str(path), "/events", "parameters")
    if images:
        save_pandas_data_in_table(frame, str(path), "/events/dl1", "image", mode="a")
    if simulation:
        save_pandas_data_in_table(frame[:1], str(path), "/simulation", "config", mode="a")
    with tables.open_file(str(path), "a") as file:
        file.root.events.parameters.attrs.meaning = "made up"
    subarray = SubarrayDescription.from_hdf(layout)
    subarray.name = "LST-MAGIC-Array"
    subarray.to_hdf(path)
    shutil.rmtree(folder / "layout")
    return path


def both(tmp_path, **options):
    """Run both on ``in``; check that the products are equal, and return their names."""
    logging.disable(logging.CRITICAL)
    mcp_tool(str(tmp_path / "in"), str(tmp_path / "mcp"), **options)
    logging.disable(logging.NOTSET)
    merge_hdf_files(str(tmp_path / "in"), str(tmp_path / "kernel"), **options)
    expected = sorted((tmp_path / "mcp").iterdir())
    assert [path.name for path in sorted((tmp_path / "kernel").iterdir())] == [path.name for path in expected]
    for path in expected:
        assert differences(tmp_path / "kernel" / path.name, path) == []
    return [path.name for path in expected]


def test_subruns_of_a_magic_run(tmp_path):
    for telescope in (1, 2):
        for subrun in (1, 2, 10):
            dl1(tmp_path / "in", f"dl1_M{telescope}.Run05114600.{subrun:03d}.h5", 300 * subrun, subrun)
    assert both(tmp_path, run_wise=True) == ["dl1_MAGIC.Run05114600.h5"]


def test_two_runs_each_for_itself_and_subruns_that_both_telescopes_have(tmp_path):
    for name in ("M1.Run05114600.001", "M2.Run05114600.001", "M1.Run05114600.002", "M2.Run05114601.001"):
        dl1(tmp_path / "in", f"dl1_{name}.h5", 5)
    assert both(tmp_path, run_wise=True) == ["dl1_MAGIC.Run05114600.h5", "dl1_MAGIC.Run05114601.h5"]
    shutil.rmtree(tmp_path / "mcp")
    shutil.rmtree(tmp_path / "kernel")
    assert both(tmp_path, subrun_wise=True) == ["dl1_MAGIC.Run05114600.001.h5"]


def test_stereo_subruns(tmp_path):
    (tmp_path / "in").mkdir()
    for subrun in range(3):
        stereo(tmp_path / "in", f"dl1_stereo_MAGIC_LST-1.Run16270.{subrun:04d}.h5", 40, subrun, images=True)
    assert both(tmp_path, run_wise=True) == ["dl1_stereo_MAGIC_LST-1.Run16270.h5"]


@pytest.mark.parametrize("runs", [["1"], ["1", "2", "10"], ["001", "002"]])
def test_monte_carlo_runs(tmp_path, runs):
    (tmp_path / "in").mkdir()
    for run in runs:
        stereo(tmp_path / "in", f"dl1_gamma_zd_24.0deg_LST1_MAGIC1_run{run}.h5", 7, int(run), simulation=True)
    (name,) = both(tmp_path)
    last = f"_to_{runs[-1]}" if len(runs) > 1 else ""
    assert name == f"dl1_gamma_zd_24.0deg_LST1_MAGIC1_run{runs[0]}{last}.h5"


def test_coincident_subruns_and_merged_runs(tmp_path):
    dl1(tmp_path / "in", "dl1_MAGIC.Run05114600.001_LST-1.Run16270.0000.h5", 3)
    dl1(tmp_path / "in", "dl1_MAGIC.Run05114600.001_LST-1.Run16270.0001.h5", 3)
    assert both(tmp_path) == ["dl1_MAGIC_LST-1.Run05114600.h5"]
    shutil.rmtree(tmp_path / "in")
    for path in ("mcp", "kernel"):
        shutil.rmtree(tmp_path / path)
    dl1(tmp_path / "in", "dl1_M1.Run1_to_3.h5", 3)
    dl1(tmp_path / "in", "dl1_M1.Run4.h5", 3)
    assert both(tmp_path) == ["dl1_M1.Run1_to_4.h5"]


def test_same_errors(tmp_path):
    (tmp_path / "in").mkdir()
    for tool in (mcp_tool, merge_hdf_files):
        with pytest.raises(FileNotFoundError, match="any HDF files"):
            tool(str(tmp_path / "in"), str(tmp_path / "out"), run_wise=True)
    dl1(tmp_path / "in", "dl1_M1.Run05114600.001.h5", 3)
    dl1(tmp_path / "in", "dl1_other.Run05114600.001.h5", 3)
    for tool in (mcp_tool, merge_hdf_files):
        with pytest.raises(RuntimeError, match="Multiple types"):
            tool(str(tmp_path / "in"), str(tmp_path / "out"), run_wise=True)


def no_events(path):
    write_dl1(path, np.zeros(0, dtype=columns()), 50, np.float64(1.64))


def other_version(path):
    with tables.open_file(str(path), "a") as file:
        file.root.configuration.instrument.subarray.layout.attrs.SOFT_VER = "0.20.0"


def two_names(path):
    with tables.open_file(str(path), "a") as file:
        file.root.configuration.instrument.subarray.layout.attrs.name = "other"


def no_subarray(path):
    with tables.open_file(str(path), "a") as file:
        file.remove_node("/configuration", recursive=True)


def cut_off(path):
    path.write_bytes(path.read_bytes()[:1000])


@pytest.mark.parametrize("damage", [no_events, other_version, two_names, no_subarray, cut_off])
def test_not_covered(tmp_path, damage):
    dl1(tmp_path / "in", "dl1_M1.Run05114600.001.h5", 3)
    damage(dl1(tmp_path / "in", "dl1_M1.Run05114600.002.h5", 3))
    with pytest.raises(NotCovered):
        merge_hdf_files(str(tmp_path / "in"), str(tmp_path / "out"), run_wise=True)
    assert not (tmp_path / "out").exists()


def test_names_without_a_subrun_are_not_covered_subrun_wise(tmp_path):
    dl1(tmp_path / "in", "dl1_M1.Run05114600.h5", 3)
    with pytest.raises(NotCovered):
        merge_hdf_files(str(tmp_path / "in"), str(tmp_path / "out"), subrun_wise=True)
