"""What the analysis of a source's season depends on; no event is read for that."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from stereo_tasks.nights import Night
from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.planning.fingerprint import configuration_hash
from stereo_tasks.planning.plan import Plan
from stereo_tasks.processing import season_plans
from stereo_tasks.processing.chain_arrays import chain_array
from stereo_tasks.processing.season_plans import plan_source_season
from stereo_tasks.processing.source_plans import plan_stale
from stereo_tasks.products.published_folders import PublishedFolderError, published_folders
from stereo_tasks.products.record import Record
from stereo_tasks.settings import SettingsError, load_settings
from stereo_tasks.stages import SEASON_STAGES, State, chains_of
from stereo_tasks.steps.marks import input_marks, mark_of

sys.path.insert(0, str(Path(__file__).parents[1] / "analysis"))
SOURCE, CUTS = "Mrk421", "g_dyn_0.9_th_glo_0.2"
VERSIONS = {"gammapy": "2.1", "numpy": "2.4"}


class Tree:
    """A site with published nights: whole folders, of runs that are short."""

    def __init__(self, root):
        self.root = root
        self.source = root / "products" / "mcp062" / SOURCE
        self.published = self.source / "DL3" / CUTS / "published"

    def publish(self, night, version="a", *, quality=(0,), seed=1):
        from simulated_dl3 import write_folder

        folder = self.published / ".versions" / f"{night}.{version}"
        folder.mkdir(parents=True)
        write_folder(folder, runs=1, seed=seed, quality=quality, seconds=20.0)
        link = self.published / night
        link.unlink(missing_ok=True)
        link.symlink_to(folder.relative_to(self.published))
        return folder

    def plan(self, *nights, **options):
        return plan_source_season(SOURCE, *nights, settings=load_settings(self.root), **options)

    def finish(self, plan):
        """Leave the record that the work would leave."""
        states = ElementStates(plan)
        for element in plan.elements:
            for output in element.outputs:
                Path(output).parent.mkdir(parents=True, exist_ok=True)
                Path(output).touch()
            Record(
                element=element.id, stage=element.stage.name, state=State.DONE, reason="",
                fingerprint=states.fingerprint(element, {}), plan=str(plan.path),
                configuration=configuration_hash(plan, element.stage, element), versions=plan.versions,
                inputs=input_marks(plan, element), outputs=tuple(mark_of(Path(path)) for path in element.outputs),
            ).save(element.record_path)  # fmt: skip

    def to_do(self, **options):
        plan = self.plan(**options)
        return sum(not ElementStates(plan).is_valid(element) for element in plan.elements)


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.setattr(season_plans, "analysis_versions", lambda _: dict(VERSIONS))
    found = Tree(tmp_path)
    for night in ("20240110", "20240112", "20240201"):
        found.publish(night)
    return found


def nights_of(plan):
    (element,) = plan.elements
    return [name.partition(".")[0] for name in element.parameters["publications"]]


def test_all_that_is_published_is_one_element(tree):
    plan = tree.plan()
    (element,) = plan.elements
    assert nights_of(plan) == ["20240110", "20240112", "20240201"]
    assert [Path(item.path).name for item in element.inputs if item.role == "dl3"] == ["run100.fits"] * 3
    assert all(".versions" in item.path for item in element.inputs)  # a link may turn while the job reads
    assert Path(element.outputs[0]) == tree.source / "Season" / "all" / "results.yaml"
    assert element.parameters["position"] == {"ra_deg": 166.1138, "dec_deg": 38.2088}
    assert Plan.load(plan.save()) == plan


def test_a_range_is_an_analysis_of_its_own(tree):
    plan = tree.plan(Night("2024-01-11"), Night("2024-01-31"))
    assert nights_of(plan) == ["20240112"]
    assert plan.root.endswith("Season/20240111-20240131")
    assert nights_of(tree.plan(last=Night("2024-01-12"))) == ["20240110", "20240112"]


def test_the_season_that_users_read_is_taken_where_there_is_one(tree):
    """A run that was withdrawn from it is not analysed, although its night's folder may still be there."""
    season = tree.published / ".versions" / "season.b"
    shutil.copytree(tree.published / "20240112", season)
    (tree.published / "season").symlink_to(".versions/season.b")
    (season / "published.json").write_text('{"left_out": {"20240201.a": "its index is old: publish it again"}}')
    (element,) = tree.plan().elements
    assert [(one.subject, one.reason) for one in tree.plan().notices] == [
        ("20240201.a", "its index is old: publish it again")
    ]
    assert element.parameters["publications"] == ["season.b"]
    for path in season.glob("*-index.fits.gz"):
        path.unlink()
    assert tree.plan().elements == ()  # all of it was withdrawn
    assert nights_of(tree.plan(first=Night("2024-01-01"))) == ["20240110", "20240112", "20240201"]


