"""The lock of a night: one holder, whatever happens at once."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.locks import NightLockedError, acquire_night, break_lock, held_locks, release_night
from stereo_tasks.nights import Night

pytestmark = pytest.mark.usefixtures("catalog")


def _gets_it(catalog: Catalog, night: Night, owner: str, **options: object) -> bool:
    try:
        acquire_night(catalog, night, "v1", owner, **options)
    except NightLockedError:
        return False
    return True


def test_a_held_night_says_who_and_since_when(catalog, night):
    acquire_night(catalog, night, "v1", "run-1")
    with pytest.raises(NightLockedError, match=r"2020-12-15 of v1 is being processed by run-1 since 20\d\d-") as caught:
        acquire_night(catalog, night, "v1", "run-2")
    assert caught.value.owner == "run-1"
    assert abs(dt.datetime.now(dt.UTC) - caught.value.since) < dt.timedelta(minutes=1)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_other_nights_and_productions_are_free(catalog, night):
    acquire_night(catalog, night, "v1", "run-1")
    acquire_night(catalog, night, "v2", "run-2")
    acquire_night(catalog, Night("2020-12-16"), "v1", "run-3")
    assert [one.owner for one in held_locks(catalog)] == ["run-1", "run-2", "run-3"]


def test_the_same_owner_asks_again(catalog, night):
    acquire_night(catalog, night, "v1", "run-1")
    (before,) = held_locks(catalog)
    acquire_night(catalog, night, "v1", "run-1")
    assert held_locks(catalog) == (before,)


def test_only_the_owner_releases(catalog, night):
    acquire_night(catalog, night, "v1", "run-1")
    assert not release_night(catalog, night, "v1", "run-2")
    assert release_night(catalog, night, "v1", "run-1")
    assert not release_night(catalog, night, "v1", "run-1")
    acquire_night(catalog, night, "v1", "run-2")


def test_the_lock_of_a_dead_run_is_taken_over(catalog, night):
    acquire_night(catalog, night, "v1", "dead")
    asked = []
    assert not _gets_it(catalog, night, "new", is_dead=lambda owner: asked.append(owner) or False)
    assert asked == ["dead"]
    assert _gets_it(catalog, night, "new", is_dead=lambda owner: owner == "dead")
    assert not release_night(catalog, night, "v1", "dead")
    assert [one.owner for one in held_locks(catalog)] == ["new"]


def test_a_lock_that_changed_hands_meanwhile_is_not_taken(catalog, night):
    acquire_night(catalog, night, "v1", "dead")

    def slow(owner: str) -> bool:
        if owner == "dead":  # while it is asked, another run takes the lock over
            break_lock(catalog, night, "v1")
            acquire_night(catalog, night, "v1", "quick")
        return owner == "dead"

    assert not _gets_it(catalog, night, "slow", is_dead=slow)
    assert [one.owner for one in held_locks(catalog)] == ["quick"]


def test_a_lock_can_be_broken(catalog, night):
    assert break_lock(catalog, night, "v1") is None
    acquire_night(catalog, night, "v1", "run-1")
    assert break_lock(catalog, night, "v1").owner == "run-1"
    assert held_locks(catalog) == ()


def test_an_owner_has_a_name(catalog, night):
    with pytest.raises(ValueError, match="owner"):
        acquire_night(catalog, night, "v1", "")


def test_of_many_threads_one_gets_it(catalog, night):
    together = Barrier(8)

    def race(number: int) -> bool:
        together.wait()
        return _gets_it(catalog, night, f"run-{number}")

    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            assert sum(pool.map(race, range(8))) == 1
            break_lock(catalog, night, "v1")


def test_of_many_threads_one_takes_over_from_the_dead(catalog, night):
    together = Barrier(8)

    def race(number: int) -> bool:
        together.wait()
        return _gets_it(catalog, night, f"run-{number}", is_dead=lambda owner: owner == "dead")

    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            acquire_night(catalog, night, "v1", "dead")
            assert sum(pool.map(race, range(8))) == 1
            break_lock(catalog, night, "v1")


def test_of_two_processes_one_gets_it(catalog, night):
    # Forked, as Airflow's executor does.
    processes = multiprocessing.get_context("fork")
    together = processes.Barrier(2)

    def race(owner: str) -> None:
        together.wait(20)
        os._exit(0 if _gets_it(catalog, night, owner) else 3)

    runs = [processes.Process(target=race, args=(owner,)) for owner in ("one", "two")]
    for run in runs:
        run.start()
    for run in runs:
        run.join(30)
    assert sorted(run.exitcode for run in runs) == [0, 3]


def test_working_and_releasing_in_turn_never_overlaps(catalog, night):
    working = []

    def work(number: int) -> int:
        done = 0
        for _ in range(12):
            if _gets_it(catalog, night, f"run-{number}"):
                working.append(number)
                assert working == [number]
                working.remove(number)
                release_night(catalog, night, "v1", f"run-{number}")
                done += 1
        return done

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) > 0
