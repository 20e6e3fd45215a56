"""Many arrays at once: what they cost the cluster's controller, and how soon their ends are noticed."""

from __future__ import annotations

import datetime as dt
import statistics
import time

import pytest
from arrays import Folder

from stereo_tasks.airflow_api.errors import AirflowApiError

ELEMENTS = 100
SLEEP_S = 4.0


@pytest.mark.timeout(3600)
def test_many(site, tmp_path, request, numbers):
    rates = {}
    sizes = sorted(int(word) for word in request.config.getoption("--arrays").split(","))
    most = sizes[-1]
    for arrays in sizes:
        # With few arrays they are longer, so that the minutes can be compared.
        sleep_s = SLEEP_S if arrays == most else 40.0 if arrays == 1 else 6.0
        rates[arrays] = _measure(site, tmp_path / str(arrays), arrays, sleep_s, numbers)
    assert max(rates.values()) < 2 * min(rates.values()) + 5


def _measure(site, root, arrays, sleep_s, numbers) -> float:
    folders = [Folder.make(root / f"many{arrays}n{number}", ELEMENTS, sleep_s) for number in range(arrays)]
    began = time.time()
    run = site.api.trigger("drill_many", conf={"folders": [str(folder.path) for folder in folders]})

    def tasks():
        # Not so often that the looking itself is a load; and a busy api-server may fail to answer once.
        time.sleep(3)
        try:
            found = site.api.task_states("drill_many", run)
        except AirflowApiError:
            return []
        return [one for one in found if one.task == "elements" and one.map_index >= 0]

    site.wait(lambda: sum(one.state == "deferred" for one in tasks()) >= 0.8 * arrays, 1200, "the deferral")
    all_watched = still_watched = time.time()
    memory, left = [], arrays
    while left:
        memory.append(site.memory_mb("triggerer"))
        states = tasks()
        if not states:
            continue
        left = sum(one.state not in ("success", "failed") for one in states)
        if sum(one.state == "deferred" for one in states) >= 0.5 * arrays:
            still_watched = time.time()
        assert time.time() - began < 2700
    calls = site.calls(all_watched, still_watched)
    minutes = (still_watched - all_watched) / 60
    path = f"/api/v2/dags/drill_many/dagRuns/{run}/taskInstances"
    pages = [site.api.get(path, limit=100, offset=offset, order_by="id") for offset in range(0, arrays + 1, 100)]
    found = [one for page in pages for one in page["task_instances"]]
    ends = {one["map_index"]: one for one in found if one["task_id"] == "elements"}
    delays = sorted(
        dt.datetime.fromisoformat(ends[number]["end_date"]).timestamp() - folder.last_end()
        for number, folder in enumerate(folders)
    )
    rate = sum(calls.values()) / minutes
    numbers(
        drill="many", arrays=arrays, elements=ELEMENTS, seconds=round(time.time() - began),
        window_s=round(minutes * 60), calls_per_minute=round(rate, 1), calls=dict(calls),
        all_calls=dict(site.calls(began)), triggerer_mb=round(max(memory)),
        delay_median_s=round(statistics.median(delays), 1),
        delay_p95_s=round(delays[int(0.95 * (len(delays) - 1))], 1), delay_max_s=round(delays[-1], 1),
        success=sum(one["state"] == "success" for one in ends.values()),
        done=sum(len(folder.records()) for folder in folders),
    )  # fmt: skip
    assert all(one["state"] == "success" for one in ends.values())
    assert all(folder.records() == dict.fromkeys(range(ELEMENTS), "done") for folder in folders)
    return rate
