"""Readiness: what is missing is said in words; an old night goes on with what there is."""

from __future__ import annotations

import datetime as dt

import pytest

from stereo_tasks.inventory import own_magic_runs, readiness
from stereo_tasks.settings.policy import Policy

NOON = dt.datetime(2020, 12, 16, 12, 0, tzinfo=dt.UTC)  # three hours after the files were written
LATER = NOON + dt.timedelta(days=4)


def _changed(policy: Policy, **changes: object) -> Policy:
    return Policy(**{**policy.model_dump(), **changes})


def test_a_complete_observation_is_ready(tree, observed, policy):
    tree.fill()
    state = readiness(observed(), tree.scan(), policy, NOON)
    assert (state.ready, state.partial, state.missing, state.remarks) == (True, False, (), ())
    assert state.since == dt.datetime(2020, 12, 16, 9, 0, tzinfo=dt.UTC)
    assert state.present == ("LST-1 2 of 2 runs, 10 subruns", "M1 2 runs, 10 subruns", "M2 2 runs, 10 subruns")
    assert state.reason.startswith("complete: ")


def test_nothing_is_there(tree, observed, policy):
    state = readiness(observed(), tree.scan(), policy, NOON)
    assert not state.ready
    assert state.since is None
    assert state.missing == (
        "LST-1 has not closed the night (no NightFinished.txt)", "LST-1 run 3265: no file", "LST-1 run 3266: no file",
        "MAGIC run 5093711: no file", "MAGIC run 5093712: no file",
    )  # fmt: skip
    assert not readiness(observed(), tree.scan(), policy, LATER).ready


def test_it_waits_for_lst_to_close_the_night_if_told_so(tree, observed, policy):
    tree.fill()
    (tree.lst_root / "20201215" / "NightFinished.txt").unlink()
    assert not readiness(observed(), tree.scan(), policy, NOON).ready
    assert readiness(observed(), tree.scan(), _changed(policy, wait_for_night_finished=False), NOON).ready


def test_it_waits_until_files_have_settled(tree, observed, policy):
    tree.fill()
    tree.magic(2, 5093712, 5, written=NOON - dt.timedelta(minutes=29))
    state = readiness(observed(), tree.scan(), policy, NOON)
    assert not state.ready
    assert not state.settled
    assert "11:31 UTC" in state.missing[0]
    assert readiness(observed(), tree.scan(), policy, NOON + dt.timedelta(minutes=1)).ready


def test_files_of_other_sources_do_not_matter(tree, observed, policy):
    tree.fill()
    tree.magic(1, 5093800, 1, "Mrk421", written=NOON)
    tree.lst(3300, 0, written=NOON)
    assert readiness(observed(), tree.scan(), policy, NOON).ready


def test_a_wrong_clock_does_not_stop_a_night_for_ever(tree, observed, policy):
    tree.fill()
    tree.lst(3265, 4, written=NOON + dt.timedelta(days=400))
    state = readiness(observed(), tree.scan(), policy, NOON)
    assert state.ready
    assert "clocks" in state.remarks[0]


def test_few_missing_subruns_are_a_remark_many_are_not(tree, observed, policy):
    tree.fill()
    (tree.lst_folder / "dl1_LST-1.Run03265.0002.h5").unlink()
    state = readiness(observed(), tree.scan(), policy, NOON)
    assert state.ready
    assert state.remarks == ("LST-1 run 3265: 4 of 5 subruns (without 2)",)
    (tree.lst_folder / "dl1_LST-1.Run03265.0000.h5").unlink()
    state = readiness(observed(), tree.scan(), policy, NOON)
    assert not state.ready
    assert state.missing == ("LST-1 run 3265: 3 of 5 subruns (without 0, 2)",)


def test_a_telescope_far_behind_the_other_is_missing_its_end(tree, observed, policy):
    tree.fill()
    for subrun in range(6, 11):
        tree.magic(1, 5093711, subrun)
    state = readiness(observed(), tree.scan(), policy, NOON)
    assert state.missing == ("MAGIC run 5093711 M2: 5 of 10 subruns",)
    for subrun in range(6, 10):  # one subrun less is usual
        tree.magic(2, 5093711, subrun)
    assert readiness(observed(), tree.scan(), policy, NOON).ready


