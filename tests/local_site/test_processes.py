import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from stereo_tasks.local_site.errors import SiteError
from stereo_tasks.local_site.files import last_lines, private_folder, read_json, write_private_json
from stereo_tasks.local_site.processes import MARKER, Condition, Service, end, end_strays, marked, site_id, stop

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
)
# A parent whose one child stays in its session and whose other child has left it.
PARENT = """
import subprocess, time
subprocess.Popen(["sleep", "60"])
subprocess.Popen(["sleep", "60"], start_new_session=True)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def environment(root):
    return {"PATH": os.environ["PATH"], MARKER: site_id(root)}


@pytest.fixture
def service(root):
    one = Service("worker", root / "state", patience_s=0.5)
    yield one
    stop([one])


def start_python(service, environment, code):
    process = service.start([sys.executable, "-c", code], environment)
    deadline = time.monotonic() + 20
    while "ready" not in service.log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


@pytest.fixture
def innocent():
    """A process that is none of ours."""
    with subprocess.Popen(["sleep", "60"]) as child:
        yield child
        child.kill()


def test_a_service_starts_and_stops(service, environment):
    assert service.condition() == Condition.STOPPED
    process = service.start(["sleep", "60"], environment)
    assert service.condition() == Condition.RUNNING
    assert os.getsid(process.pid) == process.pid  # no terminal and no Ctrl-C reaches it
    assert service.pid_file.stat().st_mode & 0o777 == 0o600
    stop([service])
    assert service.condition() == Condition.STOPPED
    assert not process.is_running()


def test_a_service_that_becomes_another_program_runs_all_the_time(root, environment):
    for number in range(30):
        service = Service(f"changing{number}", root / "state", patience_s=0.5)
        service.start(["sh", "-c", "exec sh -c 'exec sleep 60'"], environment)
        assert {service.condition() for _ in range(10)} == {Condition.RUNNING}
        stop([service])


def test_a_service_is_not_started_twice(service, environment):
    service.start(["sleep", "60"], environment)
    with pytest.raises(SiteError, match="runs already"):
        service.start(["sleep", "60"], environment)


def test_a_service_that_ended_by_itself_has_died(service, environment):
    service.start(["sh", "-c", "echo goodbye; exit 3"], environment)
    while service.process:
        time.sleep(0.01)
    assert service.condition() == Condition.DIED
    assert "goodbye" in last_lines(service.log)


def test_a_command_runs_to_its_end(service, environment):
    assert service.run(["sh", "-c", "exit 3"], environment, limit_s=10) == 3
    assert service.condition() == Condition.STOPPED


def test_a_command_that_takes_too_long_is_stopped(service, environment, root):
    with pytest.raises(SiteError, match="longer than"):
        service.run(["sleep", "60"], environment, limit_s=0.2)
    assert not marked(site_id(root))


def test_a_recycled_process_id_is_left_alone(service, environment, innocent):
    """After a restart of the machine, too, ids mean other processes."""
    service.start(["sleep", "60"], environment)
    note = read_json(service.pid_file)
    stop([service])
    write_private_json(service.pid_file, note | {"pid": innocent.pid})
    assert service.condition() == Condition.DIED
    stop([service])
    assert innocent.poll() is None
    assert not service.pid_file.exists()


def test_another_process_of_the_site_is_not_the_service(service, environment):
    """Not even with its id: each start has a mark of its own."""
    other = Service("other", service.state)
    service.start(["sleep", "60"], environment)
    process = other.start(["sleep", "60"], environment)
    note = read_json(service.pid_file)
    stop([service])
    write_private_json(service.pid_file, note | {"pid": process.pid})
    assert (service.condition(), other.condition()) == (Condition.DIED, Condition.RUNNING)
    stop([other])


def test_what_another_host_started_is_not_touched(service, innocent):
    write_private_json(service.pid_file, {"pid": innocent.pid, "start": "one", "host": "another"})
    assert service.condition() == Condition.ELSEWHERE
    with pytest.raises(SiteError, match="started on another"):
        stop([service])
    service.pid_file.unlink()


def test_a_damaged_pid_file_is_no_process(service):
    service.pid_file.parent.mkdir(parents=True)
    service.pid_file.write_text("{")
    assert service.condition() == Condition.STOPPED


def test_who_ignores_sigterm_is_killed(service, environment):
    process = start_python(service, environment, STUBBORN)
    begin = time.monotonic()
    stop([service])
    assert not process.is_running()
    assert 0.4 < time.monotonic() - begin < 20


def test_the_second_signal_is_sent_when_the_first_does_not_help(root, environment):
    patient = Service("patient", root / "state", stop_signals=(signal.SIGTERM, signal.SIGINT), patience_s=0.3)
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('ready', flush=True)\n"
        "try: time.sleep(60)\n"
        "except KeyboardInterrupt: print('in good order', flush=True)"
    )
    start_python(patient, environment, code)
    stop([patient])
    assert "in good order" in patient.log.read_text()


def test_stopping_takes_all_descendants_along(service, environment, root):
    process = start_python(service, environment, PARENT)
    assert len(process.children()) == 2
    stop([service])
    assert not marked(site_id(root))


def test_a_process_that_ended_and_that_nobody_collects_is_not_waited_for(service, environment):
    """In a container it may stay for ever, if the first process there does not collect orphans."""
    code = (
        "import subprocess, time; child = subprocess.Popen(['true']); print(child.pid, 'ready', flush=True); "
        "time.sleep(60)"
    )
    start_python(service, environment, code)
    ended = psutil.Process(int(service.log.read_text().split()[0]))
    while ended.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    end([ended], patience_s=60)
    assert ended.status() == psutil.STATUS_ZOMBIE


def test_strays_of_a_killed_service_are_found_by_their_mark(service, environment, root):
    process = start_python(service, environment, PARENT)
    process.kill()
    process.wait(10)
    assert service.condition() == Condition.DIED
    assert len(marked(site_id(root))) == 2
    assert end_strays(site_id(root)) == 2
    assert not marked(site_id(root))


def test_strays_of_another_site_are_left_alone(service, environment, root):
    process = service.start(["sleep", "60"], environment)
    assert end_strays(site_id(root / "other")) == 0
    assert end_strays(site_id(root), keep=process) == 0
    assert process.is_running()


def test_the_sweep_does_not_end_the_one_who_sweeps(root, environment):
    """`stereo down` may be called from a process of the site itself, such as a task."""
    code = f"from stereo_tasks.local_site.processes import end_strays; print(end_strays({site_id(root)!r}))"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "0")


def test_a_folder_that_was_open_is_closed(tmp_path):
    folder = tmp_path / "deep" / "state"
    folder.mkdir(parents=True, mode=0o755)
    private_folder(folder)
    private_folder(tmp_path / "new")
    assert {one.stat().st_mode & 0o777 for one in (folder, tmp_path / "new")} == {0o700}


def test_a_site_is_the_same_by_every_path(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert site_id(tmp_path / "a") == site_id(tmp_path / "link") != site_id(tmp_path / "b")
