"""Runs of another NSB, and forests and IRFs that nights wait for: who goes out, and what prepare_mc is asked for."""

from __future__ import annotations

import datetime as dt
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from fake_site import FakeSite

from stereo_tasks.catalog import requests
from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.readiness import read_readiness
from stereo_tasks.dispatch import candidates, detection, wanted_models
from stereo_tasks.nights import Night
from stereo_tasks.planning.choices import choose
from stereo_tasks.processing.night_plans import plan_monte_carlo, plan_night
from stereo_tasks.products.models import COMBINATIONS, FOREST_KINDS, SAMPLES
from stereo_tasks.settings.sources import SourcePosition
from stereo_tasks.stereo_log import read_site_log

sys.path.insert(0, str(Path(__file__).parents[1] / "stereo_log"))
from automcp_files import lst_row, write_lst

NIGHT = "2020-12-15"
NOW = dt.datetime(2020, 12, 16, 12, 0, tzinfo=dt.UTC)
WRITTEN = dt.datetime(2020, 12, 16, 9, 0, tzinfo=dt.UTC)
KEY = "ST0316A/NSB{}/v01/dec_2276"


@pytest.fixture
def site(catalog: Catalog, tmp_path: Path) -> FakeSite:
    """A night of two runs, of NSB 1.4 and 2.1, with forests and IRFs of the first."""
    made = FakeSite(tmp_path, catalog)
    made.log(NIGHT, "CrabNebula", [3265, 3266], 5093711)
    made.models(NIGHT, "CrabNebula")
    for run in (3265, 3266):
        made.lst(NIGHT, run, WRITTEN)
    made.magic(NIGHT, 5093711, WRITTEN)
    made.finish(NIGHT, WRITTEN)
    know(made, {3265: 1.4, 3266: 2.1})
    return made


def know(site: FakeSite, nsb: dict[int, float]) -> None:
    """Write autoMCP's table beside the sheet."""
    path = Path(site.paths.stereo_log).parent / "automcp.h5"
    write_lst(path, *(lst_row(DATE="20201215", LST1_run=f"{run:05d}", nsb=value) for run, value in nsb.items()))
    paths = site.paths.model_copy(update={"automcp": path})
    site.paths = paths
    site.settings = site.settings.model_copy(update={"site": site.settings.site.model_copy(update={"paths": paths})})


def tree(site: FakeSite, nsb: float):
    found = choose(Night(NIGHT), "CrabNebula", site.settings, site.settings.production()).trees[1.5]
    return replace(found, nsb=nsb)


def monte_carlo(site: FakeSite, nsb: float, samples=SAMPLES, content: str = "abc") -> None:
    for sample in samples:
        path = tree(site, nsb).dl1_folder(sample) / "dl1_gamma_zd_24.0deg_az_100.0deg_LST1_MAGIC1_MAGIC2_run1.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def models(site: FakeSite, nsb: float) -> None:
    for path in site.model_files(NIGHT, "CrabNebula"):
        target = Path(str(path).replace("NSB1.5", f"NSB{nsb}"))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("x")


def wanted(site: FakeSite, now: dt.datetime = NOW):
    return wanted_models.wanted_models(site.catalog, site.settings, now)


def test_the_run_that_can_be_processed_goes_out_and_the_other_follows_when_it_can(site):
    (found,) = site.detect(NOW)
    site.emit(found)
    assert site.detect(NOW) == []
    models(site, 2.0)
    (again,) = site.detect(NOW)
    assert again.contents != found.contents
    site.emit(again)
    assert site.detect(NOW) == []


def test_what_is_planned_is_what_went_out(site, monkeypatch):
    """The run of the night notes the contents that detection noted: nothing goes out twice."""
    monkeypatch.setattr("stereo_tasks.processing.night_plans.science_versions", lambda _: {"magic-cta-pipe": "0.6.2"})
    for _ in range(2):
        (found,) = site.detect(NOW)
        planned = plan_night(NIGHT, settings=site.settings)
        assert planned.contents == found.contents
        site.emit(found)
        models(site, 2.0)


def test_without_models_for_any_run_the_night_waits(site):
    know(site, {3265: 2.0, 3266: 2.1})
    assert site.detect(NOW) == []
    (entry,) = read_readiness(site.catalog, "mcp062", first=Night(NIGHT), last=Night(NIGHT))
    assert "NSB2.0" in entry.missing[0]


