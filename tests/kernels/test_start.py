"""What a kernel imports: the start of a process is most of the cost of a small file."""

import os
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


def test_a_job_that_calls_no_compiled_function_does_not_import_numba(tmp_path):
    code = (
        "import sys; from stereo_tasks.kernels import machine_code; machine_code.fill(0); print('numba' in sys.modules)"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    key = "from stereo_tasks.kernels import machine_code; print(machine_code._key())"
    name = subprocess.run([sys.executable, "-c", key], capture_output=True, text=True, check=True).stdout.strip()
    (tmp_path / f"{name}.filled").touch()
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
