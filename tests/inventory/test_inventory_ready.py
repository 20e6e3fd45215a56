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


def test_files_of_zero_size_are_named_and_missing(tree, observed, policy):
    tree.fill()
    for subrun in (5, 6, 7):  # transfers that have only begun
        tree.lst(3265, subrun, content="")
        tree.magic(1, 5093711, subrun + 1, content="")
    tree.magic(2, 5093712, 2, "Crab", content="")  # there is a whole one of this
    state = readiness(observed(), tree.scan(), policy, NOON)
    assert state.missing == (
        "LST-1 run 3265: 5 of 8 subruns (empty 5, 6, 7)", "MAGIC run 5093711 M1: 5 of 8 subruns (empty 6, 7, 8)",
        "MAGIC run 5093711 M2: 5 of 8 subruns",
    )  # fmt: skip
    for path in [*tree.lst_folder.glob("*03266*"), *tree.magic_folder(1).glob("*5093712*")]:
        path.write_text("")
    missing = readiness(observed(), tree.scan(), policy, NOON).missing
    assert "LST-1 run 3266: no file (empty 0, 1, 2, 3, 4)" in missing
    assert "MAGIC run 5093712 M1: no file (empty 1, 2, 3, 4, 5)" in missing


def test_many_missing_subruns_are_counted(tree, observed, policy):
    tree.fill()
    tree.lst(3265, 40)
    (missing,) = readiness(observed(), tree.scan(), policy, NOON).missing
    assert missing == ("LST-1 run 3265: 6 of 41 subruns (without 5, 6, 7, 8, 9, 10, 11, 12, 13, 14 and 25 more)")


def test_another_version_of_the_lst_files_is_named(tree, observed, policy):
    tree.fill()
    tree.lst_folder.rename(tree.lst_folder.parent / "tailcut87")
    state = readiness(observed(), tree.scan(), policy, NOON)
    assert state.missing == ("no LST-1 DL1 of v0.10/tailcut84: the night has v0.10/tailcut87",)
    assert not state.usable


def test_a_copy_that_keeps_old_times_has_not_settled(tree, observed, policy):
    """The files are days old by their own times, and came just now."""
    tree.fill()
    now = dt.datetime.now(dt.UTC)
    state = readiness(observed(), tree.scan(), policy, now)
    assert not state.ready
    assert not state.settled
    assert abs(state.since - now) < dt.timedelta(minutes=1)
    assert readiness(observed(), tree.scan(), policy, now + dt.timedelta(minutes=31)).ready


def test_what_is_blocked_waits_however_complete_and_old_it_is(tree, observed, policy):
    tree.fill()
    state = readiness(observed(), tree.scan(), policy, LATER, blocked=["held by me"])
    assert (state.ready, state.partial, state.usable, state.blocked) == (False, False, True, ("held by me",))
    assert state.reason == "waits: held by me"
    for path in tree.lst_folder.glob("*03266*"):
        path.unlink()
    state = readiness(observed(), tree.scan(), policy, LATER, blocked=["held by me"])
    assert (state.ready, state.missing) == (False, ("held by me", "LST-1 run 3266: no file"))


def test_runs_of_another_source_are_not_waited_for(tree, observed, policy):
    tree.fill()
    outer, inner = observed("CrabNebula", 5093711, 5093714), observed("Mrk421", 5093713, 5093713, lst_runs=(3300,))
    for telescope in (1, 2):
        tree.magic(telescope, 5093714, 1)
    tree.magic(1, 5093713, 1, "Mrk421", written=NOON)
    state = readiness(outer, tree.scan(), policy, NOON, others=[inner])
    assert (state.ready, state.missing, state.remarks) == (True, (), ())
    assert "MAGIC run 5093713 M2: no file" in readiness(outer, tree.scan(), policy, NOON).missing
    (missing,) = [text for text in readiness(inner, tree.scan(), policy, NOON).missing if "M2" in text]
    assert missing == "MAGIC run 5093713 M2: no file"


def test_the_content_follows_the_row_and_its_own_files(tree, observed, policy, tmp_path):
    def content(**changes):
        return readiness(observed(**changes), tree.scan(), policy, NOON).content

    tree.fill()
    before = content()
    tree.magic(1, 5093713, 1)
    tree.lst(3300, 0)
    tree.put(tree.lst_folder / "odd.h5")
    (tree.lst_root / "20201215" / "NightFinished.txt").unlink()
    assert content(notes="a remark") == before
    assert len({before, content(observation_min=41.0), content(source="Mrk421"), content(lst_runs=(3265,))}) == 4
    tree.magic(2, 5093711, 5, content="abcd")
    assert content() != before
