"""A small client of Airflow's REST interface: what the demo and the command line need of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stereo_tasks.airflow_api.errors import AirflowApiError
from stereo_tasks.settings.site import AIRFLOW_ACCESS_FILE

if TYPE_CHECKING:
    import httpx

    from stereo_tasks.nights import Night
    from stereo_tasks.settings import Settings

_PAGE = 100
_ENDED = ("success", "failed")


@dataclass(frozen=True, slots=True)
class TaskState:
    """One task instance of a run."""

    task: str
    """Task id, with the ids of its groups before it."""
    map_index: int
    """Index in a mapped group; -1 outside of one."""
    label: str
    """What a person calls the map index; empty if the DAG does not say."""
    state: str
    """Airflow's state; empty if the task has none yet."""
    attempt: int


class AirflowApi:
    """A session with the api-server of a site.

    Parameters
    ----------
    address : str
        Such as ``http://127.0.0.1:8080``.
    user, password : str
        Login of a user who may trigger DAGs.

    Raises
    ------
    AirflowApiError
        In all methods, if Airflow does not answer or refuses; the text has its words.
    """

    def __init__(self, address: str, user: str, password: str) -> None:
        import httpx

        # No proxy, whatever the environment says: it is this machine.
        self._client = httpx.Client(base_url=address, trust_env=False, timeout=30)
        token = self._call("POST", "/auth/token", json={"username": user, "password": password})["access_token"]
        self._client.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        """Return what Airflow says at a path, such as ``/api/v2/dags``."""
        return self._call("GET", path, params=params)

    def close(self) -> None:
        """End the session."""
        self._client.close()

    def wait_for_dag(self, dag: str, *, timeout_s: float = 60) -> None:
        """Wait until the dag-processor has read a DAG."""
        deadline = time.monotonic() + timeout_s
        while self._send("GET", f"/api/v2/dags/{dag}").status_code == 404:
            if time.monotonic() > deadline:
                raise AirflowApiError(f"Airflow knows no DAG {dag} after {timeout_s:.0f} s{self._import_errors()}")
            time.sleep(0.5)

    def unpause(self, dag: str) -> None:
        """Let a DAG run."""
        self._call("PATCH", f"/api/v2/dags/{dag}", json={"is_paused": False})

    def trigger(self, dag: str, *, partition_key: str | None = None, conf: dict[str, Any] | None = None) -> str:
        """Start a run, of one partition if a key is given, and return its id."""
        body: dict[str, Any] = {"logical_date": None, "conf": conf or {}}
        if partition_key:
            body["partition_key"] = partition_key
        return str(self._call("POST", f"/api/v2/dags/{dag}/dagRuns", json=body)["dag_run_id"])

    def request_partition(self, asset: str, key: str, *, extra: dict[str, Any] | None = None) -> None:
        """Report an asset's partition as changed: every DAG scheduled on it runs for this key."""
        assets = self._call("GET", "/api/v2/assets", params={"name_pattern": asset})["assets"]
        numbers = [known["id"] for known in assets if known["name"] == asset]
        if not numbers:
            raise AirflowApiError(f"Airflow knows no asset {asset}{self._import_errors()}")
        body = {"asset_id": numbers[0], "partition_key": key, "extra": extra or {}}
        self._call("POST", "/api/v2/assets/events", json=body)

    def backfill(self, dag: str, first: Night, last: Night, *, conf: dict[str, Any] | None = None) -> int:
        """Ask a DAG that runs once a night for a range of nights, both ends included; return the backfill's id."""
        body = {
            "dag_id": dag,
            "from_date": f"{first}T00:00:00Z",
            "to_date": f"{last}T00:00:00Z",
            "dag_run_conf": conf or {},
            "reprocess_behavior": "completed",
        }
        # All its runs are written before it answers: a thousand take a minute.
        return int(self._call("POST", "/api/v2/backfills", json=body, timeout=600)["id"])

    def runs(self, dag: str, *, partition_key: str | None = None, unfinished: bool = False) -> list[str]:
        """Return the ids of a DAG's runs, the newest first; only of one partition, only those that go on, if asked."""
        answer = self._call("GET", f"/api/v2/dags/{dag}/dagRuns", params={"order_by": "-run_after", "limit": _PAGE})
        return [
            str(run["dag_run_id"])
            for run in answer["dag_runs"]
            if (partition_key is None or run.get("partition_key") == partition_key)
            and not (unfinished and run["state"] in _ENDED)
        ]

    def run_state(self, dag: str, run: str) -> str:
        """Return the state of a run."""
        return str(self._call("GET", f"/api/v2/dags/{dag}/dagRuns/{run}")["state"])

    def stop_run(self, dag: str, run: str) -> None:
        """Mark a run as failed, which cancels the jobs of its tasks."""
        self._call("PATCH", f"/api/v2/dags/{dag}/dagRuns/{run}", json={"state": "failed"})

    def task_order(self, dag: str) -> list[str]:
        """Return a DAG's tasks, each after those it waits for."""
        tasks = self._call("GET", f"/api/v2/dags/{dag}/tasks")["tasks"]
        waiting = {str(task["task_id"]): set(map(str, task["downstream_task_ids"] or ())) for task in tasks}
        order: list[str] = []
        while waiting:
            blocked = set().union(*waiting.values())
            # The server lists tasks by name; a cycle cannot be, but must not hang us either.
            ready = [task for task in waiting if task not in blocked] or list(waiting)
            order += ready
            for task in ready:
                del waiting[task]
        return order

    def task_states(self, dag: str, run: str) -> list[TaskState]:
        """Return all task instances of a run."""
        states: list[TaskState] = []
        while True:
            page = self._call(
                "GET",
                f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances",
                params={"limit": _PAGE, "offset": len(states), "order_by": "id"},
            )
            for task in page["task_instances"]:
                states.append(
                    TaskState(
                        task=task["task_id"],
                        map_index=task["map_index"],
                        label=task.get("rendered_map_index") or "",
                        state=task["state"] or "",
                        attempt=task["try_number"],
                    )
                )
            if not page["task_instances"] or len(states) >= page["total_entries"]:
                return states

    def follow(self, dag: str, run: str, *, every_s: float = 2.0) -> Iterator[tuple[str, list[TaskState]]]:
        """Yield a run's state and its task instances again and again, until it has ended."""
        while True:
            # In this order: the last task list is never older than the end of the run.
            state = self.run_state(dag, run)
            yield state, self.task_states(dag, run)
            if state in _ENDED:
                return
            time.sleep(every_s)

    def log(self, dag: str, run: str, task: TaskState) -> str:
        """Return the log of a task's newest attempt."""
        path = f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task.task}/logs/{task.attempt}"
        content = self._call("GET", path, params={"map_index": task.map_index, "full_content": True})["content"]
        lines = [line for entry in content for line in _log_lines(entry)]
        return "\n".join(line for line in lines if not line.startswith("::"))

    def _import_errors(self) -> str:
        errors = self._call("GET", "/api/v2/importErrors")["import_errors"]
        return "".join(f"\n{error['filename']}:\n{error['stack_trace']}" for error in errors)

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        import httpx

        try:
            return self._client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise AirflowApiError(
                f"Airflow at {self._client.base_url} does not answer ({error}); see `stereo site-status`"
            ) from None

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        answer = self._send(method, path, **options)
        if answer.is_error:
            raise AirflowApiError(f"Airflow refuses {method} {path} ({answer.status_code}): {answer.text[:500]}")
        content = answer.json()
        return content if isinstance(content, dict) else {}


