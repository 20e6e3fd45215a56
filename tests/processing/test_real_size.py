"""What the house itself costs in a night of real size: 9 runs, 2,657 elements."""

import json
import subprocess
import sys
import time

import pytest
import real_size
import typer
from typer.testing import CliRunner

from stereo_tasks.commands.plan import plan_command, planned_arrays
from stereo_tasks.planning.element_state import ElementStates


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return real_size.make_night(tmp_path_factory.mktemp("real_size"))


@pytest.fixture(scope="module")
def plan(settings):
    return real_size.plan_of(settings)


def test_a_night_of_real_size_is_planned_in_two_seconds_of_cpu(settings, plan):
    assert len(plan.elements) == 2657
    begin = time.process_time()
    real_size.plan_of(settings)
    assert time.process_time() - begin < 2.0


def test_no_job_of_a_night_of_real_size_is_longer_than_eight_hours(settings, plan):
    arrays = planned_arrays(plan, settings)
    assert [(array.stage, array.then) for array in arrays] == [
        ("calibrate", ("merge",)),
        ("coincide", ("stereo", "merge_stereo")),
        ("dl2", ("dl3", "index")),  # forests need another kind of job
        ("qa", ()),
    ]
    assert [array.elements for array in arrays] == [9 * 2 * 25, 9 * 120, 9, 1]
    for array in arrays:
        assert array.time_s <= 8 * 3600, array
        assert array.jobs * array.per_job >= array.elements


def test_a_job_has_time_for_what_its_elements_are_expected_to_need_with_a_margin(settings, plan):
    """12,000 events of a subrun at 6 ms an event; 10 s of data coincide in 33 s, and are reconstructed in 37 s."""
    arrays = {array.stage: array for array in planned_arrays(plan, settings)}
    assert arrays["calibrate"].time_s >= 2 * arrays["calibrate"].per_job * 12_000 * 0.006
    assert arrays["coincide"].time_s >= 2 * arrays["coincide"].per_job * (33 + 37)


@pytest.fixture
def short_partition(settings):
    """The site's private cluster, of which no job may take more than two hours."""
    folder = settings.site.paths.state.resolve() / "slurm"
    command = [sys.executable, "-m", "airflow_slurm.private_cluster"]
    subprocess.run([*command, "start", str(folder), "--partition=night:Default=YES MaxTime=120"], check=True)
    yield
    subprocess.run([*command, "stop", str(folder)], check=True)


def test_no_job_is_longer_than_its_partition_allows(settings, monkeypatch, short_partition):
    (settings.site.root / "config").mkdir(exist_ok=True)
    # As if everything took long: the jobs have fewer elements then.
    slow = "calibrate: {time_per_element: 20 min}\nstereo: {time_per_element: 11 min}\ndl2: {time_per_element: 5 h}\n"
    (settings.site.root / "config" / "resources.yaml").write_text(slow)
    monkeypatch.setenv("STEREO_SITE", str(settings.site.root))
    monkeypatch.setenv("STEREO_CLUSTER", "slurm")
    monkeypatch.setattr("stereo_tasks.processing.night_plans.science_versions", lambda _: {"magic-cta-pipe": "0.6.2"})
    app = typer.Typer()
    app.command()(plan_command)
    result = CliRunner().invoke(app, ["2024-01-10", "--jobs", "--json"])
    assert result.exit_code == 0, result.output
    arrays = {array["stage"]: array for array in json.loads(result.stdout)}
    assert max(array["time_s"] for array in arrays.values()) <= 7200
    assert (arrays["coincide"]["per_job"], arrays["coincide"]["jobs"]) == (3, 360)
    # What takes longer by itself gets all that there is.
    assert (arrays["dl2"]["per_job"], arrays["dl2"]["time_s"]) == (1, 7200)
    (settings.site.root / "config" / "resources.yaml").unlink()


def test_a_whole_night_reads_each_record_some_ten_times_and_not_once_for_each_that_depends_on_it(settings, plan):
    tally = real_size.run_night(plan, settings)
    assert tally.records_read <= 40 * tally.elements
    assert ElementStates(plan).summary()["dl3"] == {"done": 9}
