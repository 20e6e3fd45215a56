"""A simulated night: its files, truth and log, read by the real readers."""

import csv
import datetime as dt
import hashlib
import json

import numpy as np
import pandas as pd
import pytest

from stereo_tasks.simulate import Fault, FaultKind, RunSpec, simulate_night
from stereo_tasks.simulate.faults import RunFaults
from stereo_tasks.simulate.log_row import _HEADER
from stereo_tasks.simulate.pointing import without_network
from tests.simulate.conftest import small_night


def truth_of(out):
    return json.loads((out / "truth" / "20240110.json").read_text())


def lst_tables(out):
    from magicctapipe.io import load_lst_dl1_data_file

    return [load_lst_dl1_data_file(path)[0] for path in sorted(out.glob("LST/DL1/20240110/v0.10/tailcut84/*.h5"))]


def magic_events(path):
    import uproot

    with uproot.open(path) as file:
        return file["Events"].arrays(library="np")


def magic_ns(events):
    mjd, ms, ns = (events[f"MTime.{name}"].astype(np.int64) for name in ("fMjd", "fTime.fMilliSec", "fNanoSec"))
    return (mjd - 40587) * 86_400_000_000_000 + ms * 1_000_000 + ns


def test_files_have_their_names(night):
    names = sorted(p.relative_to(night).as_posix() for p in night.rglob("*") if p.is_file() and ".cache" not in p.parts)
    assert names == sorted(
        [
            *(
                f"MAGIC/M{m}/event/Calibrated/2024/01/11/20240111_M{m}_05114600.00{k}_Y_CrabNebula-W0.40+035.root"
                for m in (1, 2)
                for k in (1, 2)
            ),
            *(f"LST/DL1/20240110/v0.10/tailcut84/dl1_LST-1.Run16270.000{k}.h5" for k in (0, 1)),
            "LST/DL1/20240110/NightFinished.txt",
            "stereo_log.csv",
            "truth/20240110.json",
        ]
    )
    assert set(truth_of(night)["files"]) <= set(names)


def test_same_seed_gives_the_same_events_and_another_seed_others(night, tmp_path):
    simulate_night(small_night(), tmp_path)
    for one, two in zip(lst_tables(night), lst_tables(tmp_path), strict=True):
        pd.testing.assert_frame_equal(one, two)
    for path in night.glob("MAGIC/M1/**/*.root"):
        first, second = magic_events(path), magic_events(tmp_path / path.relative_to(night))
        assert np.array_equal(magic_ns(first), magic_ns(second))
        key = "MCerPhotEvt.fPixels.fPhot"
        assert all(np.array_equal(a, b) for a, b in zip(first[key], second[key], strict=True))
    simulate_night(small_night(seed=4), tmp_path)
    assert lst_tables(tmp_path)[0]["dragon_time"].iloc[0] != lst_tables(night)[0]["dragon_time"].iloc[0]


def test_second_call_does_nothing(night):
    before = {p: (p.stat().st_mtime_ns, hashlib.sha256(p.read_bytes()).digest()) for p in night.rglob("*.root")}
    simulate_night(small_night(), night)
    assert before == {p: (p.stat().st_mtime_ns, hashlib.sha256(p.read_bytes()).digest()) for p in night.rglob("*.root")}


def test_library_is_cached(night, cache):
    assert len(list((cache / "showers").glob("background_zd20_az90_*.npz"))) >= 1


def test_lst_events_are_apart_and_numbered_in_time_order(night):
    last = 0
    for table in lst_tables(night):
        stamps = table["dragon_time"].to_numpy()
        assert np.all(np.diff(stamps) >= 8e-6)
        ids = table.index.get_level_values("event_id_lst").to_numpy()
        assert np.all(np.diff(ids) > 0)
        assert ids[0] > last
        last = ids[-1]
        assert set(table["event_type"]) == {32}
        assert np.isfinite(table[["intensity", "length", "width", "slope", "psi", "pointing_alt"]]).all().all()
        assert table["length"].between(0.01, 0.8).all()


def test_magic_events_are_apart_and_have_pedestals(night):
    for path in night.glob("MAGIC/M*/**/*.root"):
        events = magic_events(path)
        assert np.all(np.diff(magic_ns(events)) >= 25_900)
        pattern = events["MTriggerPattern.fPrescaled"]
        assert np.count_nonzero(pattern == 8) >= 1
        cosmic = events["MRawEvtHeader.fStereoEvtNumber"][pattern == 128]
        assert np.all(np.diff(cosmic.astype(int)) > 0)
        assert np.all(events["MRawEvtHeader.fStereoEvtNumber"][pattern == 8] == 0)