def test_another_nsb_in_the_table_is_another_content(site):
    models(site, 2.0)
    site.emit(site.detect(NOW))
    know(site, {3265: 1.4, 3266: 1.6})
    assert len(site.detect(NOW)) == 1


def test_a_run_that_is_in_no_table_has_the_level_of_the_production(site):
    know(site, {3266: 2.1})
    (row,) = read_site_log(site.settings).observations
    levels = choose(row.night, row.source, site.settings, site.settings.production(), [row]).levels
    assert [(one.run, one.level, one.reason) for one in levels] == [
        (3265, 1.5, "of production mcp062"),
        (3266, 2.0, "median 2.1 of autoMCP's table"),
    ]


def test_what_lacks_is_asked_for_where_it_can_be_made_and_only_then(site):
    assert wanted(site) == []
    monte_carlo(site, 2.0, samples=SAMPLES[:2])
    assert wanted(site) == []
    monte_carlo(site, 2.0)
    monte_carlo(site, 1.5)  # its forests and IRFs are there
    monte_carlo(site, 3.0)  # no run needs them
    (one,) = wanted(site)
    assert one.conf == {"production": "mcp062", "only": [KEY.format(2.0)]}
    models(site, 2.0)
    assert wanted(site) == []


def test_two_nights_that_need_the_same_ask_for_it_once(site):
    monte_carlo(site, 2.0)
    (one,) = wanted(site)
    site.log("2020-12-16", "CrabNebula", [3270], 5093800)
    know(site, {3265: 1.4, 3266: 2.1, 3270: 1.9})
    assert wanted(site) == [one]  # and the name of its run is the same: Airflow refuses a second one of it
    monte_carlo(site, 2.0, content="other")
    (changed,) = wanted(site)
    assert changed.run_id != one.run_id


def test_another_cut_is_another_set_of_irfs(site):
    monte_carlo(site, 2.0)
    (one,) = wanted(site)
    production = site.settings.production()
    irf = production.mcp["create_irf"] | {"event_type": "magic_only"}
    name = site.second_production(mcp=production.mcp | {"create_irf": irf})
    site.policy(detect_productions=(name,))
    (other,) = wanted(site)
    assert (other.production, other.key) == ("other", one.key)
    assert other.mark != one.mark


def test_old_nights_are_left_alone_unless_a_person_asks(site):
    monte_carlo(site, 2.0)
    later = NOW + dt.timedelta(days=300)
    assert wanted(site, later) == []
    night = Night(NIGHT)
    requests.note_request(
        site.catalog, night, "mcp062", requests.WAITING, "no forests", backfill="", sources=[], force=False, by="x"
    )
    assert [one.key for one in wanted(site, later)] == [KEY.format(2.0)]


def test_a_burst_asks_for_the_line_where_magic_was_sent_to(site, monkeypatch):
    found = SourcePosition(ra_deg=10.0, dec_deg=33.0, origin="header")
    monkeypatch.setattr("stereo_tasks.inventory.headers._asked", lambda python, paths: found)
    site.log("2020-12-16", "GRB201216A", [3270], 5093800)
    site.magic("2020-12-16", 5093800, WRITTEN, "GRB201216A")
    know(site, {3270: 0.6})
    line = replace(tree(site, 0.5), declination="dec_3476")
    for sample in SAMPLES:
        line.dl1_folder(sample).mkdir(parents=True)
        (line.dl1_folder(sample) / "dl1_gamma_zd_24.0deg_az_100.0deg_run1.h5").write_text("abc")
    assert [one.key for one in wanted(site)] == ["ST0316A/NSB0.5/v01/dec_3476"]


def test_a_waiting_night_says_who_makes_what_lacks(site):
    know(site, {3265: 2.0, 3266: 2.1})
    monte_carlo(site, 2.0)
    site.detect(NOW)
    (entry,) = read_readiness(site.catalog, "mcp062", first=Night(NIGHT), last=Night(NIGHT))
    assert entry.missing[0].endswith("prepare_mc makes them (or run 'stereo prepare-mc')")


