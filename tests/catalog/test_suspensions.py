"""Kernels that made something else than magic-cta-pipe are out of use until a person allows them again."""

from __future__ import annotations

from pathlib import Path

import pytest

from stereo_tasks.catalog.suspensions import allow, open_suspensions, suspend, suspended
from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.planning.elements import product
from stereo_tasks.planning.plan import Element, Plan
from stereo_tasks.products.record import Record
from stereo_tasks.stages import State
from stereo_tasks.stages.night import COMPARE, STEREO

DIFFERS = "stereo/01622.0000 is not what magic-cta-pipe makes of it: /events/parameters: column h_max, row 3"


@pytest.fixture
def plan(tmp_path):
    """A night of two elements, both made twice."""
    root = tmp_path / "v1" / "CrabNebula"
    made = [Element(f"stereo/01622.{n:04d}", STEREO, (), (str(root / f"{n}.h5"),)) for n in range(2)]
    compared = [
        Element(f"compare/{e.id}", COMPARE, (product(e.outputs[0]),), (str(root / f"{Path(e.id).name}.json"),))
        for e in made
    ]
    return Plan(
        production="v1", name="20201215/CrabNebula", source="CrabNebula", night="2020-12-15", root=str(root),
        choices=(), notices=(), blockers=(), runs=(), elements=(*made, *compared), config={}, settings={}, versions={},
    )  # fmt: skip


def compared(plan, number, state, reason=""):
    _, element = plan.of_stage(COMPARE)[number]
    Record(
        element=element.id, stage=COMPARE.name, state=state, reason=reason, plan="p",
        fingerprint=ElementStates(plan).fingerprint(element, {}),
    ).save(element.record_path)  # fmt: skip


def test_what_is_equal_stays_in_use(catalog, plan):
    compared(plan, 0, State.DONE)
    compared(plan, 1, State.SKIPPED, "not made by a kernel")
    assert suspend(catalog, plan) == ()
    assert suspended(catalog) == {}


def test_a_difference_takes_the_kernel_out_of_use_once(catalog, plan):
    compared(plan, 0, State.HELD, DIFFERS)
    compared(plan, 1, State.HELD, DIFFERS.replace("0000", "0001"))
    assert suspend(catalog, plan) == ("stereo",)
    assert suspended(catalog) == {"stereo": DIFFERS}
    assert suspend(catalog, plan) == ()


def test_who_has_looked_allows_it_and_the_same_difference_does_not_come_back(catalog, plan):
    compared(plan, 0, State.HELD, DIFFERS)
    suspend(catalog, plan)
    with pytest.raises(ValueError, match="say what you found"):
        allow(catalog, ["stereo"], by="me", reason=" ")
    with pytest.raises(ValueError, match="no stage"):
        allow(catalog, ["nothing"], by="me", reason="looked")
    assert allow(catalog, ["stereo", "dl2"], by="me", reason="another BLAS") == ("stereo",)
    assert suspended(catalog) == {}
    assert suspend(catalog, plan) == ()  # the night is looked at again
    compared(plan, 1, State.HELD, DIFFERS.replace("row 3", "row 4"))
    assert suspend(catalog, plan) == ("stereo",)
    (row,) = open_suspensions(catalog)
    assert "row 4" in row.reason