def test_both_magic_telescopes_see_the_same_events_at_the_same_time(night):
    one, two = (magic_events(sorted(night.glob(f"MAGIC/M{m}/**/*.001_Y_*.root"))[0]) for m in (1, 2))
    assert np.array_equal(one["MRawEvtHeader.fStereoEvtNumber"], two["MRawEvtHeader.fStereoEvtNumber"])
    assert np.abs(magic_ns(one) - magic_ns(two)).max() < 500


def test_most_magic_events_follow_lst_at_the_time_offset(night):
    stamps = np.concatenate([np.rint(t["dragon_time"].to_numpy() * 1e9) for t in lst_tables(night)])
    for path in night.glob("MAGIC/M1/**/*.root"):
        events = magic_events(path)
        cosmic = magic_ns(events)[events["MTriggerPattern.fPrescaled"] == 128] + 3200
        nearest = np.abs(cosmic[:, None] - stamps[None, :]).min(axis=1)
        matched = (nearest < 600).mean()
        # some LST-1 images do not survive the cleaning, and some showers are MAGIC-only
        assert 0.5 < matched < 1.0


def test_truth_says_what_was_injected(night):
    truth = truth_of(night)
    (source,) = truth["sources"]
    assert source["spectrum"]["amplitude"] == 2e-9
    assert source["spectrum"]["index"] == 2.5
    (run,) = source["runs"]
    counts = run["counts"]
    assert counts["gamma_thrown"] > counts["gamma_seen_by_lst"] > counts["gamma_all_three"] > 0
    assert counts["magic_events"] == counts["gamma_recorded_by_magic"] + counts["proton_recorded_by_magic"]
    recorded = sum(
        np.count_nonzero(magic_events(p)["MTriggerPattern.fPrescaled"] == 128) for p in night.glob("MAGIC/M2/**/*.root")
    )
    assert recorded == counts["magic_events"]
    assert counts["lst_events"] > 6 * 30
    assert run["time_offset_us"] == -3.2
    assert run["zenith_deg"] == pytest.approx(20, abs=0.5)


def test_log_has_the_real_layout(night):
    rows = list(csv.reader((night / "stereo_log.csv").open(newline="")))
    assert rows[6:8] == [list(line) for line in _HEADER]
    assert all(len(row) == 14 for row in rows)
    row = dict(zip(("date", "source"), rows[8], strict=False))
    assert row == {"date": "2024_01_10", "source": "CrabNebula"}
    assert rows[8][8] == "[16270]"
    assert rows[8][9:11] == ["5114600", "5114600"]


def test_another_night_is_added_and_the_same_night_replaced(tmp_path):
    quiet = small_night().sources[0].model_copy(update={"spectrum": None})
    for date in ("2024-01-12", "2024-01-10", "2024-01-12"):
        simulate_night(small_night(night=date, sources=(quiet,)), tmp_path)
    rows = list(csv.reader((tmp_path / "stereo_log.csv").open(newline="")))[8:]
    assert [row[0] for row in rows] == ["2024_01_10", "2024_01_12"]


def test_real_reader_reads_calibrated_files(night):
    from ctapipe_io_magic import MAGICEventSource

    path = sorted(night.glob("MAGIC/M1/**/*.root"))[0]
    with MAGICEventSource(path, process_run=False) as source:
        assert source.is_stereo
        assert not source.is_simulation
        events = [
            (e.index.event_id, e.dl1.tel[1].image.max(), e.pointing.tel[1].altitude.to_value("deg")) for e in source
        ]
    run = truth_of(night)["sources"][0]["runs"][0]
    assert len(events) > 30
    assert all(abs(90 - alt - run["zenith_deg"]) < 0.1 for _, _, alt in events)
    assert np.median([peak for _, peak, _ in events]) > 10


