"""Which nights go into a set, and which elements it has; no table is read for that."""

import json

import pytest

from stereo_tasks.nights import BadNightError, Night
from stereo_tasks.processing.dataset_plans import plan_source
from stereo_tasks.products.publication import MANIFEST
from stereo_tasks.products.published_nights import published_nights
from stereo_tasks.products.tree import NightTree
from stereo_tasks.settings import SettingsError, load_settings

SOURCE, CUTS = "CrabNebula", "g_dyn_0.9_th_glo_0.2"


class Tree:
    """Published nights as far as planning looks at them: names, sizes, times."""

    def __init__(self, root, source=SOURCE):
        self.root = root
        self.source = root / "products" / "mcp062" / source

    @property
    def settings(self):
        return load_settings(self.root)

    def publish(self, night, *runs):
        tree = NightTree(self.source, Night(night), CUTS)
        for run in runs:
            for path in (tree.dl2(run), tree.coincident(run, 0)):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("a table")
        folder = tree.published.parent / ".versions" / f"{tree.night.lst_date}.0"
        folder.mkdir(parents=True)
        (folder / MANIFEST).write_text(json.dumps({"runs": {f"dl3/{run:05d}": {} for run in runs}}))
        tree.published.symlink_to(folder)
        return tree

    def plan(self, *args, **kwargs):
        return plan_source(self.source.name, *args, settings=self.settings, **kwargs)


@pytest.fixture
def tree(tmp_path):
    found = Tree(tmp_path)
    for night, run in (("2024-01-10", 1622), ("2024-01-12", 1632), ("2024-02-01", 1700)):
        found.publish(night, run, run + 1)
    return found


def nights_of(plan):
    return {name.rpartition("/")[2] for name in (one.id for one in plan.elements) if "dataset_merged/" in name}


def test_the_nights_of_a_set_are_those_of_its_range(tree):
    assert nights_of(tree.plan()) == {"20240110", "20240112", "20240201"}
    january = tree.plan(Night("2024-01-01"), Night("2024-01-31"))
    assert nights_of(january) == {"20240110", "20240112"}
    assert january.name == "datasets/CrabNebula/20240101-20240131"
    assert january.root.endswith("CrabNebula/datasets/20240101-20240131")
    assert tree.plan(Night("2024-01-12")).name.endswith("/20240112-last")
    assert tree.plan(name="crab_winter").root.endswith("datasets/crab_winter")


def test_only_what_is_published_is_taken(tree):
    other = NightTree(tree.source, Night("2024-01-10"), CUTS)
    other.dl2(9999).write_text("of a run that did not reach DL3")
    other.coincident(9999, 0).write_text("of the same")
    (night,) = published_nights(tree.source, CUTS, last=Night("2024-01-10"))
    assert list(night.dl2) == [1622, 1623]
    assert list(night.coincident) == [(1622, 0), (1623, 0)]


def test_a_product_that_is_gone_is_told_and_the_rest_goes_on(tree):
    lost = NightTree(tree.source, Night("2024-01-12"), CUTS).dl2(1632)
    lost.unlink()
    plan = tree.plan()
    assert [(notice.subject, notice.reason) for notice in plan.notices] == [
        ("2024-01-12", f"no {lost}: process the night again")
    ]
    (element,) = [one for one in plan.elements if one.id == "dataset_merged/20240112"]
    assert element.parameters["runs"] == [1633]


def test_a_publication_that_cannot_be_read_is_told(tree):
    manifest = NightTree(tree.source, Night("2024-01-12"), CUTS).published / MANIFEST
    manifest.write_text("{")
    plan = tree.plan()
    assert nights_of(plan) == {"20240110", "20240201"}
    assert "publish the night again" in plan.notices[0].reason


def test_nothing_published_and_no_position_are_said(tree, tmp_path):
    plan = plan_source("Mrk421", settings=tree.settings)
    assert plan.elements == ()
    assert "nothing of Mrk421 is published" in plan.blockers[0].reason
    Tree(tmp_path, "NoSuchSource").publish("2024-01-10", 1622)
    plan = plan_source("NoSuchSource", settings=tree.settings)
    assert plan.elements == ()
    assert "config/sources.yaml" in plan.blockers[0].reason


@pytest.mark.parametrize("name", ["nights", "mc_nodes", "a/b", "", ".."])
def test_a_set_has_a_name_that_a_folder_can_have(tree, name):
    if name:
        with pytest.raises(SettingsError, match="cannot be the name of a set"):
            tree.plan(name=name)
    else:
        assert tree.plan(name=name).name.endswith("/all")


def test_one_more_night_changes_no_element_of_another(tree):
    before = {one.id: one for one in tree.plan().elements}
    tree.publish("2024-01-20", 1650)
    after = {one.id: one for one in tree.plan().elements}
    parts = [name for name in before if not name.startswith(("dataset_season", "dataset_sample", "dataset_perf"))]
    assert all(after[name] == before[name] for name in parts)
    assert {name.rpartition("/")[2] for name in after.keys() - before.keys()} == {"20240120"}


def test_a_plan_is_read_back_as_it_was_saved(tree):
    from stereo_tasks.planning.plan import Plan

    plan = tree.plan()
    path = plan.save()
    assert path.parent.parts[-3:] == ("all", "plans", "datasets")
    assert Plan.load(path) == plan


def test_ranges_are_read_from_the_command_line():
    from stereo_tasks.commands.dataset import parse_range

    assert parse_range(None) == (None, None)
    assert parse_range("2024-01-01..2024-03-31") == (Night("2024-01-01"), Night("2024-03-31"))
    assert parse_range("20240110") == (Night("2024-01-10"), Night("2024-01-10"))
    for text in ("2024-03-31..2024-01-01", "2024-01..2024-02", "..", "yesterday"):
        with pytest.raises(BadNightError):
            parse_range(text)
