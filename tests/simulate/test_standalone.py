"""Files of the standalone analyses: the layouts of lstchain and MARS, and a model that is as good as it says."""

import json

import numpy as np
import pandas as pd
import pytest
import uproot

from stereo_tasks.simulate import StandaloneSpec, simulate_night
from stereo_tasks.simulate.spec import spec_hash
from stereo_tasks.simulate.standalone import LST_ALONE, MAGIC_ALONE, reconstruct
from tests.simulate.conftest import small_night

TABLE = "/dl2/event/telescope/parameters/LST_LSTCam"


@pytest.fixture(scope="module")
def with_standalone(tmp_path_factory, cache):
    out = tmp_path_factory.mktemp("standalone")
    simulate_night(small_night(standalone=StandaloneSpec(failed_fraction=0.5)), out)
    return out


def test_a_night_without_is_as_it_was_and_one_with_has_the_same_events(night, with_standalone):
    assert "standalone" not in small_night().model_dump()
    assert spec_hash(small_night()) != spec_hash(small_night(standalone=StandaloneSpec()))
    assert not list(night.rglob("dl2_*"))
    assert not list(night.rglob("*_Q_*"))
    for one in sorted(night.glob("LST/DL1/**/*.h5")):
        table = "/dl1/event/telescope/parameters/LST_LSTCam"
        other = with_standalone / one.relative_to(night)
        pd.testing.assert_frame_equal(pd.read_hdf(one, table), pd.read_hdf(other, table))


def test_dl2_has_the_triggers_with_an_image_and_their_ids_and_times(with_standalone):
    table = "/dl1/event/telescope/parameters/LST_LSTCam"
    dl1 = pd.concat([pd.read_hdf(path, table) for path in sorted(with_standalone.glob("LST/DL1/**/*.h5"))])
    (path,) = with_standalone.glob("LST/DL2/20240110/v0.10/tailcut84/dl2_LST-1.Run16270.h5")
    dl2 = pd.read_hdf(path, TABLE)
    images = dl1[np.isfinite(dl1["length"])].reset_index(drop=True)
    assert len(images) < len(dl1)
    columns = ["obs_id", "event_id", "event_type", "dragon_time", "intensity", "psi", "alt_tel"]
    pd.testing.assert_frame_equal(dl2[columns], images[columns])
    waits = dl1.groupby(dl1["dragon_time"] < dl1["dragon_time"].iloc[0] + 3)["dragon_time"].diff().fillna(0)
    assert dl2["delta_t"].to_numpy() == pytest.approx(waits[np.isfinite(dl1["length"])].to_numpy())


def test_lstchain_reads_its_dl2(with_standalone):
    from lstchain.io.io import read_data_dl2_to_QTable

    (path,) = with_standalone.rglob("dl2_LST-1.Run16270.h5")
    events, _ = read_data_dl2_to_QTable(path)
    assert events["reco_energy"].unit == "TeV"
    assert events["reco_alt"].to_value("deg").mean() == pytest.approx(70, abs=2)


def test_melibea_has_the_events_of_the_calibrated_files(with_standalone):
    (path,) = with_standalone.glob("MAGIC/ST/event/Melibea/2024/01/11/20240111_05114600_Q_CrabNebula-W0.40+035.root")
    with uproot.open(path) as file:
        melibea = file["Events"].arrays(library="np")
    cosmic = []
    for calibrated in sorted(with_standalone.glob("MAGIC/M1/**/*_Y_*.root")):
        with uproot.open(calibrated) as file:
            names = ("MRawEvtHeader.fStereoEvtNumber", "MTime.fTime.fMilliSec", "MTime.fNanoSec")
            table = file["Events"].arrays(names, library="np")
        cosmic.append(np.stack([table[name].astype(np.int64) for name in names])[:, table[names[0]] > 0])
    mine = ["MRawEvtHeader_1.fStereoEvtNumber", "MTime_1.fTime.fMilliSec", "MTime_1.fNanoSec"]
    assert np.array_equal(np.stack([melibea[name].astype(np.int64) for name in mine]), np.concatenate(cosmic, axis=1))
    energy = melibea["MEnergyEst.fEnergy"]
    numbers = json.loads((with_standalone / "truth" / "20240110.json").read_text())["sources"][0]["runs"][0][
        "standalone"
    ]
    assert (energy[energy < 0] == -1).all()
    assert numbers["melibea_events"] == len(energy)
    assert numbers["melibea_events_with_energy"] == (energy > 0).sum()
    assert 0.3 < (energy > 0).mean() < 0.7


@pytest.mark.parametrize(("resolution", "degrees", "energy"), [(LST_ALONE, 0.135, 0.20), (MAGIC_ALONE, 0.069, 0.16)])
def test_resolutions_are_those_of_the_observatories(resolution, degrees, energy):
    n = 20_000
    truth = {
        "true_energy": np.ones(n),
        "true_gamma": np.ones(n),
        "true_lat": np.full(n, 0.007),
        "true_lon": np.zeros(n),
    }
    found = reconstruct(truth, resolution, np.random.default_rng(1))
    away = np.rad2deg(np.hypot(found.lat_rad - 0.007, found.lon_rad))
    assert np.quantile(away, 0.6827) == pytest.approx(degrees, rel=0.05)
    assert np.log(found.energy_tev).std() == pytest.approx(energy, rel=0.05)
    hadrons = reconstruct(truth | {"true_gamma": np.zeros(n)}, resolution, np.random.default_rng(2))
    assert np.median(hadrons.energy_tev) == pytest.approx(0.4, rel=0.05)
    assert hadrons.gammaness.mean() < 0.3 < 0.7 < found.gammaness.mean()
