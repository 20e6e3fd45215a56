import io

from rich.console import Console

from stereo_tasks.airflow_api.client import TaskState
from stereo_tasks.local_site.progress import RunView

ORDER = ["plan", "source.calibrate", "source.merge", "verdict"]


def task(name, state, *, index=-1, label=""):
    return TaskState(task=name, map_index=index, label=label, state=state, attempt=1)


def view():
    return RunView(Console(), "process_night", ORDER, print)


def drawn(table):
    console = Console(file=io.StringIO(), width=120)
    console.print(table)
    return console.file.getvalue()


def test_a_line_is_printed_once_for_each_change():
    shown = view()
    first = [task("source.calibrate", "running", index=0, label="CrabNebula"), task("plan", "success")]
    assert shown.lines(first, {}) == ["plan success", "CrabNebula calibrate running"]
    assert shown.lines(first, {}) == []
    then = [task("plan", "success"), task("source.calibrate", "success", index=0, label="CrabNebula")]
    assert shown.lines(then, {("CrabNebula", "calibrate"): (12, 12)}) == ["CrabNebula calibrate success 12/12"]


def test_waiting_tasks_make_no_lines():
    waiting = [task("plan", "queued"), task("verdict", ""), task("source.merge", "scheduled", index=0, label="Crab")]
    assert view().lines(waiting, {}) == []


def test_a_source_without_a_name_is_numbered():
    assert view().lines([task("source.calibrate", "failed", index=1)], {}) == ["#1 calibrate failed"]


def test_the_table_has_sources_down_and_stages_across():
    tasks = [
        task("plan", "success"),
        task("verdict", ""),
        task("source.calibrate", "success", index=0, label="CrabNebula"),
        task("source.merge", "deferred", index=0, label="CrabNebula"),
        task("source.calibrate", "failed", index=1, label="Mrk421"),
        task("source.merge", "upstream_failed", index=1, label="Mrk421"),
    ]
    counts = {("CrabNebula", "calibrate"): (24, 24), ("CrabNebula", "merge"): (1, 4)}
    lines = drawn(view().table(tasks, counts, "running")).splitlines()
    assert [line.split() for line in lines if "merge" in line] == [["calibrate", "merge"]]
    assert next(line.split() for line in lines if "CrabNebula" in line) == ["CrabNebula", "24/24", "1/4"]
    assert next(line.split() for line in lines if "Mrk421" in line) == ["Mrk421", "failed", "-"]
    assert "plan success" in lines[-1]
    assert "verdict -" in lines[-1]


def test_a_task_that_never_ran_has_the_name_of_its_row():
    shown = view()
    shown.lines([task("source.calibrate", "running", index=0, label="CrabNebula")], {})
    late = [task("source.merge", "upstream_failed", index=0, label="0")]
    assert shown.lines(late, {}) == ["CrabNebula merge upstream_failed"]
