"""A whole Airflow on PostgreSQL and a private cluster, for drills: its parts can be killed and started one by one."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from airflow_slurm.private_cluster import PrivateCluster

from stereo_tasks.airflow_api.client import AirflowApi
from stereo_tasks.local_site import airflow_site as site_parts
from stereo_tasks.local_site.database import EmbeddedPostgres
from stereo_tasks.local_site.files import free_port, last_lines
from stereo_tasks.local_site.processes import MARKER, end_strays, site_id

COMPONENTS = site_parts.COMPONENTS
_COMMANDS = ("sbatch", "squeue", "sacct", "scancel", "scontrol")
_USER = "admin"


class AirflowSite:
    """The four components of Airflow, with the DAGs of the drills.

    Parameters
    ----------
    folder : pathlib.Path
        Where everything of it lies.
    dags : pathlib.Path
        Folder of the DAGs.
    cluster : PrivateCluster
        The cluster behind the connection ``slurm_default``; its commands are logged, one line a call.
    parallelism : int
        Tasks at a time.
    poll_interval_s : float
        How often the cluster is asked.
    """

    def __init__(
        self,
        folder: Path,
        dags: Path,
        cluster: PrivateCluster,
        *,
        parallelism: int = 8,
        poll_interval_s: float = 2.0,
        options: dict[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.dags = dags
        self.cluster = cluster
        self.port = free_port()
        self.calls_file = folder / "slurm_calls.log"
        self._database = EmbeddedPostgres(folder / "state", folder)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._parallelism = parallelism
        self._options = options or {}
        self._password = secrets.token_hex(8)
        self.connection = {
            "slurm_conf": str(cluster.conf),
            "bin_folder": str(folder / "bin"),
            "state_folder": str(folder / "view"),
            "poll_interval_s": poll_interval_s,
            "installation": "drill",
            "job_url": "https://monitor.example/{job_id}",
        }
        self.api: AirflowApi

    def __enter__(self) -> AirflowSite:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything and wait until it is healthy."""
        home = self.folder / "airflow"
        home.mkdir(parents=True)
        (home / "passwords.json").write_text(json.dumps({_USER: self._password}))
        self._wrap_commands()
        self._database.start()
        self._environment = self._make_environment(home)
        subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"], env=self._environment, check=True, capture_output=True
        )
        for name in COMPONENTS:
            self.start_component(name)
        self.wait(lambda: self._healthy() == {"healthy"}, 240, "Airflow to be healthy")
        self.api = AirflowApi(f"http://127.0.0.1:{self.port}", _USER, self._password)

    def stop(self) -> None:
        """End everything."""
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)
        time.sleep(2)
        for process in self._processes.values():
            process.kill()
            process.wait()
        end_strays(site_id(self.folder), keep=self._database.service.process)
        self._database.stop()

    def start_component(self, name: str) -> None:
        """Start one of Airflow's components."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", "airflow", *COMPONENTS[name]],
                env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip

    def kill(self, name: str) -> None:
        """Kill the main process of a component with SIGKILL."""
        self._processes[name].kill()
        self._processes[name].wait()

    def pid(self, name: str) -> int:
        """The main process of a component."""
        return self._processes[name].pid

    def send(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Call Airflow's REST interface as a person's browser does."""
        return self.api._call(method, f"/api/v2{path}", json=body)

    def clear(self, dag: str, run: str, task: str) -> None:
        """Clear a task."""
        body = {"dry_run": False, "dag_run_id": run, "task_ids": [task], "only_failed": False, "reset_dag_runs": True}
        self.send("POST", f"/dags/{dag}/clearTaskInstances", body)

    def mark(self, dag: str, run: str, task: str, state: str) -> None:
        """Mark a task."""
        self.send("PATCH", f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}", {"new_state": state})

    def task_state(self, dag: str, run: str, task: str) -> str:
        """The state of a task."""
        return next((one.state for one in self.api.task_states(dag, run) if one.task == task), "")

    def wait(self, condition: Callable[[], object], seconds: float, what: str) -> float:
        """Wait until something is true; return how long that took, in seconds."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > seconds:
                ends = "\n".join(f"{name}:\n{last_lines(self.folder / f'{name}.log', 8)}" for name in COMPONENTS)
                raise TimeoutError(f"waited {seconds} s for {what}\n{ends}")
            time.sleep(0.2)
        return time.monotonic() - began

    def calls(self, since: float = 0.0, until: float = float("inf")) -> Counter[str]:
        """How often each of SLURM's commands was called by Airflow, between two Unix times."""
        return Counter(command for moment, command, _ in self._called() if since <= moment < until)

    def submitted(self, part: str) -> list[str]:
        """The names of submissions to the cluster that contain a text, one a submission."""
        marker = "--job-name="
        names = (
            next(word for word in arguments.split() if word.startswith(marker)).removeprefix(marker)
            for _, command, arguments in self._called()
            if command == "sbatch"
        )
        return [name for name in names if part in name]

    def queue(self) -> list[str]:
        """The names of the jobs in the queue, one a job."""
        return self.cluster.run(
            "squeue", "--noheader", "--array", "--states=PENDING,RUNNING,COMPLETING", "--format=%j"
        ).split()

    def memory_mb(self, name: str) -> float:
        """The proportional memory of a component with its children, in MB."""
        total = 0.0
        for pid in _family(self.pid(name)):
            try:
                for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        total += int(line.split()[1]) / 1000
            except OSError:
                continue
        return total

    def _called(self) -> Iterable[tuple[float, str, str]]:
        if not self.calls_file.exists():
            return
        for line in self.calls_file.read_text().splitlines():
            moment, command, *arguments = line.split(" ", 2)
            yield float(moment), command, arguments[0] if arguments else ""

    def _wrap_commands(self) -> None:
        """Put programs of the same names before SLURM's commands, which write a line and go on as these."""
        wrappers = self.folder / "bin"
        wrappers.mkdir()
        for name in _COMMANDS:
            real = shutil.which(name, path=self.cluster.environment["PATH"])
            text = f'#!/bin/sh\necho "$(date +%s.%N) {name} $*" >>{self.calls_file}\nexec {real} "$@"\n'
            (wrappers / name).write_text(text)
            (wrappers / name).chmod(0o755)

    def _healthy(self) -> set[str]:
        content = site_parts.health(self.port)
        names = ("metadatabase", "scheduler", "dag_processor", "triggerer")
        return {str((content.get(name) or {}).get("status")) for name in names} if content else set()

    def _make_environment(self, home: Path) -> dict[str, str]:
        url = f"http://127.0.0.1:{self.port}"
        options = {
            "core__executor": "LocalExecutor",
            "core__parallelism": str(self._parallelism),
            "core__max_active_tasks_per_dag": "500",
            "core__max_active_runs_per_dag": "200",
            "core__dags_folder": str(self.dags),
            "core__plugins_folder": str(home / "plugins"),
            "core__load_examples": "False",
            "core__dags_are_paused_at_creation": "False",
            "core__simple_auth_manager_users": f"{_USER}:admin",
            "core__simple_auth_manager_passwords_file": str(home / "passwords.json"),
            "core__execution_api_server_url": f"{url}/execution/",
            "core__fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "database__sql_alchemy_conn": self._database.url("airflow"),
            "api__host": "127.0.0.1",
            "api__port": str(self.port),
            "api__base_url": url,
            "api__workers": "1",
            "api__secret_key": secrets.token_hex(32),
            "api_auth__jwt_secret": secrets.token_hex(64),
            "logging__base_log_folder": str(home / "logs"),
            "logging__colored_console_log": "False",
            "scheduler__scheduler_idle_sleep_time": "0.5",
            "scheduler__scheduler_heartbeat_sec": "2",
            # Whoever dies is missed soon.
            "scheduler__scheduler_health_check_threshold": "15",
            "scheduler__orphaned_tasks_check_interval": "15",
            "scheduler__task_instance_heartbeat_timeout": "45",
            "scheduler__task_instance_heartbeat_timeout_detection_interval": "5",
            "triggerer__job_heartbeat_sec": "2",
            "triggerer__triggerer_health_check_threshold": "15",
            "workers__execution_api_timeout": "60",
            "dag_processor__refresh_interval": "30",
            **self._options,
        }
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW_", "_AIRFLOW_"))}
        return kept | {
            **{f"AIRFLOW__{key.upper()}": value for key, value in options.items()},
            "AIRFLOW_HOME": str(home),
            "AIRFLOW_CONN_SLURM_DEFAULT": json.dumps({"conn_type": "slurm", "extra": json.dumps(self.connection)}),
            MARKER: site_id(self.folder),
            "SPT_NOENV": "1",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "PYTHONUNBUFFERED": "1",
        }


def _family(pid: int) -> list[int]:
    found = [pid]
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in path.read_text().split():
                found += _family(int(child))
        except OSError:
            continue
    return found
