"""Elements that depend on each other: the array is asked for again when those before have ended."""

from __future__ import annotations

from functools import partial

import pytest
from airflow_slurm.local import LocalBackend
from airflow_slurm.repair import RepairPolicy
from dag_runs import run_stage
from small_arrays import Outcome, Stage

pytestmark = pytest.mark.usefixtures("airflow_database")


class Round(Stage):
    """The elements of a stage that can be done now: each after those that `after` names."""

    rounds = True
    after: dict[int, tuple[int, ...]] = {}  # noqa: RUF012
    tried: tuple[int, ...] = ()

    @property
    def _left(self) -> set[int]:
        return {*super().indices} - {*self.tried}

    @property
    def indices(self):
        return tuple(index for index in sorted(self._left) if not self._left.intersection(self.after.get(index, ())))

    @property
    def following(self):
        return tuple(sorted(self._left - {*self.indices}))


@pytest.fixture
def run(request, tmp_path):
    """Run elements with their order; return state, result and how many rounds there were."""

    def run(plan, after, **kwargs):
        asked = []

        def array(title, tried=()):
            stage = Round(tmp_path / "a", plan)
            stage.after, stage.tried = after, tuple(tried)
            if stage.indices:
                asked.append(stage.indices)
            return stage

        stage = Stage(tmp_path / "a", plan)

        def outcomes(title):
            known = stage.outcomes()
            return {index: known.get(index, Outcome(None)) for index in plan}

        backend = partial(LocalBackend, tmp_path / "state", 2, grace_s=0.3)
        once = RepairPolicy(repairs=1)
        state, result = run_stage(
            request.node.name, stage, backend, array=array, outcomes=outcomes, repair=once, **kwargs
        )
        return state, result, asked, stage

    return run


def test_what_comes_after_others_is_submitted_when_they_have_ended(run):
    state, result, asked, _ = run({0: {}, 1: {}, 2: {}, 3: {}}, {2: (0, 1), 3: (2,)})
    assert state == "success"
    assert asked == [(0, 1), (2,), (3,)]
    assert result["counts"] == {"done": 4}


def test_nobody_waits_for_an_element_that_was_given_up(run):
    state, result, asked, stage = run({0: {}, 1: {"failed": 9, "reason": "torn"}, 2: {}}, {2: (0, 1)})
    assert asked == [(0, 1), (2,)]
    assert stage.tries(1) == [1, 2]
    assert (state, result["counts"]) == ("success", {"done": 2, "failed": 1})
    assert result["failures"] == [{"element": "element 1", "reason": "torn"}]


def test_an_element_that_needs_two_tries_keeps_the_next_round_waiting(run):
    state, _, asked, stage = run({0: {"failed": 1}, 1: {}}, {1: (0,)})
    assert state == "success"
    assert (asked, stage.tries(0)) == ([(0,), (1,)], [1, 2])


def test_going_on_in_another_process_keeps_the_rounds(run, tmp_path):
    """As after a deferral: dag.test runs the trigger, and the task goes on from its file."""
    state, result, asked, _ = run({0: {"sleep": 1}, 1: {"sleep": 1}}, {1: (0,)}, defer_after_s=0.0)
    assert (state, result["counts"], asked) == ("success", {"done": 2}, [(0,), (1,)])