def _log_lines(entry: Any) -> list[str]:
    """Return an entry of a task's log as lines: its text, and the exceptions that go with it."""
    if not isinstance(entry, dict):
        return [str(entry)]
    errors = entry.get("error_detail") or ()
    return [str(entry.get("event", "")), *(f"{error['exc_type']}: {error['exc_value']}" for error in errors)]


def access_file(settings: Settings) -> Path:
    """Return the file that says where Airflow is and who logs in: JSON with `address`, `user` and `password`.

    A local site writes it when it starts, and removes it when it stops; elsewhere it is for whoever installs Airflow.
    """
    return settings.site.paths.state / AIRFLOW_ACCESS_FILE


@contextmanager
def site_api(settings: Settings) -> Iterator[AirflowApi]:
    """Open a session with the site's Airflow, as a user who may do everything.

    Raises
    ------
    AirflowApiError
        If the site does not run, or nobody can log in.
    """
    try:
        access = json.loads(access_file(settings).read_text())
    except FileNotFoundError:
        raise AirflowApiError("the site does not run: start it with `stereo up`") from None
    except (OSError, ValueError) as error:
        raise AirflowApiError(f"{access_file(settings)} cannot be read: {error}") from None
    if not access.get("password"):
        raise AirflowApiError("the site has no user with the role admin: add one to airflow.users in config/site.yaml")
    api = AirflowApi(access["address"], access["user"], access["password"])
    try:
        yield api
    finally:
        api.close()
