import os
import signal
import subprocess
import sys

from rich.console import Console

from stereo_tasks.local_site import control
from stereo_tasks.local_site.demo import DEMO_NIGHT, _science, prepare_demo_config, run_demo
from stereo_tasks.local_site.processes import end_strays, marked, site_id
from stereo_tasks.nights import Night
from stereo_tasks.settings import load_settings


def test_the_demo_configuration_never_overwrites(tmp_path):
    new = prepare_demo_config(tmp_path)
    assert new
    new[0].write_text("# mine\n")
    new[-1].unlink()
    assert prepare_demo_config(tmp_path) == ([new[-1]] if len(new) > 1 else [])
    assert len(new) == 1 or new[0].read_text() == "# mine\n"


def test_the_tables_of_a_demo_site_do_not_end(root):
    """Else its first page would warn of them."""
    prepare_demo_config(root)
    settings = load_settings(root)
    for night in (DEMO_NIGHT, Night("2060-01-10")):
        assert settings.monte_carlo.period(night).name == "ST0320A"
        assert settings.time_offset(night).offset_us == -3.2
    assert settings.monte_carlo.nsb_levels == load_settings(root / "elsewhere").monte_carlo.nsb_levels


def with_simulator(settings, folder, text):
    """Let the science environment be a program that does what we say."""
    python = folder / "python"
    python.write_text(f"#!/bin/sh\n{text}\n")
    python.chmod(0o755)
    return settings.model_copy(update={"site": settings.site.model_copy(update={"science_python": python})})


def test_a_simulation_that_fails_ends_the_demo(settings, tmp_path, capfd):
    console = Console(soft_wrap=True)
    changed = with_simulator(settings, tmp_path, "sleep 60 & echo no such shower >&2; exit 2")
    assert run_demo(changed, console=console) == 1
    shown = capfd.readouterr()
    assert "no such shower" in shown.err
    assert "stereo_tasks.simulate night" in shown.out
    assert control.status(settings).stopped


def test_without_a_science_environment_the_demo_says_what_to_do(settings, tmp_path, capfd):
    missing = settings.site.model_copy(update={"science_python": tmp_path / "nothing"})
    assert run_demo(settings.model_copy(update={"site": missing}), console=Console(soft_wrap=True)) == 1
    assert "make setup" in capfd.readouterr().out


DEMO = """
import sys
from pathlib import Path
from stereo_tasks.settings import load_settings
from stereo_tasks.local_site.demo import run_demo
settings = load_settings()
site = settings.site.model_copy(update={"science_python": Path(sys.argv[1])})
raise SystemExit(run_demo(settings.model_copy(update={"site": site})))
"""


def test_ctrl_c_ends_the_simulation_with_all_its_workers(settings, tmp_path):
    python = with_simulator(settings, tmp_path, "setsid sleep 60 & echo simulating; sleep 60").site.science_python
    variables = {**os.environ, "STEREO_SITE": str(settings.site.root), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-c", DEMO, str(python)]
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True) as child:
        for line in child.stdout:
            if "simulating" in line:
                child.send_signal(signal.SIGINT)
                break
        shown = child.stdout.read()
    assert child.returncode == 130
    assert "Interrupted" in shown
    assert not marked(site_id(settings.site.root))
    assert not marked(str(settings.site.root), "STEREO_SITE")


def test_the_simulation_survives_the_start_of_the_site_and_ends_with_its_block(settings, tmp_path):
    changed = with_simulator(settings, tmp_path, "sleep 60")
    with _science(changed, ("stereo_tasks.simulate",)) as (process,):
        assert end_strays(site_id(settings.site.root)) == 0  # as each start does
        assert process.poll() is None
    assert not marked(str(settings.site.root), "STEREO_SITE")
