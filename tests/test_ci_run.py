"""What a person meets who calls `.ci/run` by hand."""

import subprocess
from pathlib import Path

import pytest

RUN = Path(__file__).parents[1] / ".ci" / "run"


@pytest.mark.parametrize(("argument", "code"), [("--help", 0), ("-h", 0), ("tests/qa", 2), ("--no-such-option", 2)])
def test_arguments_run_nothing_and_say_what_there_is(argument, code):
    done = subprocess.run([RUN, argument], capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout) == (code, "")
    assert "usage" in done.stderr
    assert "make test" in done.stderr