def test_nothing_new_is_nothing_to_do_and_one_changed_night_one_analysis(tree, monkeypatch):
    assert tree.to_do() == 1
    tree.finish(tree.plan())
    assert tree.to_do() == 0
    settings = load_settings(tree.root)
    assert plan_stale(plan_source_season, [(None, SOURCE)], settings=settings).plans == ()
    # The same events, judged differently: the verdict of a run decides whether it is used.
    tree.publish("20240112", "b", quality=(2,))
    assert tree.to_do() == 1
    (stale,) = plan_stale(plan_source_season, [(None, SOURCE)], settings=settings).plans
    assert stale.path.is_file()
    tree.finish(tree.plan())
    assert tree.to_do() == 0
    # A night outside of a range does not concern it.
    tree.finish(tree.plan(last=Night("2024-01-31")))
    tree.publish("20240202")
    assert (tree.to_do(), tree.to_do(last=Night("2024-01-31"))) == (1, 0)


@pytest.mark.parametrize("what", ["setting", "gammapy"])
def test_other_settings_or_another_gammapy_make_it_stale(tree, monkeypatch, what):
    tree.finish(tree.plan())
    if what == "setting":
        (tree.root / "config").mkdir()
        (tree.root / "config" / "analysis.yaml").write_text("off_regions_max: 3\n")
    else:
        monkeypatch.setattr(season_plans, "analysis_versions", lambda _: {**VERSIONS, "gammapy": "2.2"})
    assert tree.to_do() == 1


def test_its_jobs_run_in_the_analysis_environment(tree):
    settings = load_settings(tree.root)
    plan = tree.plan()
    (chain,) = chains_of(SEASON_STAGES)
    array = chain_array(plan, chain, settings=settings)
    assert array.command[0] == str(settings.site.analysis_python)
    assert array.command[1:3] == ("-m", "stereo_tasks.steps")
    assert array.indices == (0,)


def test_nothing_published_and_wrong_settings_are_said(tree):
    plan = plan_source_season("BLLac", settings=load_settings(tree.root))
    assert plan.elements == ()
    assert "nothing of BLLac is published" in plan.blockers[0].reason
    (tree.root / "config").mkdir()
    (tree.root / "config" / "analysis.yaml").write_text("energy_max_tev: 0.01\n")
    with pytest.raises(SettingsError, match=r"analysis.*energy_min_tev 0\.04 must be below energy_max_tev 0\.01"):
        load_settings(tree.root)


def test_a_source_that_the_configuration_does_not_know_is_looked_for_in_the_headers(tree):
    other = Tree(tree.root)
    other.source = tree.root / "products" / "mcp062" / "NoSuchSource"
    other.published = other.source / "DL3" / CUTS / "published"
    other.publish("20240110")
    (element,) = plan_source_season("NoSuchSource", settings=load_settings(tree.root)).elements
    assert element.parameters["position"] is None


def test_a_file_that_the_index_lists_and_that_is_gone_is_named(tree):
    (tree.published / "20240112" / "run100.fits").unlink()
    with pytest.raises(PublishedFolderError, match=r"20240112\.a cannot be read.*publish it again"):
        tree.plan()
    # What a withdrawal emptied has no index, and is no error.
    for path in (tree.published / "20240112").iterdir():
        path.unlink()
    assert [one.version for one in published_folders(tree.source, CUTS)] == ["20240110.a", "20240201.a"]


def test_the_analysis_does_not_change_what_the_catalog_knows_of_the_production(tree):
    from stereo_tasks.catalog.tree import plan_files, production_versions

    plan = tree.plan()
    assert production_versions(plan) is None
    assert production_versions(replace(plan, versions={"magic-cta-pipe": "0.6.2"})) == {"magic-cta-pipe": "0.6.2"}
    path = plan.save()
    assert plan_files(tree.root / "products") == [[path]]
