"""LST-1 alone: exactly the stereo events, in our units, and the effective time from all triggers."""

import json
import math
import shutil

import astropy.units as u
import numpy as np
import pandas as pd
import pytest
import tables
from astropy.coordinates import angular_separation
from lstchain.reco.utils import camera_to_altaz, get_effective_time
from standalone_night import LST_RUN, MAGIC_RUN, OTHER_LST_RUN, OTHER_MAGIC_RUN

from stereo_tasks.datasets.columns import described
from stereo_tasks.datasets.errors import DatasetError
from stereo_tasks.datasets.standalone_lst import COLUMNS, TABLE, lst_events


@pytest.fixture(scope="module")
def found(alone):
    return lst_events(alone.dl2_files, alone.events())


def subrun_files(alone, folder):
    """The DL2 of the run as one file a subrun, which older versions of lstchain wrote."""
    (whole,) = (path for path in alone.dl2_files if f"{LST_RUN}" in path.name)
    rows = pd.read_hdf(whole, TABLE)
    cut = len(rows) // 2
    paths = [folder / f"dl2_LST-1.Run{LST_RUN}.000{k}.h5" for k in (0, 1)]
    for path, part in zip(paths, (rows[:cut], rows[cut:]), strict=True):
        with tables.open_file(path, "w") as file:
            file.create_table(*TABLE.rsplit("/", 1), part.to_records(index=False), createparents=True)
    return paths


def test_exactly_the_stereo_events_of_lst_are_there_in_their_order(alone, found):
    assert len(found) > 80
    assert found.index.equals(alone.events(telescopes=(1,)).index)
    assert found["event_id_magic"].equals(alone.events().loc[found.index, "event_id_magic"])
    assert found.attrs["lost"] == []
    shuffled = alone.events(telescopes=(1,)).sample(frac=1, random_state=1)
    assert lst_events(alone.dl2_files, shuffled).index.equals(shuffled.index)


def test_every_column_has_its_unit_and_meaning(found):
    assert tuple(found.reset_index().columns) == COLUMNS
    assert not [name for name, column in described(COLUMNS).items() if "magic-cta-pipe" in column.meaning]


def test_what_the_stereo_files_have_too_is_equal(alone, found):
    stereo = alone.image(1).loc[found.index]
    # A float64 keeps unix times to 0.24 us.
    assert np.allclose(found["timestamp"], stereo["timestamp"], rtol=0, atol=1e-6)
    for name in ("intensity", "x", "y", "r", "phi", "psi", "length", "width", "pointing_alt", "pointing_az"):
        assert np.allclose(found[name], stereo[name], rtol=1e-5), name


def test_energies_are_in_tev_and_directions_in_deg(alone, found):
    truth = alone.truth("lst", LST_RUN).loc[found.index]
    gammas = truth["true_gamma"] == 1
    assert gammas.sum() > 20
    assert np.median(found["reco_energy"][gammas] / truth["true_energy"][gammas]) == pytest.approx(1, abs=0.15)
    alt, az, tel_alt, tel_az = (
        values.to_numpy()
        for values in (
            np.deg2rad(found["reco_alt"]),
            np.deg2rad(found["reco_az"]),
            found["pointing_alt"],
            found["pointing_az"],
        )
    )
    # The source stands 0.4 deg off the pointing.
    away = np.rad2deg(angular_separation(tel_az, tel_alt, az, alt))
    assert np.median(away[gammas]) == pytest.approx(0.4, abs=0.1)
    x, y = (found[f"reco_src_{axis}"].to_numpy() * u.m for axis in "xy")
    sky = camera_to_altaz(x, y, 29.30565 * u.m, tel_alt * u.rad, tel_az * u.rad)
    assert np.rad2deg(angular_separation(sky.az.rad, sky.alt.rad, az, alt)).max() < 1e-4


def test_events_of_later_subrun_files_are_found_which_the_first_file_alone_has_not(alone, found, tmp_path):
    first, second = subrun_files(alone, tmp_path)
    both = lst_events([second, first], alone.events())
    pd.testing.assert_frame_equal(both, found)
    assert both.attrs["effective_time_s"][LST_RUN] == pytest.approx(found.attrs["effective_time_s"][LST_RUN], rel=1e-3)
    of_first = pd.read_hdf(first, TABLE).set_index(["obs_id", "event_id"]).index
    assert 0.2 < found.index.isin(of_first).mean() < 0.8
    part = lst_events([first], alone.events())
    assert part.attrs["lost"][0].startswith(f"LST-1 run {LST_RUN}: {len(found) - len(part)} of {len(found)} stereo")


def test_a_run_and_its_subruns_give_every_event_and_the_time_once(alone, found, tmp_path):
    both = lst_events([*alone.dl2_files, *subrun_files(alone, tmp_path)], alone.events())
    pd.testing.assert_frame_equal(both, found)
    assert both.attrs["effective_time_s"][LST_RUN] == pytest.approx(found.attrs["effective_time_s"][LST_RUN], rel=0.01)
    assert f"{len(found)} events are twice in the files: the first is taken" in both.attrs["lost"]


