"""Which DL1 of LST-1 is taken: the newest version of a list, and a cleaning that is the only one."""

from stereo_tasks.inventory import readiness, scan_night
from stereo_tasks.nights import Night

VERSIONS = ("v0.9", "v0.10", "v0.11")


def put(tree, version, run, tailcut="tailcut84", subruns=range(5)):
    for subrun in subruns:
        tree.put(tree.lst_root / "20201215" / version / tailcut / f"dl1_LST-1.Run{run:05}.{subrun:04}.h5")


def scan(tree, versions=VERSIONS, tailcut="tailcut84"):
    return scan_night(
        Night("2020-12-15"), magic_calibrated=tree.magic_root, lst_dl1=tree.lst_root, lst_version=versions,
        lst_tailcut=tailcut,
    )  # fmt: skip


def test_each_run_has_the_newest_version_that_is_there(tree):
    put(tree, "v0.9", 3265)
    put(tree, "v0.10", 3265)
    put(tree, "v0.9", 3266)
    put(tree, "v0.12", 3266)  # not in the list
    files = scan(tree)
    assert files.lst_versions == {"v0.10/tailcut84": (3265,), "v0.9/tailcut84": (3266,)}
    assert len(files.lst[3265]) == 5
    put(tree, "v0.11", 3265, subruns=range(1))
    assert scan(tree).lst_versions["v0.11/tailcut84"] == (3265,)
    assert len(scan(tree).lst[3265]) == 1  # whole runs of one version: nothing is mixed within


def test_versions_are_numbers_and_not_texts(tree):
    for version in VERSIONS[:2]:
        put(tree, version, 3265)
    assert set(scan(tree, ("0.10", "v0.9")).lst_versions) == {"v0.10/tailcut84"}
    assert scan(tree, ("0.10", "v0.9")).lst_wanted == "v0.10/tailcut84 or v0.9/tailcut84"


def test_without_a_cleaning_the_only_one_is_taken(tree):
    put(tree, "v0.10", 3265, "tailcut87")
    assert scan(tree, "v0.10", None).lst_versions == {"v0.10/tailcut87": (3265,)}


def test_two_cleanings_are_nobody_s_to_choose_but_a_person_s(tree, observed, policy):
    tree.fill()
    put(tree, "v0.10", 3265, "tailcut87")
    files = scan(tree, "v0.10", None)
    assert files.lst == {}
    assert not files.lst_others
    (missing,) = readiness(observed(), files, policy, Night("2020-12-16").noon).missing
    assert missing.startswith("LST-1 DL1: ")
    assert missing.endswith(
        "has tailcut84 and tailcut87: say in config/productions.yaml which of them is meant (lst_tailcut)"
    )
    assert set(scan(tree, "v0.10", "tailcut87").lst_versions) == {"v0.10/tailcut87"}
