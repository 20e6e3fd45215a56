import fcntl
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from stereo_tasks.airflow_api.client import site_api
from stereo_tasks.local_site import control
from stereo_tasks.local_site.airflow_config import airflow_home, environment
from stereo_tasks.local_site.errors import SiteError
from stereo_tasks.local_site.processes import Condition, Service, marked, site_id
from stereo_tasks.local_site.progress import failures, watch
from stereo_tasks.settings import load_settings

DAG = """
from airflow.sdk import DAG, Asset, PartitionedAssetTimetable, task, task_group

with DAG("process_night", schedule=PartitionedAssetTimetable(assets=Asset("raw_night"))):

    @task
    def plan():
        from airflow.sdk import Connection

        assert Connection.get("slurm_default").extra_dejson["slurm_conf"]
        return ["CrabNebula", "Mrk421"]

    @task_group
    def source(name):
        @task(map_index_template="{{ task.op_kwargs['name'] }}")
        def calibrate(name, *, partition_key=None):
            if partition_key == "20240111":
                raise RuntimeError("the camera was closed")
            return partition_key

        calibrate(name=name)

    source.expand(name=plan())
"""


@pytest.fixture
def dags(tmp_path, monkeypatch):
    folder = tmp_path / "dags"
    folder.mkdir()
    (folder / "trivial.py").write_text(DAG)
    monkeypatch.setenv("STEREO_DAGS", str(folder))
    return folder


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_site_from_up_to_down(settings, dags, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "NoSuchExecutor")  # of another installation: must not matter
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    said = []
    address = control.up(settings, paused=True, echo=said.append)
    try:
        assert control.status(settings).running
        assert control.status(settings).services["slurmctld"] == Condition.RUNNING
        monkeypatch.setenv("STEREO_CLUSTER", "local")  # too late: it runs already
        assert control.up(load_settings(settings.site.root), echo=said.append) == address
        with site_api(settings) as api:
            api.wait_for_dag("process_night")
            api.unpause("process_night")
            assert api.task_order("process_night") == ["plan", "source.calibrate"]
            run = api.trigger("process_night", partition_key="20240110")
            assert watch_run(api, run, said) == "success"
            api.request_partition("raw_night", "20240111")
            (late,) = wait_for_runs(api, "20240111")
            assert watch_run(api, late, said) == "failed"
            assert "the camera was closed" in failures(api, "process_night", late)[0]
        assert any("CrabNebula calibrate success" in line for line in said)
        assert_no_secret_is_readable(settings)
        # Some of it is killed, as the kernel does when memory runs out: the rest and the strays still end.
        for name in ("scheduler", "postgres"):
            os.kill(Service(name, settings.site.paths.state).process.pid, signal.SIGKILL)
        conf = str(settings.site.paths.state.resolve() / "slurm" / "slurm.conf")
        job = ["sbatch", "--output=/dev/null", "--wrap", "trap '' TERM; setsid sleep 600 & sleep 600; sleep 600"]
        subprocess.run(job, env={**os.environ, "SLURM_CONF": conf}, check=True)
    finally:
        control.down(settings)
    assert control.status(settings).stopped
    assert set(control.status(settings).services.values()) == {Condition.STOPPED}
    assert not marked(conf, "SLURM_CONF")
    assert control.down(settings) == 0


def watch_run(api, run, said):
    from rich.console import Console

    return watch(
        api, "process_night", run, console=Console(force_terminal=False), say=said.append, counts=dict, limit_s=90
    )


def wait_for_runs(api, key):
    for _ in range(200):
        if found := api.runs("process_night", partition_key=key):
            return found
        time.sleep(0.1)
    raise AssertionError(f"no run of {key}")


def assert_no_secret_is_readable(settings):
    state = settings.site.paths.state
    secrets = [*control.logins(settings).values(), (state / "pgpass").read_text().strip().rpartition(":")[2]]
    variables = "\0".join(environment(settings).values())
    logs = [path for folder in (state / "logs", airflow_home(settings) / "logs") for path in folder.rglob("*.log")]
    assert len(logs) > 6
    for text in [variables, *(path.read_text(errors="replace") for path in logs)]:
        assert not any(secret in text for secret in secrets)
    for folder in (state, state / "logs", state / "pids", state / "airflow", state / "pg"):
        assert folder.stat().st_mode & 0o777 == 0o700, folder
    for name in ("airflow_access.json", "airflow/airflow.cfg", "airflow/passwords.json", "keys.json", "pgpass"):
        assert (state / name).stat().st_mode & 0o777 == 0o600


UP = """
from stereo_tasks.settings import load_settings
from stereo_tasks.local_site.control import up

up(load_settings(), echo=lambda line: print(line, flush=True))
print("up", flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "number"),
    [("database started", signal.SIGINT), ("SLURM cluster started", signal.SIGINT), ("schemas", signal.SIGTERM)],
)
def test_an_interrupted_start_leaves_nothing_behind(settings, dags, moment, number):
    variables = {**os.environ, "STEREO_SITE": str(settings.site.root)}
    with subprocess.Popen([sys.executable, "-c", UP], env=variables, stdout=subprocess.PIPE, text=True) as child:
        for line in child.stdout:
            if moment in line:
                child.send_signal(number)
                break
        rest = child.stdout.read()
    assert child.returncode != 0
    assert "up\n" not in rest
    assert control.status(settings).stopped
    assert not marked(site_id(settings.site.root))


def test_a_port_that_is_taken_is_named(settings):
    with socket.socket() as other:
        other.bind(("127.0.0.1", settings.site.airflow.port))
        other.listen()
        with pytest.raises(SiteError, match=rf"port {settings.site.airflow.port} .* airflow\.port"):
            control.up(settings, echo=lambda line: None)
    assert control.status(settings).stopped


def test_two_commands_do_not_start_a_site_at_once(settings):
    lock = settings.site.paths.state / "site.lock"
    lock.parent.mkdir()
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(SiteError, match="another command"):
            control.up(settings, echo=lambda line: None)


@pytest.mark.slow
def test_a_component_that_ends_is_named_with_its_log(settings, dags, tmp_path, monkeypatch):
    from stereo_tasks.local_site import airflow_site

    broken = {**airflow_site.COMPONENTS, "triggerer": ("triggerer", "--no-such-option")}
    monkeypatch.setattr(airflow_site, "COMPONENTS", broken)
    with pytest.raises(SiteError, match=r"triggerer ended by itself[\s\S]*--no-such-option"):
        control.up(settings, echo=lambda line: None)
    assert control.status(settings).stopped
