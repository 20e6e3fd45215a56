"""The wobble offset is known from the names of MAGIC's files, and judged by the limits of the QA page."""

import pytest


def _plan(tree, wobbles):
    for number, wobble in enumerate(wobbles):
        for telescope in (1, 2):
            folder = tree.settings.site.paths.magic_calibrated / f"M{telescope}/event/Calibrated/2024/01/11"
            tree.touch(folder / f"20240111_M{telescope}_0509371{number}.001_Y_CrabNebula{wobble}.root")
    tree.lst(1622, range(1))
    return tree.plan(magic=(5093710, 5093710 + len(wobbles) - 1))


def test_runs_are_told_by_offset(tree):
    plan = _plan(tree, ["-W0.40+035", "-W0.35+125", "-W0.40+215"])
    offsets = [(one.value, one.reason) for one in plan.choices if one.name == "wobble offset"]
    assert [value for value, _ in offsets] == ["0.35 deg", "0.40 deg"]
    assert "5093710, 5093712" in offsets[1][1]
    assert not [notice for notice in plan.notices if "wobble" in notice.reason]


@pytest.mark.parametrize(
    ("wobble", "text"),
    [
        ("-W0.50+035", "wobble offset 0.50 deg, which is a warning"),
        ("-W0.70+035", "wobble offset 0.70 deg, which makes it bad"),
        ("", "no wobble offset in their names"),
    ],
)
def test_what_qa_will_say_is_known_before(tree, wobble, text):
    plan = _plan(tree, [wobble])
    assert [notice.subject for notice in plan.notices if text in notice.reason] == ["MAGIC run 5093710"]
    assert plan.of_stage("calibrate")
