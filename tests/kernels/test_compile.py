"""Machine code on disk is of the sources as they are."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba", reason="the kernels run in the science environment")

CODE = "import outer; print(outer.twice(20))"


def test_a_change_of_another_module_counts(tmp_path):
    (tmp_path / "inner.py").write_text("from compile import jit\n@jit\ndef one(x):\n    return x + 1\n")
    outer = "from compile import jit\nfrom inner import one\n@jit\ndef twice(x):\n    return 2 * one(x)\n"
    (tmp_path / "outer.py").write_text(outer)
    shutil.copy(Path(__file__).parents[2] / "stereo_tasks" / "kernels" / "compile.py", tmp_path)
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}

    def run():
        done = subprocess.run(
            [sys.executable, "-c", CODE], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    assert [run(), run()] == ["42", "42"]
    assert list((tmp_path / "cache").rglob("outer*.nbi"))
    (tmp_path / "inner.py").write_text("from compile import jit\n@jit\ndef one(x):\n    return x + 100\n")
    assert run() == "240"
