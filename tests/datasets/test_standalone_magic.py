"""MAGIC alone: exactly the stereo events, in our units; what melibea could not reconstruct is missing."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import uproot
from standalone_night import LST_RUN, MAGIC_RUN, OTHER_MAGIC_RUN

from stereo_tasks.datasets.columns import described
from stereo_tasks.datasets.errors import DatasetError
from stereo_tasks.datasets.standalone_lst import lst_events
from stereo_tasks.datasets.standalone_magic import COLUMNS, magic_events

NAME = "20240111_05114600_Q_CrabNebula-W0.40+035.root"
ENERGY = "MEnergyEst.fEnergy"


@pytest.fixture(scope="module")
def found(alone):
    return magic_events(alone.melibea_files, alone.events())


@pytest.fixture(scope="module")
def branches(alone):
    (path,) = (path for path in alone.melibea_files if path.name == NAME)
    with uproot.open(path) as file:
        return file["Events"].arrays(library="np")


def write(path, columns):
    with uproot.recreate(path) as file:
        file.mktree("Events", {name: values.dtype for name, values in columns.items()}).extend(columns)
    return path


def with_energy(events):
    return events[events["reco_energy"].notna()]


def test_exactly_the_stereo_events_are_there_in_their_order(alone, found):
    assert len(found) > 80
    assert found.index.equals(alone.events().index)
    assert found[["obs_id_magic", "event_id_magic"]].equals(alone.events())
    assert found.attrs == {"lost": []}


def test_every_column_has_its_unit_and_meaning(found):
    assert tuple(found.reset_index().columns) == COLUMNS
    assert not [name for name, column in described(COLUMNS).items() if "magic-cta-pipe" in column.meaning]


def test_failed_energies_are_missing_and_do_not_pull_the_mean_down(alone, found, branches):
    assert found["reco_energy"].isna().mean() == pytest.approx(0.77, abs=0.08)
    truth = alone.truth("magic", LST_RUN)
    good = with_energy(found)
    true = truth.loc[pd.MultiIndex.from_frame(good[["obs_id_magic", "event_id_magic"]])]
    gammas = (true["true_gamma"] == 1).to_numpy()
    ratio = good["reco_energy"].to_numpy() / true["true_energy"].to_numpy()
    assert np.median(ratio[gammas]) == pytest.approx(1, abs=0.2)
    # As in the seed: GeV to TeV whatever the number.
    table = pd.Series(branches[ENERGY] * 1e-3, index=branches["MRawEvtHeader_1.fStereoEvtNumber"].astype(np.int64))
    seed = table[found["event_id_magic"]]
    assert (seed < 0).sum() == found["reco_energy"].isna().sum()
    assert seed.mean() < 0.4 * found["reco_energy"].mean()


def test_what_was_not_reconstructed_stays_missing(found):
    failed = found[found["reco_energy"].isna()]
    assert failed[["imp_par_M1", "imp_par_az_M1", "imp_par_M2", "imp_par_az_M2"]].isna().all().all()
    directions = ["reco_ra", "reco_dec", "st_dirX", "st_dirY"]
    assert 0.3 < failed[directions].isna().all(axis=1).mean() < 0.7
    assert with_energy(found).notna().all().all()
    assert (with_energy(found)[["imp_par_M1", "imp_par_M2", "h_max"]] > 0).all().all()


def test_right_ascensions_are_in_deg_as_the_source_stands(alone, found):
    truth = alone.truth("magic", LST_RUN)
    gammas = truth.loc[pd.MultiIndex.from_frame(found[["obs_id_magic", "event_id_magic"]]), "true_gamma"] == 1
    directions = found[gammas.to_numpy() & found["reco_ra"].notna()]
    assert len(directions) > 20
    assert directions["reco_ra"].median() == pytest.approx(83.633, abs=0.1)
    assert directions["reco_dec"].median() == pytest.approx(22.014, abs=0.1)
    run = json.loads((alone.out / "truth" / "20240110.json").read_text())["sources"][0]["runs"][0]
    assert found["pointing_ra"].to_numpy() == pytest.approx(run["pointing_ra_deg"])
    assert found["pointing_dec"].to_numpy() == pytest.approx(run["pointing_dec_deg"])


def test_lengths_are_in_m_and_gammaness_is_one_minus_hadronness(alone, found, branches):
    assert np.hypot(found["src_pos_x_M1"], found["src_pos_y_M1"]).to_numpy() == pytest.approx(
        np.deg2rad(0.4) * 17 * 1.0713, rel=0.02
    )
    assert 20 < found["imp_par_M1"].median() < 250
    assert 5e3 < found["h_max"].median() < 11e3
    order = pd.Series(branches["MHadronness.fHadronness"], index=branches["MRawEvtHeader_1.fStereoEvtNumber"])
    assert (found["gammaness"] + order[found["event_id_magic"]].to_numpy()).to_numpy() == pytest.approx(1)


def test_pointing_and_time_are_those_of_the_stereo_files(alone, found):
    m1 = alone.image(2)
    common = found.index.intersection(m1.index)
    stereo, mine = m1.loc[common], found.loc[common]
    assert np.allclose(mine[["pointing_alt", "pointing_az"]], stereo[["pointing_alt", "pointing_az"]], atol=2e-5)
    # The calibrated files keep times to 100 ns, and stereo events have the time of LST-1, 3.2 us later.
    assert np.allclose(mine["timestamp"], stereo["timestamp"], rtol=0, atol=5e-6)


def test_the_clock_counter_is_no_time(alone, found, branches):
    ticks = pd.Series(branches["MRawEvtHeader_1.fClockCounter"], index=branches["MRawEvtHeader_1.fStereoEvtNumber"])
    assert np.abs(ticks[found["event_id_magic"]].to_numpy() - found["timestamp"].to_numpy()).min() > 1e9


def test_without_mars_times_there_are_none_and_it_is_told(alone, branches, tmp_path):
    path = write(tmp_path / NAME, {name: values for name, values in branches.items() if "MTime" not in name})
    timeless = magic_events([path], alone.events())
    assert timeless["timestamp"].isna().all()
    assert timeless.attrs["lost"] == [f"MAGIC run {MAGIC_RUN}: no time of {len(timeless)} events, there is no MTime_1"]


def test_all_files_of_a_run_are_read_and_not_the_first_only(alone, found, branches, tmp_path):
    cut = len(branches[ENERGY]) // 2
    names = (NAME, NAME.replace("+035", "+215"))
    paths = [
        write(tmp_path / name, {branch: values[rows] for branch, values in branches.items()})
        for name, rows in zip(names, (slice(None, cut), slice(cut, None)), strict=True)
    ]
    pd.testing.assert_frame_equal(magic_events(paths, alone.events()), found)
    seed = magic_events(paths[:1], alone.events())
    missing = len(found) - len(seed)
    assert 0 < missing < len(found)
    assert seed.attrs["lost"] == [f"MAGIC run {MAGIC_RUN}: {missing} of {len(found)} stereo events are not in {NAME}"]


@pytest.mark.parametrize("name", [NAME, NAME.replace("CrabNebula", "1ES0647+250"), NAME.replace("_Q", ".001_Q")])
def test_the_run_is_found_in_every_name(alone, found, branches, tmp_path, name):
    path = write(tmp_path / name, branches)
    pd.testing.assert_frame_equal(magic_events([path], alone.events()), found)

    def seed(text):
        """As in the seed: so many letters from the end, counted for the Crab."""
        return text[-len("05114600_Q_CrabNebula-W0.40+035.root") :][:8]

    assert (seed(str(path)) == "05114600") == (name == NAME)


def test_files_of_other_sources_are_not_opened(alone, found, tmp_path):
    broken = tmp_path / f"20240111_{OTHER_MAGIC_RUN:08d}_Q_1A0535+262-W0.40+035.root"
    broken.write_text("no ROOT file")
    pd.testing.assert_frame_equal(magic_events([*alone.melibea_files, broken], alone.events()), found)
    mistaken = magic_events(alone.melibea_files[:1], alone.events(OTHER_MAGIC_RUN))
    assert len(mistaken) == 0
    assert "no melibea file" in mistaken.attrs["lost"][0]


def test_a_truncated_file_is_named(alone, tmp_path):
    path = tmp_path / NAME
    shutil.copyfile(next(one for one in alone.melibea_files if one.name == NAME), path)
    for size in (int(path.stat().st_size * 0.9), 100, 0):
        with path.open("r+b") as file:
            file.truncate(size)
        with pytest.raises(DatasetError, match=f"{re.escape(NAME)}: truncated or damaged"):
            magic_events([path], alone.events())


def test_a_file_that_is_no_melibea_is_named_with_what_it_lacks(alone, branches, tmp_path):
    path = write(tmp_path / NAME, {name: values for name, values in branches.items() if name != ENERGY})
    with pytest.raises(DatasetError, match=f"lacks {ENERGY}"):
        magic_events([path], alone.events())


def test_the_common_sample_has_equal_events(alone, found):
    lst = lst_events(alone.dl2_files, alone.events())
    common = lst.index.intersection(found.index)
    three = alone.events(telescopes=(1, 2, 3)).index
    assert len(three) > 50
    assert three.isin(common).all()
    assert lst.loc[three].index.equals(found.loc[three].index)
    assert {run for run, _ in three} == {LST_RUN}
