"""The data sets of a source, from published nights to season files: what is read, and what is made again."""

import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from stereo_tasks.nights import Night
from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.processing.completion import problems_of
from stereo_tasks.processing.dataset_list import listed_files
from stereo_tasks.processing.dataset_plans import plan_source
from stereo_tasks.processing.source_plans import plan_stale
from stereo_tasks.settings import load_settings
from stereo_tasks.stages import State
from stereo_tasks.stages.datasets import SUMMARIES
from stereo_tasks.steps.run import run_element

sys.path.insert(0, str(Path(__file__).parents[1] / "datasets"))
SOURCE, EVENTS = "CrabNebula", 150
NIGHTS = {"2024-01-10": (1622, 1623), "2024-01-12": (1632,), "2024-01-14": (1640,)}


class Season:
    """A site with published nights."""

    def __init__(self, root):
        self.root = root
        self.tree = root / "products" / "mcp062" / SOURCE

    @property
    def settings(self):
        return load_settings(self.root)

    def publish(self, night, *, seed=0):
        from dl2_tables import make_dl2, publish_night

        publish_night(self.tree, night, {run: make_dl2(run, EVENTS, seed=run + seed) for run in NIGHTS[night]})

    def build(self, *, summaries=False, **options):
        """Work on everything that is to be done; return the records of what was done now, by element."""
        plan = plan_source(SOURCE, settings=self.settings, **options)
        plan.save()
        states = ElementStates(plan)
        # The summaries follow every change, and have tests of their own.
        elements = [element for element in plan.elements if summaries or element.stage.chain != SUMMARIES]
        to_do = [element for element in elements if not states.is_valid(element)]
        return {element.id: run_element(states, element) for element in to_do}

    def read(self, name, key="events/parameters"):
        return pd.read_hdf(self.tree / "datasets" / "all" / f"{name}.h5", key)


def published(root):
    found = Season(root)
    for night in ("2024-01-10", "2024-01-12"):
        found.publish(night)
    return found