def test_files_of_another_source_give_none_of_their_events(alone, found):
    other = alone.events(OTHER_MAGIC_RUN)
    one_night = lst_events(alone.dl2_files, pd.concat([alone.events(), other]))
    assert set(found.index) < set(one_night.index)
    assert set(one_night.index.get_level_values("obs_id")) == {LST_RUN, OTHER_LST_RUN}
    # As in the seed: the path is the Crab's, whatever the source.
    crab = [path for path in alone.dl2_files if str(LST_RUN) in path.name]
    mistaken = lst_events(crab, other)
    assert len(mistaken) == 0
    assert tuple(mistaken.reset_index().columns) == COLUMNS
    wanted = len(alone.events(OTHER_MAGIC_RUN, telescopes=(1,)))
    assert mistaken.attrs["lost"] == [f"LST-1 run {OTHER_LST_RUN}: no DL2 file, {wanted} stereo events are missing"]


def test_events_of_magic_alone_are_not_missed(alone, found):
    number = 999_999
    index = pd.MultiIndex.from_tuples([(MAGIC_RUN, number)], names=["obs_id", "event_id"])
    magic_only = pd.DataFrame({"obs_id_magic": [MAGIC_RUN], "event_id_magic": [number]}, index=index)
    more = lst_events(alone.dl2_files, pd.concat([magic_only, alone.events()]))
    pd.testing.assert_frame_equal(more, found)
    assert more.attrs["lost"] == []


def test_effective_time_is_that_of_all_triggers_and_not_that_of_the_coincident_ones(alone, found):
    truth = json.loads((alone.out / "truth" / "20240110.json").read_text())
    run = next(run for source in truth["sources"] for run in source["runs"] if run["lst_run"] == LST_RUN)
    expected = run["standalone"]["lst_effective_time_s"]
    assert expected < 0.99 * 4.0
    assert found.attrs["effective_time_s"][LST_RUN] == pytest.approx(expected, rel=0.005)
    assert found.attrs["elapsed_time_s"][LST_RUN] == pytest.approx(4.0, rel=0.002)
    # As in the seed: lstchain's function on the coincident events.
    coincident = pd.DataFrame(
        {"event_type": 32, "dragon_time": found["timestamp"].to_numpy(), "delta_t": found["delta_t"].to_numpy()}
    )
    assert get_effective_time(coincident)[0].to_value("s") < 0.6 * expected


def test_a_truncated_file_is_named(alone, tmp_path):
    path = tmp_path / f"dl2_LST-1.Run{LST_RUN}.h5"
    shutil.copyfile(alone.dl2_files[0], path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(DatasetError, match=f"{path.name}: truncated or damaged"):
        lst_events([path], alone.events())


def test_a_file_with_another_layout_is_named_with_what_it_lacks(alone, tmp_path):
    path = tmp_path / f"dl2_LST-1.Run{LST_RUN}.h5"
    (dl1,) = alone.out.glob(f"LST/DL1/**/dl1_LST-1.Run{LST_RUN}.0000.h5")
    shutil.copyfile(dl1, path)
    with pytest.raises(DatasetError, match="no DL2 of lstchain"):
        lst_events([path], alone.events())
    rows = pd.read_hdf(alone.dl2_files[0], TABLE).drop(columns=["delta_t", "gammaness"])
    with tables.open_file(path, "w") as file:
        file.create_table(*TABLE.rsplit("/", 1), rows.to_records(index=False), createparents=True)
    with pytest.raises(DatasetError, match="lacks delta_t, gammaness"):
        lst_events([path], alone.events())


def test_a_name_without_a_run_is_no_file_of_a_run(alone, tmp_path):
    with pytest.raises(DatasetError, match="does not tell the run"):
        lst_events([tmp_path / "dl2_16270.h5"], alone.events())


def test_an_event_for_each_telescope_is_refused(alone):
    with pytest.raises(DatasetError, match="twice"):
        lst_events(alone.dl2_files, pd.concat([alone.events(), alone.events()]))


def test_no_events_give_an_empty_table(alone):
    none = lst_events(alone.dl2_files, alone.events()[:0])
    assert len(none) == 0
    assert none.attrs == {"lost": [], "effective_time_s": {}, "elapsed_time_s": {}}


def test_too_few_triggers_a_second_give_no_effective_time(alone, tmp_path):
    rows = pd.read_hdf(alone.dl2_files[0], TABLE)[::10]
    path = tmp_path / f"dl2_LST-1.Run{LST_RUN}.h5"
    with tables.open_file(path, "w") as file:
        file.create_table(*TABLE.rsplit("/", 1), rows.to_records(index=False), createparents=True)
    part = lst_events([path], alone.events())
    assert math.isnan(part.attrs["effective_time_s"][LST_RUN])
    assert part.attrs["lost"][-1] == f"LST-1 run {LST_RUN}: no effective time, too few triggers a second"
