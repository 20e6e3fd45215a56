"""What a kernel imports: the start of a process is most of the cost of a small file."""

import subprocess
import sys

import pytest

HEAVY = {"ctapipe", "magicctapipe", "lstchain", "gammapy", "pyirf", "pandas", "sklearn", "joblib", "matplotlib"}


@pytest.mark.parametrize(
    ("module", "others"), [("dl2", {"astropy"}), ("forests", {"astropy"}), ("dl3", set()), ("index", set())]
)
def test_nothing_heavy_is_imported(module, others):
    code = f"import sys, stereo_tasks.kernels.{module}; print(*sys.modules)"
    names = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {name.partition(".")[0] for name in names} & (HEAVY | others)
