"""The provider as a distribution of its own: its wheel, alone beside Airflow, runs its example on a real cluster."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import airflow
import airflow_slurm
import jsonschema
import pytest
from airflow.providers_manager import ProvidersManager
from airflow_slurm.private_cluster import PrivateCluster
from dag_runs import connection

FOLDER = Path(airflow_slurm.__file__).parent
CONSTRAINTS = Path(__file__).parents[2] / "requirements" / "control.txt"
AIRFLOW = Path(airflow.__file__).parent
UV = Path(sys.executable).with_name("uv")


def schema(name: str) -> dict:
    """One of Airflow's own schemas."""
    return json.loads((AIRFLOW / name).read_text())


def test_the_provider_says_what_airflow_wants_to_know():
    info = airflow_slurm.get_provider_info()
    jsonschema.validate(info, schema("provider_info.schema.json"))
    strict = schema("provider.yaml.schema.json")
    for key, value in info.items():  # each part as Airflow's own providers describe it
        jsonschema.validate(value, {**strict["properties"][key], "definitions": strict.get("definitions", {})})
    for part in ("operators", "hooks", "triggers"):
        for module in info[part][0]["python-modules"]:
            importlib.import_module(module)
    for path in [info["connection-types"][0]["hook-class-name"], *info["extra-links"]]:
        module, _, name = path.rpartition(".")
        assert hasattr(importlib.import_module(module), name)


def test_the_provider_is_that_of_its_distribution():
    distribution = importlib.metadata.distribution("airflow-slurm-arrays")
    assert distribution.version == airflow_slurm.get_provider_info()["versions"][0]
    provider = ProvidersManager().providers["airflow-slurm-arrays"]
    assert provider.version == distribution.version


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    """The Python of an environment with Airflow and the provider's wheel, and nothing else of this repository."""
    folder = tmp_path_factory.mktemp("alone")
    source = shutil.copytree(
        FOLDER, folder / "source", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
    )
    run(UV, "build", "--quiet", "--wheel", "--python", sys.executable, "--out-dir", folder, source)
    (wheel,) = folder.glob("airflow_slurm_arrays-*.whl")
    run(UV, "venv", "--quiet", "--python", sys.executable, folder / "venv")
    python = folder / "venv" / "bin" / "python"
    run(UV, "pip", "install", "--quiet", "--python", python, "--constraints", CONSTRAINTS, wheel)
    return python


def run(*command: str | Path, environment: dict[str, str] | None = None) -> str:
    """Run a command to its end; return what it says."""
    done = subprocess.run(
        [str(part) for part in command], env=environment, cwd="/", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.slow
def test_the_wheel_alone_runs_its_example(alone, cluster: PrivateCluster, tmp_path):
    installed = Path(run(alone, "-c", "import airflow_slurm; print(airflow_slurm.__path__[0])").strip())
    assert installed.is_relative_to(alone.parents[1])
    home = tmp_path / "airflow"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHON"))}
    environment |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(installed / "example_dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW_CONN_SLURM_DEFAULT": connection(cluster, tmp_path / "view"),
        "SLURM_ARRAYS_FOLDER": str(tmp_path / "squares"),
    }
    home.mkdir()
    airflow = (alone, "-m", "airflow")
    listed = json.loads(run(*airflow, "providers", "list", "--output", "json", environment=environment))
    assert "airflow-slurm-arrays" in {provider["package_name"] for provider in listed}
    shown = run(
        *airflow, "providers", "get", "airflow-slurm-arrays", "--full", "--output", "json", environment=environment
    )
    assert "airflow_slurm.hook.SlurmHook" in shown
    hooks = run(*airflow, "providers", "hooks", "--output", "json", environment=environment)
    assert "slurm" in {hook["connection_type"] for hook in json.loads(hooks)}

    run(*airflow, "db", "migrate", environment=environment)
    run(*airflow, "dags", "reserialize", environment=environment)
    said = run(*airflow, "dags", "test", "example_slurm_arrays", environment=environment)
    assert "8 done" in said
    results = [(tmp_path / "squares" / f"squares_{first}.log").read_text().split() for first in (0, 4)]
    assert [int(word) for words in results for word in words if word.isdigit()][-4:] == [16, 25, 36, 49]
    assert len(list((tmp_path / "squares").glob("*.done"))) == 8
