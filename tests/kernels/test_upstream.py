"""The examples of docs/upstream.md: each shows a defect of another package, as long as it is there."""

import logging
import re
from pathlib import Path

import pytest

pytest.importorskip("magicctapipe", reason="the examples are of magic-cta-pipe and what it needs")

TEXT = (Path(__file__).parents[2] / "docs" / "upstream.md").read_text()
ENTRIES = {
    entry.partition("\n")[0]: re.findall(r"^```python\n(.*?)^```", entry, re.DOTALL | re.MULTILINE)
    for entry in re.split(r"^### ", TEXT, flags=re.MULTILINE)[1:]
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("title", ENTRIES)
def test_the_example_shows_the_defect(title, tmp_path, monkeypatch):
    (example,) = ENTRIES[title]
    monkeypatch.chdir(tmp_path)
    logging.disable(logging.CRITICAL)
    try:
        exec(compile(example, f"docs/upstream.md: {title}", "exec"), {})
    finally:
        logging.disable(logging.NOTSET)


def test_the_versions_are_those_that_are_installed():
    from importlib.metadata import version

    headings = re.findall(r"^## ([\w-]+) ([\d.]+)$", TEXT, re.MULTILINE)
    assert len(headings) >= 4
    assert {name: version(name) for name, _ in headings} == dict(headings)


def test_every_place_in_our_code_that_is_named_exists():
    named = set(re.findall(r"`((?:kernels|steps|stages|planning|qa|gadf|analysis)/\w+\.py)`", TEXT))
    assert named
    assert not [name for name in named if not (Path(__file__).parents[2] / "stereo_tasks" / name).exists()]