@pytest.fixture
def season(tmp_path):
    return published(tmp_path)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A season that is made already, to be looked at only."""
    found = published(tmp_path_factory.mktemp("season"))
    found.records = found.build(summaries=True)
    return found


def read_of(records):
    """Nights that the season files read and have, the same for all."""
    return {
        (record.counts["nights_read"], record.counts["nights"])
        for name, record in records.items()
        if name.startswith("dataset_season")
    }


def parts(records):
    return {name for name in records if not name.startswith("dataset_season")}


def test_a_season_grows_by_its_new_night_and_reads_no_other_again(season):
    first = season.build()
    assert {record.state for record in first.values()} == {State.DONE}
    assert read_of(first) == {(2, 2)}
    assert season.build() == {}
    before = season.read("merged/dl2_merged_CrabNebula_total.all_combo")
    kinds = ("merged", "mean", "coincidences", "common")
    season.publish("2024-01-14")
    more = season.build()
    assert {record.state for record in more.values()} == {State.DONE}
    assert parts(more) == {f"dataset_{kind}/20240114" for kind in kinds}
    assert read_of(more) == {(1, 3)}
    after = season.read("merged/dl2_merged_CrabNebula_total.all_combo")
    pd.testing.assert_frame_equal(after.head(len(before)), before)
    assert set(after["obs_id_lst"]) == {-1, 1622, 1623, 1632, 1640}
    # What grew is what is made at once.
    for path in (season.tree / "datasets" / "all").rglob("*.h5"):
        path.unlink()
    assert read_of(season.build()) == {(3, 3)}
    pd.testing.assert_frame_equal(season.read("merged/dl2_merged_CrabNebula_total.all_combo"), after)


def test_a_night_that_was_published_anew_is_read_again(season):
    season.build()
    season.publish("2024-01-12", seed=7)
    again = season.build()
    assert parts(again) == {f"dataset_{kind}/20240112" for kind in ("merged", "mean", "coincidences", "common")}
    # Coincidences came out as they were; the sum begins anew when they do not.
    assert read_of(again) == {(0, 2), (1, 2)}
    assert season.build() == {}


def test_a_file_that_somebody_changed_is_made_from_its_parts(season):
    season.build()
    path = season.tree / "datasets" / "all" / "mean" / "dl2_mean_CrabNebula_total.3tel.h5"
    path.write_bytes(path.read_bytes()[:1000])
    again = season.build()
    assert list(again) == ["dataset_season/mean/dl2_mean_CrabNebula_total.3tel"]
    assert read_of(again) == {(2, 2)}


def test_other_weights_concern_the_means_and_what_follows(season):
    season.build()
    (season.root / "config").mkdir()
    over = {"create_irf": {"weight_type_dl2": "variance"}}
    (season.root / "config" / "mcp.yaml").write_text(yaml.safe_dump(over))
    assert parts(season.build()) == set()  # no night was published with them
    dl3 = season.tree / "DL3"
    shutil.copytree(dl3 / "g_dyn_0.9_th_glo_0.2", dl3 / season.settings.production().cuts, symlinks=True)
    again = season.build()
    assert parts(again) == {
        f"dataset_{kind}/{date}" for kind in ("mean", "common") for date in ("20240110", "20240112")
    }
    assert {name.split("/")[1] for name in again if name.startswith("dataset_season")} == {"mean", "common"}


def test_the_files_hold_what_their_names_say(built):
    telescopes = {"all_combo": None, "3tel": (1, 2, 3), "LST1_MI": (1, 2), "LST1_MII": (1, 3), "MI_MII": (2, 3)}
    number = 0
    for name, members in telescopes.items():
        rows = built.read(f"merged/dl2_merged_CrabNebula_total.{name}")
        if members:
            found = rows.groupby(["obs_id", "event_id", "timestamp"])["tel_id"].agg(tuple)
            assert set(found) == {members}
            number += len(rows)
        else:
            total = len(rows)
    assert number == total
    assert set(built.read("merged/dl2_merged_CrabNebula_LST.3tel")["tel_id"]) == {1}
    assert set(built.read("merged/dl2_merged_CrabNebula_MAGIC.all_combo")["tel_id"]) == {2, 3}
    means = built.read("mean/dl2_mean_CrabNebula_total.all_combo")
    assert {"theta2_on", "theta2_off1", "theta2_off3", "reco_ra", "pointing_zd", "event_id_magic"} <= set(means)
    assert ((means["reco_zd"] >= 0) & (means["reco_zd"] <= 90)).all()
    assert set(built.read("mean/dl2_mean_CrabNebula_LST.3tel")["multiplicity"]) == {3}
    shared = [built.read(f"common/dl2_{kind}_CrabNebula")[["obs_id", "event_id"]] for kind in ("merged", "mean")]
    pd.testing.assert_frame_equal(shared[0].drop_duplicates(ignore_index=True), shared[1])
    profile = built.read("coincidences/profile_data_CrabNebula.total")
    assert profile.loc[profile["n_coincidence_tel12"].idxmax(), "time_offset"] == -3.2
    assert profile["n_coincidence_tel12"].max() == 6 * 100  # three runs of two subruns
    subruns = built.read("coincidences/feature_data_CrabNebula.total")
    assert set(subruns["run"]) == {1622, 1623, 1632}
    assert set(subruns["subrun"]) == {0, 1}


def test_fractions_of_combinations_are_noted_and_sum_to_one(built):
    record = built.records["dataset_merged/20240110"]
    assert record.counts["events_out"] == 2 * EVENTS
    assert sum(value for name, value in record.counts.items() if name.startswith("fraction_")) == pytest.approx(1)


def test_dl2_that_cannot_be_read_is_named_and_nothing_of_it_is_written(season):
    path = season.tree / "DL2" / "20240112" / "dl2_MAGIC_LST-1.Run01632.h5"
    path.write_bytes(path.read_bytes()[:2000])
    records = season.build()
    held = records["dataset_merged/20240112"]
    assert held.state == State.HELD
    assert "Run01632.h5" in held.reason
    assert "copy the file again" in held.reason
    assert records["dataset_mean/20240112"].state == State.SKIPPED
    whole = records["dataset_season/merged/dl2_merged_CrabNebula_total.all_combo"]
    assert (whole.state, whole.counts["nights"]) == (State.DONE, 1)
    assert any("dataset_merged/20240112 held" in text for text in whole.lost)
    assert not (season.tree / "datasets" / "nights" / "20240112" / "merged.h5").exists()
    plan = plan_source(SOURCE, settings=season.settings)
    assert [text for text in problems_of(plan) if "dataset_merged/20240112" in text]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table.drop(columns="reco_alt"), "has no reco_alt"),
        (lambda table: table.assign(pointing_alt=66.0), "not in rad"),
        (lambda table: table.assign(tel_id=9), "telescopes [9]"),
    ],
)
def test_what_is_no_dl2_is_told(season, change, said):
    from dl2_tables import make_dl2, publish_night

    publish_night(season.tree, "2024-01-12", {1632: change(make_dl2(1632, 50))})
    plan = plan_source(SOURCE, settings=season.settings)
    plan.save()
    element = next(one for one in plan.elements if one.id == "dataset_merged/20240112")
    record = run_element(ElementStates(plan), element)
    assert record.state == State.FAILED
    assert "Run01632.h5" in record.reason
    assert said in record.reason


def test_sets_share_the_parts_of_the_nights(built):
    night = Night("2024-01-12")
    one = plan_source(SOURCE, night, night, settings=built.settings)
    assert one.name == "datasets/CrabNebula/20240112-20240112"
    states = ElementStates(one)
    to_do = {element.stage.chain or element.stage.name for element in one.elements if not states.is_valid(element)}
    assert to_do == {"dataset_season", SUMMARIES}


def test_only_what_is_stale_is_planned_and_all_is_listed(built):
    assert len(plan_stale(plan_source, [("", SOURCE)], last=Night("2024-01-10"), settings=built.settings).plans) == 1
    found = plan_stale(plan_source, [("mcp062", SOURCE)], settings=built.settings)
    assert found.plans == ()
    assert "0 of" in found.lines[-1]
    files = [file for file in listed_files(settings=built.settings) if file.set == "all"]
    assert {(file.state, file.nights) for file in files} == {("done", 2)}
    assert len(files) == 20


def test_monte_carlo_is_by_line_and_zenith(season):
    from dl2_tables import make_dl2, write_table

    mc = season.tree.parent / "mc" / "ST0320A" / "NSB1.5" / "v01" / "dec_2276" / "DL2"
    dropped = ["timestamp", "obs_id_magic", "event_id_magic", "obs_id_lst", "event_id_lst", "time_diff"]
    for zenith, azimuth in ((24.0, 100.0), (24.0, 248.1), (43.2, 110.0)):
        table = make_dl2(106, 60, seed=int(azimuth)).drop(columns=dropped)
        table = table.assign(
            obs_id=106, pointing_alt=(90 - zenith) / 57.29577951308232, pointing_az=azimuth / 57.29577951308232,
            true_energy=azimuth, true_alt=90 - zenith, true_az=azimuth, reco_alt=90 - zenith, reco_az=azimuth,
        ).drop_duplicates(["obs_id", "event_id", "tel_id"])  # fmt: skip
        write_table(mc / f"dl2_gamma_zd_{zenith}deg_az_{azimuth}deg.h5", table)
    records = season.build()
    key = "ST0320A_NSB1.5_v01_dec_2276"
    near = season.read(f"mc/dl2_MC_mean_CrabNebula.{key}_zd_20_30")
    assert set(near["true_energy"].round(6)) == {100.0, 248.1}  # nothing in between: no shower of two pointings
    assert near.duplicated(["obs_id", "event_id"]).any()
    assert not near.duplicated(["obs_id", "event_id", "pointing_az"]).any()
    far = season.read(f"mc/dl2_MC_merged_CrabNebula.{key}_zd_40_50")
    assert far["pointing_zd"].mean() == pytest.approx(43.2, abs=0.1)
    assert {record.state for record in records.values()} == {State.DONE}