def test_real_tool_makes_dl1_that_points_where_the_truth_says(night, tmp_path):
    from pathlib import Path

    import astropy.units as u
    import magicctapipe
    import yaml
    from astropy.time import Time
    from magicctapipe.scripts.lst1_magic.magic_calib_to_dl1 import magic_calib_to_dl1
    from magicctapipe.utils import transform_altaz_to_radec

    config = yaml.safe_load((Path(magicctapipe.__file__).parent / "resources" / "config.yaml").read_text())
    path = sorted(night.glob("MAGIC/M2/**/*.root"))[0]
    magic_calib_to_dl1(str(path), str(tmp_path), config, max_events=None, process_run=False)
    (dl1,) = tmp_path.glob("*.h5")
    table = pd.read_hdf(dl1, "events/parameters")
    cosmic = np.count_nonzero(magic_events(path)["MTriggerPattern.fPrescaled"] == 128)
    assert len(table) > 0.6 * cosmic
    assert set(table["tel_id"]) == {3}
    first = table.iloc[0]
    stamp = Time(first["time_sec"] + first["time_nanosec"] * 1e-9, format="unix")
    with without_network():
        ra, dec = transform_altaz_to_radec(first["pointing_alt"] * u.rad, first["pointing_az"] * u.rad, stamp)
    run = truth_of(night)["sources"][0]["runs"][0]
    assert ra.to_value("deg") == pytest.approx(run["pointing_ra_deg"], abs=0.01)
    assert dec.to_value("deg") == pytest.approx(run["pointing_dec_deg"], abs=0.01)


def test_faults_are_in_the_files_and_in_the_truth(faulty):
    truth = truth_of(faulty)
    found = {fault["kind"]: [faulty / path for path in fault["paths"]] for fault in truth["faults"]}
    assert set(found) == set(FaultKind)
    assert not found["magic_missing"][0].exists()
    assert not found["lst_missing"][0].exists()
    for kind in ("magic_truncated", "lst_truncated"):
        (path,) = found[kind]
        whole = path.with_name(path.name.replace(".001_", ".003_").replace(".0000.h5", ".0002.h5"))
        assert path.stat().st_size < 0.8 * whole.stat().st_size
    original, copy = found["duplicated"]
    assert original.read_bytes() == copy.read_bytes()
    assert copy.name.endswith("_Y_CrabNebula-W0.40+215.root")
    assert "M2" in found["magic_truncated"][0].name


def test_subrun_of_noise_has_events_but_no_light(faulty):
    path = next(faulty / f["paths"][0] for f in truth_of(faulty)["faults"] if f["kind"] == "magic_noise")
    events = magic_events(path)
    assert np.count_nonzero(events["MTriggerPattern.fPrescaled"] == 128) >= 1
    assert max(row.max() for row in events["MCerPhotEvt.fPixels.fPhot"]) < 3


def test_faults_of_a_run_shift_pointing_and_time(faulty):
    (lst,) = faulty.glob("LST/DL1/**/*Run16270.0000.h5")  # the run at 22 deg comes first
    from magicctapipe.io import load_lst_dl1_data_file

    table = load_lst_dl1_data_file(lst)[0]
    run = next(r for r in truth_of(faulty)["sources"][0]["runs"] if r["lst_run"] == 16270)
    assert 90 - np.rad2deg(table["pointing_alt"].mean()) == pytest.approx(run["zenith_deg"] - 0.2, abs=0.02)
    (magic,) = faulty.glob("MAGIC/M1/**/*_05114600.001_*.root")
    events = magic_events(magic)
    assert magic_ns(events).min() / 1e9 - table["dragon_time"].max() > 500


def test_a_clock_without_gps_is_ahead_and_drifts():
    faults = RunFaults((Fault(kind="broken_gps", clock_offset_s=-1.5, clock_drift_us_per_s=3.0),))
    true_ns = 1_704_924_000_000_000_000 + np.array([0, 100, 1_000_000_000, 600_000_000_000])
    shown = faults.magic_clock_ns(1_704_924_000.0, true_ns)
    assert (shown - true_ns).tolist() == [-1_500_000_000, -1_500_000_000, -1_499_997_000, -1_498_200_000]


def test_a_clock_jumps_ahead_from_a_subrun_on():
    faults = RunFaults((Fault(kind="clock_jump", subrun=2, jump_us=1.0),))
    true_ns = np.array([5, 7])
    shown = [faults.magic_clock_ns(0.0, true_ns, subrun).tolist() for subrun in range(4)]
    assert shown == [[5, 7], [5, 7], [1005, 1007], [1005, 1007]]


def test_faults_that_came_later_do_not_change_the_hash_of_specs_without_them():
    fault = Fault(kind="lst_stall", begin_s=1.0)
    assert set(fault.model_dump()) == {
        "kind", "run", "subrun", "telescope", "begin_s", "duration_s", "clock_offset_s", "clock_drift_us_per_s",
    }  # fmt: skip
    assert Fault(kind="light_loss", kept_fraction=0.6).model_dump()["kept_fraction"] == 0.6