def test_prepare_mc_plans_the_levels_that_the_log_needs(site, monkeypatch):
    monkeypatch.setattr("stereo_tasks.processing.night_plans.science_versions", lambda _: {"magic-cta-pipe": "0.6.2"})
    for nsb in (1.0, 1.5, 2.0):
        monte_carlo(site, nsb)

    def planned(*only: str) -> list[str]:
        return [plan.name for plan in plan_monte_carlo(only=only, settings=site.settings)]

    assert planned() == [f"mc/{KEY.format(nsb)}" for nsb in (1.5, 2.0)]
    assert planned(KEY.format(1.0)) == [f"mc/{KEY.format(1.0)}"]


def test_forests_that_somebody_else_made_are_taken_as_they_are(site, monkeypatch):
    monkeypatch.setattr("stereo_tasks.processing.night_plans.science_versions", lambda _: {"magic-cta-pipe": "0.6.2"})
    models(site, 2.0)
    for path in tree(site, 2.0).irf_folder.iterdir():
        path.unlink()
    monte_carlo(site, 2.0, samples=("GammaTest",))
    (one,) = wanted(site)
    (plan,) = plan_monte_carlo(only=[one.key], settings=site.settings)
    assert not plan.blockers
    assert [stage.name for stage in plan.stages] == ["mc_stereo", "mc_pack", "mc_dl2", "mc_irf"]
    (dl2,) = (element for _, element in plan.of_stage("mc_dl2"))
    forests = [item for item in dl2.inputs if item.role == "forest"]
    assert len(forests) == 3
    assert all(item.producer is None and item.modified_ns for item in forests)
    # What is packed of them has a record, and they stay somebody else's. One of their own says that they are ours: then
    # they can be made again, with the samples for training.
    folder = tree(site, 2.0).forests_folder
    (folder / "energy_regressors_LST1_M1_M2.packed.record.json").write_text("{}")
    assert wanted(site) == [one]
    (folder / "energy_regressors_LST1_M1_M2.joblib.record.json").write_text("{}")
    assert wanted(site) == []


def test_a_set_of_ours_is_waited_for_until_it_is_whole(site):
    """While prepare_mc makes forests and IRFs, some of them are there: no night goes out with those."""
    know(site, {3265: 2.0, 3266: 2.1})
    monte_carlo(site, 2.0)
    for zenith in (10.0, 24.0, 38.0, 45.0):
        path = tree(site, 2.0).dl1_folder("GammaTest") / f"dl1_gamma_zd_{zenith}deg_az_100.0deg_run2.h5"
        path.write_text("abc")
    models(site, 2.0)
    assert wanted(site) == []  # somebody else's: they need not have all nodes
    forests, irfs = tree(site, 2.0).forests_folder, tree(site, 2.0).irf_folder
    record = irfs / "irf_zd_10.0deg_az_100.0deg_software_gh_dyn0.9_theta_glob0.2deg.fits.gz.record.json"
    record.write_text("{}")

    def reason() -> str:
        assert site.detect(NOW) == []
        (entry,) = read_readiness(site.catalog, "mcp062", first=Night(NIGHT), last=Night(NIGHT))
        (text,) = entry.missing
        return text

    assert reason().startswith("IRFs: 1 files are still to come (irf_zd_45.0deg_az_100.0deg): prepare_mc makes them")
    assert len(wanted(site)) == 1
    (irfs / "irf_zd_45.0deg_az_100.0deg.fits.gz").write_text("x")
    (forests / "energy_regressors_LST1_M1_M2.joblib.record.json").write_text("{}")
    assert reason().startswith("forests: 9 files are still to come (energy_regressors_LST1_M1.joblib, ")
    for kind in FOREST_KINDS:
        for combination in COMBINATIONS:
            (forests / f"{kind}_{combination}.joblib").write_text("x")
    assert wanted(site) == []
    assert len(site.detect(NOW)) == 1


def test_detection_looks_for_each_set_of_models_once(site, monkeypatch):
    looked = []
    real = candidates.find_all
    monkeypatch.setattr(candidates, "find_all", lambda trees, **more: looked.extend(trees) or real(trees, **more))
    site.log("2020-12-14", "CrabNebula", [3250], 5093600)
    detection.detect_ready_nights(site.catalog, NOW, settings=site.settings)
    assert len(looked) == len(set(looked)) == 2
