import json

import pytest

from stereo_tasks.products.record import FileMark, Record, read_record
from stereo_tasks.stages import State


@pytest.fixture
def record():
    return Record(
        element="dl2/01622",
        stage="dl2",
        state=State.DONE,
        reason="",
        fingerprint="f" * 64,
        plan="/plan.json",
        inputs=(FileMark("/in", 1, 2),),
        outputs=(FileMark("/out", 3, 4, "c" * 64),),
        lost=("a subrun",),
        counts={"events_out": 5},
    )


def test_a_record_comes_back_as_it_was_written(tmp_path, record):
    path = tmp_path / "x.record.json"
    record.save(path)
    assert read_record(path) == record


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"format": 99}', '{"format": 1}', "\x00"])
def test_a_damaged_record_proves_nothing(tmp_path, damage):
    path = tmp_path / "x.record.json"
    path.write_text(damage)
    assert read_record(path) is None


def test_a_record_of_another_format_is_not_read(tmp_path, record):
    path = tmp_path / "x.record.json"
    record.save(path)
    raw = json.loads(path.read_text()) | {"format": 2}
    path.write_text(json.dumps(raw))
    assert read_record(path) is None


def test_no_record(tmp_path):
    assert read_record(tmp_path / "none.record.json") is None