def test_a_low_rate_and_less_light_and_a_noisy_telescope(tmp_path):
    """Each in a run of its own, beside the same run without a fault."""
    source = small_night().sources[0]
    runs = tuple(RunSpec(zenith_deg=zenith, subruns=1, subrun_seconds=3.0) for zenith in (23.0, 21.0, 19.0))
    faults = (
        Fault(kind="low_rate", run=0, kept_fraction=0.3),
        Fault(kind="light_loss", run=1, kept_fraction=0.5),
        Fault(kind="noisy_telescope", run=2, telescope="M2"),
    )
    nights = {}
    for name, chosen in (("clean", ()), ("faulty", faults)):
        spec = small_night(sources=(source.model_copy(update={"runs": runs}),), faults=chosen)
        simulate_night(spec, tmp_path / name)
        nights[name] = [
            {
                "lst": pd.read_hdf(next((tmp_path / name).glob(f"LST/DL1/**/*Run{16270 + i}.0000.h5")),
                                   "dl1/event/telescope/parameters/LST_LSTCam"),
                **{
                    m: magic_events(next((tmp_path / name).glob(f"MAGIC/{m}/**/*_{5114600 + i:08d}.001_*.root")))
                    for m in ("M1", "M2")
                },
            }
            for i in range(3)
        ]  # fmt: skip
    low, dim, noisy = zip(nights["clean"], nights["faulty"], strict=True)
    assert len(low[1]["lst"]) < 0.6 * len(low[0]["lst"])
    assert len(magic_ns(low[1]["M1"])) < 0.6 * len(magic_ns(low[0]["M1"]))
    before, after = (one["lst"]["intensity"][one["lst"]["event_type"] == 32].to_numpy() for one in dim)
    np.testing.assert_allclose(after, 0.5 * before)
    # Most pixels have no light of the shower.
    spreads = {
        m: [np.ptp(np.percentile(one[m]["MCerPhotEvt.fPixels.fPhot"][0][:1039], [25, 75])) for one in noisy]
        for m in ("M1", "M2")
    }
    assert spreads["M1"][1] == pytest.approx(spreads["M1"][0], rel=0.2)
    assert spreads["M2"][1] > 1.5 * spreads["M2"][0]


def test_a_telescope_that_stalls_records_nothing_for_a_while_and_the_others_go_on(faulty):
    run = next(r for r in truth_of(faulty)["sources"][0]["runs"] if r["lst_run"] == 16271)
    first = (dt.datetime.fromisoformat(run["start"]).timestamp() + 3.2) * 1e9  # the fourth subrun of 1 s
    (lst,) = faulty.glob("LST/DL1/**/*Run16271.0003.h5")
    lst_ns = pd.read_hdf(lst, "dl1/event/telescope/parameters/LST_LSTCam")["dragon_time"].to_numpy() * 1e9
    m1, m2 = (magic_events(next(faulty.glob(f"MAGIC/M{m}/**/*_05114601.004_*+035.root"))) for m in (1, 2))
    stalled = {
        name: np.count_nonzero((ns >= first) & (ns < first + 0.5e9))
        for name, ns in {"LST": lst_ns, "M1": magic_ns(m1), "M2": magic_ns(m2)}.items()
    }
    assert stalled["LST"] == stalled["M2"] == 0
    assert stalled["M1"] > 0
    assert lst_ns.min() < first
    assert lst_ns.max() > first + 0.5e9
    events = [set(m["MRawEvtHeader.fStereoEvtNumber"].tolist()) for m in (m1, m2)]
    assert events[1] < events[0]


def test_broken_files_break_the_readers(faulty):
    import uproot

    found = {f["kind"]: faulty / f["paths"][0] for f in truth_of(faulty)["faults"]}
    with pytest.raises(Exception):  # noqa: B017, PT011 - any error will do, but not silence
        uproot.open(found["magic_truncated"])["Events"].arrays()
    with pytest.raises(Exception):  # noqa: B017, PT011
        pd.read_hdf(found["lst_truncated"], "dl1/event/telescope/parameters/LST_LSTCam")


def test_a_new_spec_removes_files_of_the_old_one(tmp_path):
    quiet = small_night().sources[0].model_copy(update={"spectrum": None})
    simulate_night(small_night(sources=(quiet,)), tmp_path)
    simulate_night(small_night(sources=(quiet,), first_lst_run=17000), tmp_path)
    assert {p.name[:20] for p in tmp_path.glob("LST/DL1/**/*.h5")} == {"dl1_LST-1.Run17000.0"}