def test_one_telescope_alone_is_not_enough(tree, observed, policy):
    tree.fill()
    for path in tree.magic_folder(2).glob("*5093711*"):
        path.unlink()
    state = readiness(observed(), tree.scan(), policy, NOON)
    assert state.missing == ("MAGIC run 5093711 M2: no file",)


def test_a_number_in_the_middle_need_not_be_a_data_run(tree, observed, policy):
    tree.fill()
    tree.magic(1, 5093714, 1)
    tree.magic(2, 5093714, 1)
    state = readiness(observed(last=5093714), tree.scan(), policy, NOON)
    assert state.ready
    assert state.remarks == ("MAGIC run 5093713: no file (perhaps no data run)",)


def test_an_old_night_goes_on_with_what_there_is(tree, observed, policy):
    tree.fill()
    for path in tree.lst_folder.glob("*03266*"):
        path.unlink()
    files = tree.scan()
    end = dt.datetime(2020, 12, 16, 8, 0, tzinfo=dt.UTC)
    before, after = (end + dt.timedelta(hours=policy.partial_night_age_h, seconds=s) for s in (-1, 0))
    assert not readiness(observed(), files, policy, before).ready
    state = readiness(observed(), files, policy, after)
    assert (state.ready, state.partial) == (True, True)
    assert state.reason == "partial: LST-1 run 3266: no file"


@pytest.mark.parametrize("pattern", ["DL1/**/*.h5", "MAGIC/M1/**/*.root", "MAGIC/M2/**/*.root"])
def test_an_old_night_needs_all_three_telescopes(tree, tmp_path, observed, policy, pattern):
    tree.fill()
    for path in list(tmp_path.glob(pattern)):
        path.unlink()
    assert not readiness(observed(), tree.scan(), policy, LATER).ready


def test_an_old_night_that_is_being_filled_is_waited_for(tree, observed, policy):
    tree.fill()
    (tree.lst_folder / "dl1_LST-1.Run03265.0000.h5").unlink()
    (tree.lst_folder / "dl1_LST-1.Run03265.0001.h5").unlink()
    tree.lst(3266, 4, written=LATER - dt.timedelta(minutes=1))
    assert not readiness(observed(), tree.scan(), policy, LATER).ready


def test_runs_claimed_by_two_sources_go_by_the_names_of_their_files(tree, observed):
    galactic = observed("GalacticCent", 5096432, 5096436)
    other = observed("PG1553+113", 5096434, 5096435)
    for telescope in (1, 2):
        tree.magic(telescope, 5096433, 1, "GalacticCenter")  # the log cuts names after 12 characters
        tree.magic(telescope, 5096434, 1, "PG1553+113")
        tree.magic(telescope, 5096435, 1, "galacticcenter")
    files = tree.scan()
    runs, notes = own_magic_runs(galactic, files, [galactic, other])
    assert runs == (5096432, 5096433, 5096435, 5096436)
    assert notes == ("MAGIC run 5096434 is left to PG1553+113, whose name its files have",)
    assert own_magic_runs(other, files, [galactic, other]) == (
        (5096434,),
        ("MAGIC run 5096435 is left to GalacticCent, whose name its files have",),
    )


def test_without_files_a_source_observed_in_between_keeps_its_runs(tree, observed):
    outer, inner, next_one = observed("A", 10, 19), observed("B", 14, 15), observed("C", 19, 22)
    rows = [outer, inner, next_one]
    assert own_magic_runs(outer, tree.scan(), rows)[0] == (10, 11, 12, 13, 16, 17, 18, 19)
    assert own_magic_runs(inner, tree.scan(), rows)[0] == (14, 15)
    assert own_magic_runs(next_one, tree.scan(), rows)[0] == (19, 20, 21, 22)
